"""What a manifest says and what it leaves out: whose is a field, and who loses what."""

import pytest

from canary_operator.domain.revision import revision_of
from canary_operator.playground.client import MERGE
from canary_operator.playground.local import ROLLOUTS
from tests.gitops.repositories import is_ready, looked_again, repository, sync
from tests.gitops.tools import ArgoServerSide, Flux, KubectlApply, KubectlReplace, Tool
from tests.support.bed import REQUEST, Bed, condition, template

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTE = "example.org/note"


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
