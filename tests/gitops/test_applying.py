"""The same manifest, applied again by whatever tool, changes nothing."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from tests.gitops.repositories import (
    at_rest,
    family,
    is_ready,
    lasting,
    looked_again,
    no_canary,
    repository,
    sync,
)
from tests.gitops.tools import TOOLS, ArgoServerSide, Flux, KubectlApply, KubectlReplace, Tool
from tests.support.bed import Bed, Release, template

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def check_that_nothing_happens(tool: Tool, release: Release, label: str) -> None:
    before, relatives = await release.get(), await family(release)
    for _ in range(3):
        assert not await sync(tool, release), "there was a difference to write"
    status = await looked_again(release, label)
    after = await release.get()
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["spec"] == before["spec"] == release.spec, "nobody but the user edits the spec"
    assert lasting(status) == lasting(before["status"])
    assert await family(release) == relatives


@pytest.mark.parametrize("kind", TOOLS, ids=lambda kind: kind.name)
async def test_a_tool_that_applies_the_same_again_changes_nothing(
    bed: Bed, kind: type[Tool]
) -> None:
    release, tool = await repository(bed), kind(bed.client)
    assert await sync(tool, release)
    await at_rest(release)
    await check_that_nothing_happens(tool, release, "at-rest")
    assert await sync(tool, release, template=template("v2"))
    await release.until_weight(20)
    await check_that_nothing_happens(tool, release, "on-a-step")
    assert await sync(tool, release, template=template("v1")), "git revert"
    status = await at_rest(release)
    assert (status["phase"], status["weight"]) == ("Stable", 0)
    assert [entry["outcome"] for entry in status["history"]] == ["Reverted"]
    await check_that_nothing_happens(tool, release, "reverted")


@pytest.mark.parametrize(
    ("one", "other"),
    [(KubectlApply, Flux), (KubectlApply, ArgoServerSide), (Flux, ArgoServerSide)],
    ids=lambda kind: kind.name,
)
async def test_a_change_of_tools_in_the_middle_of_a_rollout_changes_nothing(
    bed: Bed, one: type[Tool], other: type[Tool]
) -> None:
    release = await repository(bed)
    await sync(one(bed.client), release)
    await release.until(is_ready)
    await sync(one(bed.client), release, template=template("v2"))
    before, relatives = await release.until_weight(20), await family(release)
    assert await sync(other(bed.client), release), "the new tool leaves its marks"
    assert lasting(await looked_again(release, "moved")) == lasting(before)
    assert await family(release) == relatives
    assert not await sync(other(bed.client), release)


@pytest.mark.parametrize("kind", TOOLS, ids=lambda kind: kind.name)
async def test_what_was_rolled_back_is_not_tried_again_by_applying_it(
    bed: Bed, kind: type[Tool]
) -> None:
    release, tool = await repository(bed), kind(bed.client)
    await sync(tool, release)
    await release.until(is_ready)
    await sync(tool, release, template=template("v2"))
    await release.until_weight(20)
    await release.ask("abort")
    await release.until_phase("RolledBack")
    await release.until_request_answered("Accepted")
    await no_canary(release)
    await check_that_nothing_happens(tool, release, "rejected")
    assert await sync(tool, release, template=template("v1")), "git revert"
    status = await at_rest(release)
    assert (status["phase"], status.get("rejectedRevision")) == ("Stable", None)
    await sync(tool, release, template=template("v2"))
    await release.until_weight(20)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl")
@pytest.mark.parametrize("verb", ["apply", "replace"])
async def test_these_tools_write_what_kubectl_writes(bed: Bed, tmp_path: Path, verb: str) -> None:
    release = await repository(bed)
    tool = {"apply": KubectlApply, "replace": KubectlReplace}[verb](bed.client)
    await sync(tool, release)
    await release.until(is_ready)
    longer = release.spec
    shorter = {key: value for key, value in longer.items() if key != "replicas"}
    release.spec = shorter
    assert await sync(tool, release)
    ours = await release.get()
    release.spec = longer
    assert await sync(tool, release)
    await until_seen(release)  # kubectl gives up where the operator writes at the same moment
    release.spec = shorter
    file = tmp_path / "rollout.json"
    file.write_text(json.dumps(release.manifest()))
    await run("kubectl", f"--kubeconfig={bed.cluster.kubeconfig}", verb, f"--filename={file}")
    theirs = await release.get()
    assert theirs["spec"] == ours["spec"] == shorter
    assert theirs["metadata"].get("annotations") == ours["metadata"].get("annotations")


async def until_seen(release: Release) -> None:
    """Wait until the operator has recorded the present spec, and all its pods are ready."""
    generation = (await release.get())["metadata"]["generation"]
    await release.until(
        lambda status: (
            status["observedGeneration"] == generation
            and status["readyReplicas"] == status["replicas"] == release.spec.get("replicas", 1)
        )
    )


async def run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
