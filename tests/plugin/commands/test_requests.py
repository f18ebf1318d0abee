"""What a person asks of the operator, against the real one."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml

from canary_operator.playground.local import ROLLOUTS
from canary_operator.plugin.exits import Exit
from tests.plugin.running import Plugin
from tests.support.bed import REQUEST, Bed, Release, quick_spec, template
from tests.support.clusters import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("plugin")]

LONG = {**quick_spec()["strategy"], "steps": [{"weight": 20, "hold": "10m"}]}
NEVER_READY = {"annotations": {"playground.canary-operator.dev/ready-after": "never"}}


async def on_trial(bed: Bed, **changes: Any) -> tuple[Release, Plugin, str]:
    """Return a rollout whose canary has its first weight, and the canary's revision."""
    release = await bed.release(**{"strategy": LONG, **changes})
    await release.apply(template=template("v2"))
    status = await release.until_weight(20)
    return release, Plugin.of(release), status["canaryRevision"]


@asynccontextmanager
async def without_operator(bed: Bed) -> AsyncIterator[None]:
    """Stop the operator for a while."""
    await bed.operator.stop()
    try:
        yield
    finally:
        await bed.operator.start()


async def until_set(release: Release) -> str:
    """Wait until a request is set, and return it."""

    async def look() -> str | None:
        found: dict[str, str] = (await release.get())["metadata"].get("annotations") or {}
        return found.get(REQUEST)

    return await eventually(look)


async def test_pause_and_resume(bed: Bed) -> None:
    release, plugin, canary = await on_trial(bed)
    said = await plugin("pause", "web")
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        f"web: pause accepted for canary {canary}: Paused at 20 %; go on with the request resume.\n"
    )
    await release.until_phase("Paused")
    said = await plugin("resume", "cro/web", "--ascii")
    assert said.out == f"web: resume accepted for canary {canary}: The pause by request ended.\n"
    said = await plugin("approve", "web")
    assert (said.code, said.out) == (Exit.FAILED, "")
    assert said.err == (
        f"error: web: approve refused for canary {canary}: Nothing is paused, and the present "
        "step does not wait for an approval yet.\n"
    )


async def test_promote(bed: Bed) -> None:
    release, plugin, canary = await on_trial(bed)
    said = await plugin("promote", "web", "--revision", canary)
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        f"web: promote accepted for canary {canary}: Promoting at 20 %; remaining holds and checks "
        "are skipped.\n"
    )
    status = await release.until(lambda s: s["phase"] == "Stable")
    assert status["stableRevision"] == canary


async def test_abort_says_where_the_traffic_is_and_retry_tries_again(bed: Bed) -> None:
    release, plugin, canary = await on_trial(bed)
    said = await plugin("abort", "web", "-o", "json")
    told = json.loads(said.out)
    expected = {
        "namespace": release.namespace,
        "name": "web",
        "verb": "abort",
        "revision": canary,
        "replaced": None,
        "outcome": "Accepted",
        "message": "The canary is taken back.",
        "phase": "RollingBack",
        "weight": 0,
    }
    assert {key: value for key, value in told.items() if key != "request"} == expected
    await release.until_phase("RolledBack")
    said = await plugin("retry", "web")
    assert said.out == (
        f"web: retry accepted for revision {canary}: Revision {canary} is tried again.\n"
    )
    await release.until_weight(20)
    said = await plugin("abort", "web")
    assert said.out == (
        f"web: abort accepted for canary {canary}: The canary is taken back. "
        "The canary's weight is 0: all traffic is on stable.\n"
    )


async def test_a_refusal_gives_the_operators_reason(bed: Bed) -> None:
    release = await bed.release(strategy=LONG)
    plugin = Plugin.of(release)
    pods = template("v2")
    await release.apply(template={**pods, "metadata": {**pods["metadata"], **NEVER_READY}})
    status = await release.until_phase("Progressing")
    said = await plugin("promote", "web", "--output", "yaml")
    assert said.code == Exit.FAILED
    told = yaml.safe_load(said.out)
    assert told["outcome"] == "Refused"
    assert told["message"].startswith("0 of 1 canary pods are available; ")
    assert said.err.startswith(f"error: web: promote refused for canary {status['canaryRevision']}")


