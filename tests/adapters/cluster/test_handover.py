"""What was borrowed is found for the way back, whoever took our marks from it meanwhile."""

from typing import Any

import pytest

from canary_operator.adapters.cluster.handover import ClusterHandover
from canary_operator.adapters.cluster.resources import DEPLOYMENTS, SERVICES
from canary_operator.domain.objects import ROLLOUT_LABEL
from canary_operator.domain.takeover import ADOPT_ANNOTATION
from canary_operator.domain.target import ReferenceTarget
from canary_operator.domain.workload import REPLICAS_BEFORE
from canary_operator.ports import Rollout
from tests.adapters.cluster.test_apex import REF, serve, spec, with_stable
from tests.adapters.cluster.test_references import deploy
from tests.adapters.cluster.world import World


async def replaced(world: World) -> Rollout:
    """Adopt a Service and a Deployment."""
    await deploy(world)
    await serve(world)
    rollout = await with_stable(world)
    await world.workloads.follow(rollout, "shop")
    await world.workloads.ensure_services(rollout, spec())
    await world.workloads.ensure_reference(rollout, ReferenceTarget("shop", 3))
    return rollout


def restarted(world: World) -> ClusterHandover:
    """Return what an operator sees that has just started: what has our label."""
    for cache in (world.caches.deployments, world.caches.services):
        for held in list(cache):
            cache.drop(held)
    return ClusterHandover(world.client, world.caches)


async def strip(world: World, resource: Any, name: str, **metadata: Any) -> None:
    """Take marks from an object, while no operator runs."""
    await world.cluster.client.request(
        "PATCH",
        resource.path(world.namespace, name),
        {"metadata": metadata},
        ctype="application/merge-patch+json",
    )


@pytest.mark.parametrize("label", ["kept", "removed as well"])
async def test_a_service_whose_owner_removed_the_annotation_is_given_back(
    world: World, label: str
) -> None:
    rollout = await replaced(world)
    await strip(world, SERVICES, "web", annotations={ADOPT_ANNOTATION: None})
    if label != "kept":
        await strip(world, SERVICES, "web", labels={ROLLOUT_LABEL: None})
    handover = restarted(world)
    await handover.find(rollout, "shop", replaced=True)
    assert handover.service_is_taken(rollout)
    await handover.give_service_back(rollout)
    live = await world.get(SERVICES, "web")
    assert live["spec"]["selector"] == {"app": "web"}
    assert not handover.service_is_taken(rollout)


async def test_a_service_that_leads_elsewhere_is_left_alone(world: World) -> None:
    await deploy(world)
    before = await serve(world)
    rollout = await with_stable(world)
    handover = restarted(world)
    await handover.find(rollout, "shop", replaced=True)
    assert not handover.service_is_taken(rollout)
    await handover.give_service_back(rollout)
    assert await world.get(SERVICES, "web") == before


async def test_a_deployment_without_our_label_is_followed_again_and_scaled_up(
    world: World,
) -> None:
    rollout = await replaced(world)
    gone = {"labels": {ROLLOUT_LABEL: None}, "annotations": {REPLICAS_BEFORE: None}}
    await strip(world, DEPLOYMENTS, "shop", **gone)
    handover = restarted(world)
    assert handover.reference(rollout, "shop") is None
    await handover.find(rollout, "shop", replaced=True)
    assert handover.reference(rollout, "shop") is not None
    await handover.scale_up(rollout, "shop", 3)
    live = await world.get(DEPLOYMENTS, "shop")
    assert live["spec"]["replicas"] == 3
    assert live["metadata"]["labels"][ROLLOUT_LABEL] == "web"


async def test_our_mark_alone_says_that_it_was_replaced(world: World) -> None:
    rollout = await replaced(world)
    await strip(world, DEPLOYMENTS, "shop", labels={ROLLOUT_LABEL: None})
    handover = restarted(world)
    await handover.find(rollout, "shop", replaced=False)
    assert handover.reference(rollout, "shop") is not None


async def test_a_deployment_that_was_never_replaced_is_not_labelled(world: World) -> None:
    await deploy(world)
    rollout = await world.rollout(**REF)
    handover = restarted(world)
    await handover.find(rollout, "shop", replaced=False)
    assert handover.reference(rollout, "shop") is None
    assert world.writes() == 0


async def test_only_what_the_server_says_is_gone_is_gone(world: World) -> None:
    rollout = await replaced(world)
    await world.delete(DEPLOYMENTS, "shop")
    await world.delete(SERVICES, "web")
    handover = restarted(world)
    await handover.find(rollout, "shop", replaced=True)
    assert handover.reference(rollout, "shop") is None
    assert not handover.service_is_taken(rollout)


async def test_a_deployment_that_another_rollout_holds_by_now_is_left_to_it(world: World) -> None:
    rollout = await replaced(world)
    await world.rollout("other", **REF)
    await strip(world, DEPLOYMENTS, "shop", labels={ROLLOUT_LABEL: "other"})
    handover = restarted(world)
    await handover.find(rollout, "shop", replaced=True)
    assert handover.reference(rollout, "shop") is None


async def test_what_is_known_costs_no_request(world: World) -> None:
    rollout = await replaced(world)
    handover = ClusterHandover(world.client, world.caches)
    world.calls.clear()
    await handover.find(rollout, "shop", replaced=True)
    assert not world.calls
