"""A host that two rollouts claim, on a Kubernetes API."""

from dataclasses import replace

import pytest

from canary_operator.adapters.cluster.resources import ROLLOUTS, VIRTUAL_SERVICES
from canary_operator.adapters.traffic.istio import IstioRouter
from canary_operator.domain.errors import HostConflictError
from canary_operator.domain.target import RouteTarget
from tests.adapters.cluster.world import World, spec_of


@pytest.fixture
def router(world: World) -> IstioRouter:
    return IstioRouter(world.client, world.caches, namespaces=(world.namespace,))


async def test_the_older_rollout_keeps_a_host(world: World, router: IstioRouter) -> None:
    shared = spec_of(traffic={"istio": {"hosts": ["shop.example.com"]}})
    older, newer = await world.rollout(), await world.rollout("late")
    await router.claim(older, shared)
    await router.set(older, shared, RouteTarget(0))
    await router.claim(older, shared)
    world.calls.clear()
    with pytest.raises(HostConflictError, match=f"CanaryRollout {older.key} claims") as caught:
        await router.claim(newer, shared)
    assert caught.value.is_watched
    assert not world.calls


async def test_the_younger_of_two_that_were_accepted_gives_way_until_the_older_is_gone(
    world: World, router: IstioRouter
) -> None:
    host = "shop.example.com"
    shared = spec_of(traffic={"istio": {"hosts": [host]}})
    older = replace(await world.rollout(), created="2026-01-01T00:00:00Z")
    newer = await world.rollout("late")
    assert router.contested(newer, shared) is None
    await router.set(newer, shared, RouteTarget(20))
    assert router.contested(older, shared) is not None, "who routes it keeps it"
    await router.set(older, shared, RouteTarget(0))
    assert host not in router.state(older).hosts
    await world.edit(VIRTUAL_SERVICES, "web", {"spec": {"hosts": ["web", host]}})  # now both do
    lost = router.contested(newer, shared)
    assert lost is not None
    assert f"CanaryRollout {older.key} claims host {host} on gateway mesh" in lost.message
    assert await router.set(newer, shared, RouteTarget(20))
    own = f"late.{world.namespace}.svc.cluster.local"
    assert (router.state(newer).hosts, router.state(newer).weight) == ({own}, 20)
    assert not await router.set(newer, shared, RouteTarget(20))
    for resource in (VIRTUAL_SERVICES, ROLLOUTS):
        await world.delete(resource, "web", seen=True)
    assert router.contested(newer, shared) is None
    assert await router.set(newer, shared, RouteTarget(20))
    assert router.state(newer).hosts == {own, host}
