"""A Deployment with its Service that run already are adopted, released from, and given back."""

from copy import deepcopy
from typing import Any

import pytest
import pytest_asyncio

from canary_operator.playground.client import DEPLOYMENTS, MERGE, SERVICES, NotFoundError
from canary_operator.playground.local import ROLLOUTS
from tests.support.adopting import ADOPT, BEFORE, OURS, RECORDS, ROLLOUT, Shop
from tests.support.bed import VIRTUAL_SERVICES, Bed, condition, quick_spec
from tests.support.clusters import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def shop(bed: Bed) -> Shop:
    shop = Shop(bed, await bed.cluster.namespace())
    await shop.apply_deployment()
    await shop.apply_service()
    return shop


async def test_what_runs_is_adopted_and_given_back(shop: Shop) -> None:
    before = await shop.service()
    release = await shop.adopt()
    status = await release.until(lambda status: (status.get("workload") or {}).get("scaledDownAt"))
    assert status["phase"] == "Stable"
    assert status["workload"]["replicas"] == 3
    assert (await release.deployment("stable"))["spec"]["replicas"] == 3
    found = await shop.deployment()
    assert found["metadata"]["annotations"][BEFORE] == "3"
    taken = await shop.service()
    assert taken["spec"]["selector"] == {"app": "web", **OURS}
    assert taken["spec"]["ports"] == before["spec"]["ports"]
    assert "ownerReferences" not in taken["metadata"]

    await shop.bed.client.delete(ROLLOUTS, "web", shop.namespace)
    await shop.until_gone()
    found = await shop.deployment()
    assert found["spec"]["replicas"] == 3
    assert found["status"]["availableReplicas"] == 3
    assert BEFORE not in found["metadata"].get("annotations", {})
    assert ROLLOUT not in found["metadata"].get("labels", {})
    given_back = await shop.service()
    assert given_back["spec"] == before["spec"]
    assert given_back["metadata"]["annotations"] == {ADOPT: "web"}
    assert ROLLOUT not in given_back["metadata"].get("labels", {})
    with pytest.raises(NotFoundError):
        await shop.bed.client.get(VIRTUAL_SERVICES, "web", shop.namespace)


async def test_a_change_of_the_deployment_is_released_step_by_step(shop: Shop) -> None:
    release = await shop.adopt()
    await shop.apply_deployment("v2", replicas=None)
    await release.until_weight(20)
    assert await release.image("canary") == "app:v2"
    assert await release.image("stable") == "app:v1"
    await release.until(lambda status: len(status.get("history", ())) == 1)
    status = await release.until_phase("Stable")
    assert status["history"][0]["outcome"] == "Promoted"
    assert await release.image("stable") == "app:v2"
    assert (await shop.deployment())["spec"]["replicas"] == 0


async def test_pods_that_a_tool_brings_back_are_scaled_down_but_not_for_ever(shop: Shop) -> None:
    release = await shop.adopt()
    again = {"spec": {"replicas": 3}}
    for _ in range(2):
        await shop.bed.client.patch(DEPLOYMENTS, "web", again, shop.namespace, ctype=MERGE)
        await shop.until_deployment(lambda found: found["spec"]["replicas"] == 0)
    await shop.bed.client.patch(DEPLOYMENTS, "web", again, shop.namespace, ctype=MERGE)
    status = await release.until(
        lambda status: condition(status, "Ready")["reason"] == "DriftConflict"
    )
    assert "Deployment web" in status["message"]
    assert (await release.deployment("stable"))["status"]["availableReplicas"] == 3


async def test_a_service_that_nobody_gave_is_not_touched_and_the_message_says_how_to(
    shop: Shop,
) -> None:
    await shop.bed.client.delete(SERVICES, "web", shop.namespace)
    await shop.apply_service(given=False)
    before = await shop.service()
    release = await shop.adopt(wait=False)
    status = await release.until(
        lambda status: condition(status, "Ready")["reason"] == "NameConflict"
    )
    assert f"kubectl annotate service/web {ADOPT}=web" in status["message"]
    assert await shop.service() == before
    assert (await shop.deployment())["spec"]["replicas"] == 3
    await shop.apply_service()
    await shop.until_deployment(lambda found: found["spec"]["replicas"] == 0)


async def test_a_service_that_does_not_fit_is_not_touched(shop: Shop) -> None:
    await shop.apply_service(targetPort=9999)
    release = await shop.adopt(wait=False)
    status = await release.until(
        lambda status: condition(status, "Ready")["reason"] == "NameConflict"
    )
    assert "its port 80 leads to 9999, and spec.service says http" in status["message"]
    assert (await shop.service())["spec"]["selector"] == {"app": "web"}
    assert (await shop.deployment())["spec"]["replicas"] == 3


async def test_a_second_rollout_of_the_same_deployment_is_refused(shop: Shop) -> None:
    await shop.adopt()
    second = await shop.rollout("other")
    status = await second.until(
        lambda status: condition(status, "Ready")["reason"] == "NameConflict"
    )
    assert "CanaryRollout web takes its pods from that Deployment already" in status["message"]
    with pytest.raises(NotFoundError):
        await second.deployment("stable")