async def test_a_pause_by_the_spec_is_not_ended_by_a_request(bed: Bed) -> None:
    release, plugin, _ = await on_trial(bed)
    await release.apply(paused=True)
    await release.until_phase("Paused")
    said = await plugin("resume", "web")
    assert said.code == Exit.FAILED
    assert "spec.paused is true; set it to false to go on." in said.err


async def test_without_a_canary_nothing_is_set(bed: Bed) -> None:
    release = await bed.release(strategy=LONG)
    said = await Plugin.of(release)("promote", "web")
    revision = (await release.status())["stableRevision"]
    assert said.code == Exit.FAILED
    assert said.err == (
        "error: Nothing to promote: web has no canary (phase Stable). "
        f"Revision {revision} serves everything.\n"
    )
    assert "lastRequest" not in await release.status()


async def test_another_canary_than_the_one_that_is_meant(bed: Bed) -> None:
    release, plugin, canary = await on_trial(bed)
    said = await plugin("promote", "web", "--revision", "0123456789")
    assert said.code == Exit.FAILED
    expected = f"error: web: the canary is {canary}, not 0123456789. Nothing was asked for.\n"
    assert said.err == expected
    assert "lastRequest" not in await release.status()


async def test_two_people_at_once(bed: Bed) -> None:
    _, plugin, canary = await on_trial(bed)
    both = await asyncio.gather(plugin.alone("pause", "web"), plugin.alone("promote", "web"))
    assert {said.code for said in both} <= {Exit.DONE, Exit.FAILED}
    assert any(said.code == Exit.DONE for said in both)
    for said in both:
        assert len((said.out + said.err).splitlines()) == 1
        assert canary in said.out + said.err


async def test_an_operator_that_is_away(bed: Bed) -> None:
    release, plugin, canary = await on_trial(bed)
    async with without_operator(bed):
        said = await plugin("pause", "web", "--timeout", "500ms")
        assert said.code == Exit.TIMEOUT
        assert said.err == (
            "error: web: the operator did not answer within 500ms; it may be down. The request "
            "stays, and is answered when the operator is back. Take it back with: "
            f"kubectl annotate cro/web -n {release.namespace} canary-operator.dev/request-\n"
        )
        waiting = await until_set(release)

        said = await plugin("promote", "web")
        assert said.code == Exit.FAILED
        assert said.err.startswith(f"error: web: another request, {waiting}, is waiting for the")

        said = await plugin("abort", "web", "--no-wait")
        assert (said.code, said.err) == (0, "")
        assert said.out == (
            f"web: abort asked for canary {canary}; the operator has not answered yet. "
            f"It replaced a request that was waiting for the operator: {waiting}.\n"
        )
    status = await release.until_phase("RolledBack")
    assert status["history"][0]["reason"] == "Aborted"


async def test_the_operator_comes_back_while_somebody_waits(bed: Bed) -> None:
    release, plugin, canary = await on_trial(bed)
    async with without_operator(bed):
        waiting = asyncio.create_task(plugin.alone("pause", "web"))
        await until_set(release)
    said = await waiting
    assert (said.code, said.err) == (0, "")
    assert f"pause accepted for canary {canary}" in said.out


async def test_a_deletion_ends_the_wait_in_one_line(bed: Bed) -> None:
    release, plugin, _ = await on_trial(bed)
    async with without_operator(bed):
        waiting = asyncio.create_task(plugin.alone("promote", "web"))
        await until_set(release)
        await bed.client.delete(ROLLOUTS, "web", release.namespace)
        said = await waiting
    assert (said.code, said.out) == (Exit.IMPOSSIBLE, "")
    assert said.err == "error: web was deleted before the operator answered promote\n"


async def test_ctrl_c_ends_the_wait_in_one_line(bed: Bed) -> None:
    release, plugin, _ = await on_trial(bed)
    async with without_operator(bed), plugin.process("pause", "web") as process:
        await until_set(release)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, out) == (Exit.INTERRUPTED, b"")
    assert err.decode().strip() == "Interrupted."  # click ends the line that shows ^C
