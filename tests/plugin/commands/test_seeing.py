"""`list`, `get`, `watch`, `status`, `events`, `history` against the real operator."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary_operator.playground.api.faults import Fault
from canary_operator.playground.local import ROLLOUTS
from canary_operator.plugin.exits import Exit
from tests.plugin.objects import AT_REST, ON_TRIAL, create, write_status
from tests.plugin.people import rule, somebody
from tests.plugin.running import Plugin
from tests.support.bed import Bed, Release, quick_spec, template
from tests.support.clusters import Cluster, EmbeddedCluster
from tests.support.terminal import Terminal, terminal

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("plugin")]

LONG = {**quick_spec()["strategy"], "steps": [{"weight": 20, "hold": "10m"}]}


@asynccontextmanager
async def on_screen(
    plugin: Plugin,
    *arguments: str,
    size: tuple[int, int] = (100, 40),
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Terminal]:
    """Run a command in a terminal."""
    command = [sys.executable, "-m", "canary_operator.plugin.main", *plugin.full(*arguments)]
    async with terminal(command, size, environment) as opened:
        yield opened


async def on_trial(bed: Bed, **changes: Any) -> tuple[Release, Plugin]:
    release = await bed.release(**{"strategy": LONG, **changes})
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    return release, Plugin.of(release)


async def test_a_promotion_watched_on_a_terminal(bed: Bed) -> None:
    release = await bed.release()
    await release.apply(template=template("v2"))
    async with on_screen(Plugin.of(release), "watch", "web") as screen:
        for words in ("▶ 20 %", "1s", "success-rate  ✔  100 %", "web-canary"):
            await screen.until(words)
        assert await screen.end() == Exit.DONE
    assert "serves everything" in screen.text
    assert "Traceback" not in screen.text
    assert b"\x1b[?25h" in screen.raw  # the cursor is back


async def test_a_rollback_watched_in_a_log(bed: Bed) -> None:
    release = await bed.release()
    release.traffic.canary.error_rate = 0.5
    await release.apply(template=template("v2"))
    said = await Plugin.of(release).alone("watch", "web")
    assert said.code == Exit.FAILED, said
    lines = said.out.splitlines()
    assert any("Progressing   20 %" in line for line in lines)
    assert "RolledBack     0 %" in lines[-1]
    assert "at least 99 % is asked" in lines[-1]
    assert "\x1b" not in said.out


async def test_changes_as_lines_of_json(bed: Bed) -> None:
    release = await bed.release()
    await release.apply(template=template("v2"))
    said = await Plugin.of(release).alone("watch", "web", "-o", "json")
    assert said.code == Exit.DONE, said
    changes = [json.loads(line) for line in said.out.splitlines()]
    weights = [change["weight"] for change in changes]
    assert [weight for weight in (20, 50, 0) if weight in weights] == [20, 50, 0]
    assert changes[-1]["end"] == "serving"
    assert any(change["metrics"] for change in changes)


async def test_time_is_up(bed: Bed) -> None:
    _, plugin = await on_trial(bed)
    said = await plugin("watch", "web", "--timeout", "1s")
    assert said.code == Exit.TIMEOUT
    assert "did not end within" in said.err
    assert len(said.err.splitlines()) == 1


async def test_deleted_while_watched(bed: Bed) -> None:
    release, plugin = await on_trial(bed)
    async with on_screen(plugin, "watch", "web") as screen:
        await screen.until("▶ 20 %")
        await bed.client.delete(ROLLOUTS, "web", release.namespace)
        assert await screen.end() == Exit.IMPOSSIBLE
    assert f"error: CanaryRollout {release.namespace}/web was deleted" in screen.text
    assert "Traceback" not in screen.text


async def test_ctrl_c_ends_a_watch(bed: Bed) -> None:
    _, plugin = await on_trial(bed)
    async with on_screen(plugin, "watch", "web") as screen:
        await screen.until("▶ 20 %")
        screen.type("\x03")
        assert await screen.end() == Exit.INTERRUPTED
    assert "Interrupted." in screen.text
    assert "Traceback" not in screen.text
    assert b"\x1b[?25h" in screen.raw


async def test_pods_that_one_may_not_see_are_said_and_the_rest_is_shown(
    bed: Bed, tmp_path: Path
) -> None:
    release, _ = await on_trial(bed)
    who = await somebody(bed.cluster, release.namespace, tmp_path, rule("get list watch"))
    said = await who("get", "web")
    assert said.code == Exit.DONE, said
    assert "20 %" in said.out
    assert "You may not list pods" in said.out
    async with on_screen(who, "watch", "web") as screen:
        await screen.until("You may not list pods")
        await screen.until("▶ 20 %")


async def test_all_that_there_is(bed: Bed) -> None:
    release, plugin = await on_trial(bed)
    said = await plugin("list")
    assert said.code == Exit.DONE
    header, line = said.out.splitlines()
    assert header.split() == ["NAME", "PHASE", "WEIGHT", "STEP", "METRICS", "AGE", "MESSAGE"]
    assert line.split()[:5] == ["web", "Progressing", "20", "%", "1/1"]
    wide = await plugin("list", "-A", "-o", "wide")
    assert release.namespace in wide.out
    assert "app:v2" in wide.out
    names = await plugin("list", "-o", "name")
    assert names.out == "canaryrollout.canary-operator.dev/web\n"
    for output, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        found = read((await plugin("list", "-o", output)).out)
        assert [one["metadata"]["name"] for one in found["items"]] == ["web"]
        assert "managedFields" not in found["items"][0]["metadata"]


async def test_an_empty_namespace(bed: Bed) -> None:
    namespace = await bed.cluster.namespace()
    said = await Plugin(bed.cluster.kubeconfig, namespace)("list")
    assert said == type(said)(Exit.DONE, "", f"No CanaryRollouts in namespace {namespace}.\n")


async def test_a_list_that_goes_on(bed: Bed) -> None:
    release, plugin = await on_trial(bed)
    async with plugin.process("list", "--watch") as process:
        assert process.stdout is not None
        first = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        assert f"{release.namespace}/web" in first
        await release.ask("pause")
        async with asyncio.timeout(30):
            while "Paused" not in (await process.stdout.readline()).decode():
                pass
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
        assert process.returncode == Exit.INTERRUPTED
        assert err.decode().strip() == "Interrupted."
        del out


async def test_a_list_on_a_terminal_is_drawn_in_place(bed: Bed) -> None:
    release, plugin = await on_trial(bed)
    async with on_screen(plugin, "list", "-w", size=(80, 20)) as screen:
        await screen.until("Progressing")
        await release.ask("pause")
        seen = await screen.until("Paused")
        assert seen.count("NAME") == 1  # drawn in place
        screen.type("\x03")
        assert await screen.end() == Exit.INTERRUPTED


async def test_many_on_a_terminal_are_drawn_at_once_and_as_far_as_there_is_room(
    cluster: Cluster,
) -> None:
    namespace = await cluster.namespace()
    for index in range(30):
        await create(cluster.client, namespace, AT_REST, f"web-{index:02d}")
    plugin = Plugin(cluster.kubeconfig, namespace)
    async with on_screen(plugin, "list", "-w", size=(130, 20)) as screen:
        await screen.until("… 12 more")
        assert screen.raw.count(b"NAME") < 5  # not once for each
        assert "web-17" in screen.text
        assert "web-18" not in screen.text
        for index in range(5):
            await write_status(cluster.client, namespace, ON_TRIAL, f"web-{index:02d}")
        await screen.until("web-04   Progressing")
        screen.type("\x03")
        assert await screen.end() == Exit.INTERRUPTED
    assert "web-29" not in screen.text


async def test_a_list_on_a_terminal_that_cannot_move_the_cursor(cluster: Cluster) -> None:
    namespace = await cluster.namespace()
    await create(cluster.client, namespace, AT_REST)
    plugin = Plugin(cluster.kubeconfig, namespace)
    async with on_screen(plugin, "list", "-w", environment={"TERM": "dumb"}) as screen:
        await screen.until(f"{namespace}/web")
        screen.type("\x03")
        assert await screen.end() == Exit.INTERRUPTED
    assert b"\x1b" not in screen.raw


@pytest.mark.parametrize(
    ("output", "terminal_type"), [("wide", "xterm"), ("wide", "dumb"), ("json", "xterm")]
)
async def test_a_list_says_once_why_nothing_can_be_seen(
    output: str, terminal_type: str, cluster: Cluster
) -> None:
    if not isinstance(cluster, EmbeddedCluster):
        pytest.skip("needs an API server that fails when asked to")
    namespace = await cluster.namespace()
    await create(cluster.client, namespace, AT_REST)
    fault = Fault(verb="watch", resource="canaryrollouts", namespace=namespace, status=500, times=3)
    cluster.api.faults.add(fault)
    plugin, environment = Plugin(cluster.kubeconfig, namespace), {"TERM": terminal_type}
    command = ("list", "-w", "-o", output)
    async with on_screen(plugin, *command, size=(160, 200), environment=environment) as screen:
        await screen.until("warning: ")
        await write_status(cluster.client, namespace, ON_TRIAL)
        seen = await screen.until("Progressing")
        assert seen.count("warning: ") == 1


@pytest.mark.parametrize("command", [("watch", "web", "--forever"), ("list", "-w")])
async def test_a_terminal_is_whole_after_sigterm(
    command: tuple[str, ...], cluster: Cluster
) -> None:
    namespace = await cluster.namespace()
    await create(cluster.client, namespace, AT_REST)
    async with on_screen(Plugin(cluster.kubeconfig, namespace), *command) as screen:
        await screen.until("Stable")
        assert b"\x1b[?25h" not in screen.raw
        screen.process.send_signal(signal.SIGTERM)
        assert await screen.end(10) == Exit.INTERRUPTED
    assert b"\x1b[?25h" in screen.raw


async def test_one_from_top_to_bottom(bed: Bed) -> None:
    release, plugin = await on_trial(bed)
    said = await plugin("get", "cro/web")
    assert said.code == Exit.DONE
    for words in ("canary ", "▶ 20 %", "web-stable", "ReplicaSet", "app:v2", "2/2 available"):
        assert words in said.out, said.out
    raw = json.loads((await plugin("get", "web", "-o", "json")).out)
    assert raw["status"]["weight"] == 20
    assert yaml.safe_load((await plugin("get", "web", "-o", "yaml")).out)["kind"] == "CanaryRollout"
    said = await plugin("get", "wep")
    assert said.code == Exit.IMPOSSIBLE
    assert said.err == (
        f"error: No CanaryRollout wep in namespace {release.namespace}; did you mean web?\n"
    )


async def test_status_for_scripts(bed: Bed) -> None:
    release = await bed.release()
    plugin = Plugin.of(release)
    assert (await plugin("status", "web")).code == Exit.DONE
    await release.apply(strategy=LONG, template=template("v2"))
    await release.until_weight(20)
    said = await plugin("status", "web")
    assert said.code == Exit.UNDER_WAY
    assert said.out.startswith(f"{release.namespace}/web: Progressing, 20 %: Step 1 of 1")
    assert (await plugin("status", "web", "--timeout", "1s")).code == Exit.TIMEOUT
    waiting = asyncio.create_task(plugin.alone("status", "web", "--timeout", "60s"))
    await release.ask("abort")
    assert (await waiting).code == Exit.FAILED
    assert json.loads((await plugin("status", "web", "-o", "json")).out)["phase"] == "RolledBack"


async def test_a_spec_that_is_refused_is_an_end(bed: Bed) -> None:
    release = await bed.release()
    service = {"port": 80, "targetPort": "nowhere"}
    await release.apply(service=service)
    await release.until(lambda status: status["observedGeneration"] > 1)
    said = await Plugin.of(release)("watch", "web")
    assert said.code == Exit.FAILED
    assert "nowhere" in said.out


async def test_what_happened(bed: Bed) -> None:
    release, plugin = await on_trial(bed)
    await release.until_event("WeightChanged")
    said = await plugin("events", "web")
    assert said.code == Exit.DONE
    assert said.out.index("WeightChanged") < said.out.index("Initializing")  # newest first
    found = json.loads((await plugin("events", "web", "-o", "json")).out)
    assert {"RolloutStarted", "WeightChanged"} <= {one["reason"] for one in found["items"]}


async def test_how_rollouts_ended(bed: Bed) -> None:
    release, plugin = await on_trial(bed)
    assert "Progressing" in (await plugin("history", "web")).out
    await release.ask("abort")
    await release.until_phase("RolledBack")
    said = await plugin("history", "web")
    assert "RolledBack" in said.out
    assert "Aborted" in said.out
    assert "app:v2" in said.out
    (entry,) = json.loads((await plugin("history", "web", "-o", "json")).out)
    assert (entry["outcome"], entry["image"]) == ("RolledBack", "app:v2")