async def test_a_label_that_somebody_removes_is_put_back(shop: Shop) -> None:
    release = await shop.adopt()
    patch = {"metadata": {"labels": {ROLLOUT: None}}}
    await shop.bed.client.patch(DEPLOYMENTS, "web", patch, shop.namespace, ctype=MERGE)
    await shop.until_deployment(lambda found: ROLLOUT in found["metadata"].get("labels", {}))
    await shop.apply_deployment("v2", replicas=None)
    await release.until_weight(20)


async def test_without_a_mesh_the_service_is_adopted_and_given_back(shop: Shop) -> None:
    metric = {"name": "errors", "query": {"promql": "vector(0)", "max": 0.5}}
    spec = deepcopy(quick_spec())
    release = await shop.adopt(
        traffic={"replicas": {}},
        strategy={**spec["strategy"], "steps": [{"weight": 25, "hold": "1s"}]},
        analysis={"interval": "5s", "window": "5s", "metrics": [metric]},
    )
    assert (await shop.service())["spec"]["selector"] == {"app": "web", **OURS}
    await shop.apply_deployment("v2", replicas=None)
    await release.until(lambda status: status.get("weight") == 25)

    async def open_to_both() -> bool:
        return bool((await shop.service())["spec"]["selector"] == {"app": "web", ROLLOUT: "web"})

    await eventually(open_to_both)
    await shop.bed.client.delete(ROLLOUTS, "web", shop.namespace)
    await shop.until_gone()
    found = await shop.service()
    assert found["spec"]["selector"] == {"app": "web"}
    assert found["metadata"]["annotations"] == {ADOPT: "web"}
    assert (await shop.deployment())["spec"]["replicas"] == 3


async def test_deleted_in_the_foreground_stable_serves_until_the_deployment_does(
    shop: Shop,
) -> None:
    """Argo CD prunes so: the garbage collector deletes what a rollout made before its end."""
    await shop.adopt()
    await shop.apply_deployment("crash", replicas=None)  # it will not serve when it comes back
    await shop.delete("Foreground")
    await shop.until_deployment(lambda found: found["spec"]["replicas"] == 3)

    async def collected() -> bool:
        rollout = await shop.bed.client.get(ROLLOUTS, "web", shop.namespace)
        return "foregroundDeletion" not in rollout["metadata"]["finalizers"]

    await eventually(collected)  # so it has looked at everything that it might delete
    stable = await shop.bed.client.get(DEPLOYMENTS, "web-stable", shop.namespace)
    assert "deletionTimestamp" not in stable["metadata"]
    assert stable["status"]["availableReplicas"] == 3
    assert (await shop.service())["spec"]["selector"] == {"app": "web", **OURS}
    await shop.bed.client.get(SERVICES, "web-stable", shop.namespace)

    await shop.apply_deployment("v3", replicas=None)
    await shop.until_gone()
    assert (await shop.deployment())["status"]["availableReplicas"] == 3
    assert (await shop.service())["spec"]["selector"] == {"app": "web"}
    await shop.until_nothing_is_left()


@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
async def test_in_whichever_order_it_is_deleted_the_deployment_serves_and_nothing_is_left(
    shop: Shop, policy: str
) -> None:
    await shop.adopt()
    await shop.delete(policy)
    await shop.until_gone()
    assert (await shop.deployment())["status"]["availableReplicas"] == 3
    assert (await shop.service())["spec"]["selector"] == {"app": "web"}
    # A garbage collector that is told to orphan leaves what had no other owner: the first records.
    await shop.until_nothing_is_left(but=RECORDS if policy == "Orphan" else None)


async def test_an_anchor_that_somebody_deletes_is_made_anew(shop: Shop) -> None:
    await shop.adopt()
    await shop.lose_anchor()


async def test_a_service_is_given_back_though_its_owner_removed_the_annotation_before(
    shop: Shop,
) -> None:
    await shop.adopt()
    patch = {"metadata": {"annotations": {ADOPT: None}}}
    await shop.bed.client.patch(SERVICES, "web", patch, shop.namespace, ctype=MERGE)
    await shop.bed.client.delete(ROLLOUTS, "web", shop.namespace)
    await shop.until_gone()
    found = await shop.service()
    assert found["spec"]["selector"] == {"app": "web"}
    assert not found["metadata"].get("annotations")


async def test_a_service_that_is_deleted_has_a_stand_in_until_it_is_applied_again(
    shop: Shop,
) -> None:
    release = await shop.adopt()
    await shop.bed.client.delete(SERVICES, "web", shop.namespace)
    await release.until(lambda status: "Apply it again" in status["message"])

    async def stands_in() -> dict[str, Any] | None:
        try:
            return await shop.service()
        except NotFoundError:
            return None

    found = await eventually(stands_in)
    assert found["spec"]["selector"] == {"app": "web", **OURS}
    assert "ownerReferences" not in found["metadata"]
    await release.until(lambda status: condition(status, "Ready")["status"] == "True")
    await shop.apply_service()

    async def taken_over() -> bool:
        return bool((await shop.service())["spec"]["selector"] == {"app": "web", **OURS})

    await eventually(taken_over)
    await shop.bed.client.delete(ROLLOUTS, "web", shop.namespace)
    await shop.until_gone()
    found = await shop.service()
    assert found["spec"]["selector"] == {"app": "web"}
