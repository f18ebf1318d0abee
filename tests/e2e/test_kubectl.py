"""What people type: kubectl against a rollout."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from canary_operator.playground.client import NotFoundError
from canary_operator.playground.local import ROLLOUTS
from tests.support.bed import REQUEST, Bed, Release, condition, quick_spec, stays, template
from tests.support.clusters import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl"),
]

LONG = {**quick_spec()["strategy"], "steps": [{"weight": 20, "hold": "10m"}]}


class Kubectl:
    """kubectl, in the namespace of a release."""

    def __init__(self, release: Release) -> None:
        self._options = (
            f"--kubeconfig={release.bed.cluster.kubeconfig}",
            f"--namespace={release.namespace}",
        )

    async def __call__(self, *arguments: str) -> str:
        """Return what it prints.

        Raises:
            AssertionError: it failed; the message is what it said.
        """
        process = await asyncio.create_subprocess_exec(
            "kubectl",
            *self._options,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return output.decode()


def table(text: str) -> dict[str, str]:
    """Return the only row of a table by column; columns are told apart by where they begin."""
    header, row = text.rstrip("\n").split("\n")
    names = header.split()
    starts = [header.index(name) for name in names]
    ends = [*starts[1:], len(row)]
    return {
        name: row[start:end].strip() for name, start, end in zip(names, starts, ends, strict=True)
    }


async def test_get_shows_the_state_in_one_line(bed: Bed) -> None:
    release = await bed.release(strategy=LONG)
    kubectl = Kubectl(release)
    shown = table(await kubectl("get", "cro"))
    assert list(shown) == ["NAME", "PHASE", "WEIGHT", "STEP", "READY", "AGE"]
    assert shown | {"NAME": "web", "PHASE": "Stable", "WEIGHT": "0", "READY": "True"} == shown
    await release.apply(template=template("v2"))
    status = await release.until_weight(20)
    wide = table(await kubectl("get", "canaryrollouts", "--output=wide"))
    assert list(wide)[6:] == ["STABLE", "CANARY", "MESSAGE"]
    expected = {
        "PHASE": "Progressing",
        "WEIGHT": "20",
        "STEP": "1/1",
        "READY": "False",
        "STABLE": status["stableRevision"],
        "CANARY": status["canaryRevision"],
    }
    assert wide | expected == wide
    assert wide["MESSAGE"].startswith("Step 1 of 1: 20 %, held until ")
    assert "web" in await kubectl("get", "all")


async def test_describe_tells_what_happened(bed: Bed) -> None:
    release = await bed.release(strategy=LONG)
    await release.apply(template=template("v2"))
    await release.until_event("WeightChanged")
    text = await Kubectl(release)("describe", "cro", "web")
    _, _, events = text.partition("Events:")
    for reason in ("Stable", "RolloutStarted", "WeightChanged"):
        assert reason in events
    assert "canary-operator" in events
    assert "0 % → 20 %" in events


async def test_wait_returns_with_the_condition(bed: Bed) -> None:
    release = await bed.release(wait=False)
    kubectl = Kubectl(release)
    assert "condition met" in await kubectl("wait", "cro/web", "--for=condition=Ready")
    status = await release.status()
    assert condition(status, "Ready")["status"] == "True"
    assert status["phase"] == "Stable"


async def test_annotate_asks_for_a_pause(bed: Bed) -> None:
    release = await bed.release(strategy=LONG)
    kubectl = Kubectl(release)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    await kubectl("annotate", "cro/web", f"{REQUEST}=pause")
    await release.until_phase("Paused")
    await release.until_request_answered("Accepted")
    await kubectl("annotate", "cro/web", f"{REQUEST}=resume")  # no --overwrite: it is gone
    await release.until_phase("Progressing")


async def test_scale_changes_stable_and_starts_no_rollout(bed: Bed) -> None:
    release = await bed.release()
    before = await release.status()
    await Kubectl(release)("scale", "cro/web", "--replicas=3")
    status = await release.until(lambda s: s.get("replicas") == s.get("readyReplicas") == 3)
    assert (await release.deployment("stable"))["spec"]["replicas"] == 3
    assert (await release.deployment("canary"))["spec"]["replicas"] == 0
    for field in ("phase", "stableRevision", "history"):
        assert status[field] == before[field]
    assert "canaryRevision" not in status
    assert "RolloutStarted" not in await release.event_reasons()


@pytest.mark.parametrize("side", ["client", "server"])
async def test_applying_the_same_file_again_changes_nothing(
    bed: Bed, tmp_path: Path, side: str
) -> None:
    namespace = await bed.cluster.namespace()
    traffic = bed.telemetry.traffic(namespace, "web", weight=lambda: 0)
    release = Release(bed, namespace, "web", quick_spec(), traffic)
    kubectl = Kubectl(release)
    file = tmp_path / "rollout.json"
    file.write_text(json.dumps(release.manifest()))
    apply = ("apply", f"--filename={file}", f"--server-side={json.dumps(side == 'server')}")
    await kubectl(*apply)
    await release.until(lambda s: condition(s, "Ready")["status"] == "True")
    before = await release.get()
    for _ in range(2):
        assert ("serverside-applied" if side == "server" else "unchanged") in await kubectl(*apply)
    if side == "client":
        assert await kubectl("diff", f"--filename={file}") == ""

    async def same() -> bool:
        now = await release.get()
        return bool(
            now["metadata"]["generation"] == before["metadata"]["generation"]
            and now["status"] == before["status"]
        )

    await stays(same, 1.0)


async def test_delete_is_not_held_up(bed: Bed) -> None:
    release = await bed.release()
    await Kubectl(release)("delete", "cro/web", "--timeout=20s")

    async def gone() -> bool:
        try:
            await bed.client.get(ROLLOUTS, "web", release.namespace)
        except NotFoundError:
            return True
        return False

    await eventually(gone)
