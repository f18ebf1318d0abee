"""The same manifest, applied again by whatever tool, changes nothing and loses nothing."""

import asyncio
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from canary_operator.domain.revision import revision_of
from canary_operator.playground.client import (
    DEPLOYMENTS,
    MERGE,
    REPLICA_SETS,
    SERVICES,
    Resource,
)
from canary_operator.playground.local import ROLLOUTS
from tests.gitops.tools import TOOLS, ArgoServerSide, Flux, KubectlApply, KubectlReplace, Tool
from tests.support.bed import (
    REQUEST,
    VIRTUAL_SERVICES,
    Bed,
    Release,
    condition,
    quick_spec,
    template,
)
from tests.support.clusters import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

RECORDS = Resource("controllerrevisions", "apps")
FAMILY = (DEPLOYMENTS, REPLICA_SETS, SERVICES, VIRTUAL_SERVICES, RECORDS)
LONG = {**quick_spec()["strategy"], "steps": [{"weight": 20, "hold": "10m"}]}
NOTE = "example.org/note"


async def repository(bed: Bed) -> Release:
    """Return a rollout that no tool has applied yet."""
    namespace = await bed.cluster.namespace()
    weight = bed.weights.of(namespace, "web")
    traffic = bed.telemetry.traffic(namespace, "web", weight=weight, requests_per_second=60)
    return Release(bed, namespace, "web", quick_spec(strategy=LONG), traffic)


async def sync(tool: Tool, release: Release, **changes: Any) -> bool:
    release.spec = {**release.spec, **changes}
    return await tool.apply(release.manifest())


def is_ready(status: Mapping[str, Any]) -> bool:
    return condition(status, "Ready")["status"] == "True"


async def at_rest(release: Release) -> dict[str, Any]:
    """Wait until the rollout is ready, the router was told, and the canary's pods may go."""
    status = await release.until(is_ready)
    await release.until_weight(0)
    await no_canary(release)
    return status


async def no_canary(release: Release) -> None:
    """Wait until the canary's pods are to go."""

    async def scaled_down() -> bool:
        listed = await release.bed.client.list(
            REPLICA_SETS, release.namespace, labelSelector="canary-operator.dev/track=canary"
        )
        canary = await release.deployment("canary")
        return all(one["spec"]["replicas"] == 0 for one in (canary, *listed["items"]))

    await eventually(scaled_down)


async def family(release: Release) -> dict[str, Any]:
    """Return what belongs to the rollout, without what changes by itself."""
    found = {}
    for kind in FAMILY:
        listed = await release.bed.client.list(kind, release.namespace)
        for each in listed["items"]:
            meta = each["metadata"]
            body = {key: each.get(key) for key in ("spec", "data")}
            marks = {key: meta.get(key) for key in ("uid", "generation", "labels")}
            found[kind.plural, meta["name"]] = (marks, body)
    return found


async def looked_again(release: Release, label: str) -> dict[str, Any]:
    """Return the status after the operator has seen everything that was written so far."""
    request = f"resume//{label}"  # refused, because nothing is paused
    await release.ask(request)
    status = await release.until(lambda s: (s.get("lastRequest") or {}).get("value") == request)
    await release.until_request_answered("Refused")
    return status


LASTING = ("phase", "stableRevision", "canaryRevision", "step", "weight", "attempt", "history")


def lasting(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a look at the same thing must not change."""
    return {key: status.get(key) for key in LASTING} | {
        "attempt": (status.get("attempt") or {}).get("startedAt")
    }


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


@pytest.mark.parametrize("kind", [KubectlApply, ArgoServerSide, Flux], ids=lambda kind: kind.name)
async def test_what_others_wrote_survives_an_apply(bed: Bed, kind: type[Tool]) -> None:
    release, tool = await repository(bed), kind(bed.client)
    await sync(tool, release)
    await release.until(is_ready)
    note = {"metadata": {"annotations": {NOTE: "kept"}}}
    await bed.client.patch(
        ROLLOUTS, "web", note, release.namespace, ctype=MERGE, fieldManager="somebody"
    )
    await bed.operator.stop()
    try:
        await release.ask("pause//waits-for-the-operator")
        await sync(tool, release)
        await sync(tool, release, template=template("v2"))
        live = await release.get()
        assert live["metadata"]["annotations"][REQUEST] == "pause//waits-for-the-operator"
        assert live["metadata"]["annotations"][NOTE] == "kept"
        assert live["status"]["phase"] == "Stable"
    finally:
        await bed.operator.start()
    await release.until_request_answered("Refused")  # v2 had not begun when it was asked
    await release.until_phase("Progressing")


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


async def test_replace_removes_what_the_file_does_not_have(bed: Bed) -> None:
    release, tool = await repository(bed), KubectlReplace(bed.client)
    await sync(tool, release)
    await release.until(is_ready)
    await sync(tool, release, template=template("v2"))
    await release.until_weight(20)
    await bed.operator.stop()
    try:
        await release.ask("pause//lost")
        assert await sync(tool, release)
        live = await release.get()
        assert REQUEST not in live["metadata"].get("annotations", {})
        assert live["status"]["weight"] == 20, "the status is no part of what is replaced"
    finally:
        await bed.operator.start()
    status = await looked_again(release, "after-replace")
    assert (status["phase"], status["weight"]) == ("Progressing", 20)


async def test_flux_undoes_a_request_by_kubectl_that_the_operator_has_not_taken(bed: Bed) -> None:
    release, tool = await repository(bed), Flux(bed.client)
    await sync(tool, release)
    await release.until(is_ready)
    await bed.operator.stop()
    try:
        for manager, survives in (("kubectl-annotate", False), ("flux-client-side-apply", True)):
            body = {"metadata": {"annotations": {REQUEST: f"retry//by-{manager}"}}}
            await bed.client.patch(
                ROLLOUTS, "web", body, release.namespace, ctype=MERGE, fieldManager=manager
            )
            await sync(tool, release)
            annotations = (await release.get())["metadata"].get("annotations", {})
            assert (REQUEST in annotations) is survives
    finally:
        await bed.operator.start()
    status = await release.until_request_answered("Refused")
    assert status["lastRequest"]["value"] == "retry//by-flux-client-side-apply"


async def test_a_request_in_git_is_asked_again_and_again(bed: Bed) -> None:
    release, tool = await repository(bed), ArgoServerSide(bed.client)
    await sync(tool, release)
    await release.until(is_ready)
    await sync(tool, release, template=template("v2"))
    await release.until_weight(20)
    committed = release.manifest()
    committed["metadata"]["annotations"] = {REQUEST: "pause"}
    for _ in range(2):
        assert await tool.apply(committed), "the operator took the annotation away"
        await release.until_request_answered("Accepted")
        await release.until_phase("Paused")
        await release.ask("resume")
        await release.until_phase("Progressing")
        await release.until_request_answered("Accepted")


async def test_a_pause_in_git_is_a_field(bed: Bed) -> None:
    release, tool = await repository(bed), Flux(bed.client)
    await sync(tool, release)
    await release.until(is_ready)
    await sync(tool, release, template=template("v2"), paused=True)
    status = await release.until_phase("Paused")
    assert condition(status, "Paused")["reason"] == "PausedBySpec"
    assert not await sync(tool, release)
    await sync(tool, release, paused=False)
    await release.until_weight(20)


async def test_labels_in_the_pod_template_are_the_users_and_begin_a_rollout(bed: Bed) -> None:
    release, tool = await repository(bed), Flux(bed.client)
    await sync(tool, release)
    status = await release.until(is_ready)
    labelled = template("v1")
    labelled["metadata"]["labels"]["app.kubernetes.io/instance"] = "shop"
    await sync(tool, release, template=labelled)
    status = await release.until_weight(20)
    assert status["canaryRevision"] == revision_of(labelled) != status["stableRevision"]
    pods = (await release.deployment("canary"))["spec"]["template"]["metadata"]["labels"]
    assert pods["app.kubernetes.io/instance"] == "shop"


async def test_replicas_that_git_leaves_out_are_the_autoscalers(bed: Bed) -> None:
    release, tool = await repository(bed), Flux(bed.client)
    del release.spec["replicas"]
    await sync(tool, release)
    await release.until(is_ready)
    scale = {"spec": {"replicas": 3}}
    await bed.client.patch(
        ROLLOUTS, "web", scale, release.namespace, ctype=MERGE, subresource="scale"
    )
    await release.until(lambda s: is_ready(s) and s.get("readyReplicas") == 3)
    assert not await sync(tool, release), "Flux sees no drift"
    await sync(tool, release, template=template("v2"))
    await release.until_weight(20)
    assert (await release.get())["spec"]["replicas"] == 3
    assert (await release.deployment("stable"))["spec"]["replicas"] == 3


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
    release.spec = shorter
    file = tmp_path / "rollout.json"
    file.write_text(json.dumps(release.manifest()))
    await run("kubectl", f"--kubeconfig={bed.cluster.kubeconfig}", verb, f"--filename={file}")
    theirs = await release.get()
    assert theirs["spec"] == ours["spec"] == shorter
    assert theirs["metadata"].get("annotations") == ours["metadata"].get("annotations")


async def run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
