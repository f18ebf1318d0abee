"""Without `routes` the only route is split; those that come beside it are not the rollout's."""

from dataclasses import replace
from typing import Any

import pytest

from canary_operator.adapters.cluster.resources import VIRTUAL_SERVICES
from canary_operator.adapters.traffic.istio_foreign import RouteLender
from canary_operator.adapters.traffic.istio_referenced import ReferencedRouter
from canary_operator.domain.errors import RouteMissingError
from canary_operator.domain.loans import Loan
from canary_operator.domain.target import RouteTarget
from canary_operator.ports import Rollout
from tests.adapters.cluster.world import World
from tests.adapters.traffic.test_referenced import MARK, create, shop, spec, split, used, weights

LOAN = Loan(kind="VirtualService", name="shop")


def route(name: str, stable: int, canary: int) -> dict[str, Any]:
    return {"name": name, "route": split(stable, canary)}


@pytest.fixture
def router(world: World) -> ReferencedRouter:
    return ReferencedRouter(world.client, world.caches)


@pytest.fixture
def lender(world: World) -> RouteLender:
    return RouteLender(world.client, world.caches, cluster_domain="cluster.local")


async def told(world: World, router: ReferencedRouter, weight: int) -> Rollout:
    """Return a rollout that was told `weight` in the only route, and has that recorded."""
    body = shop(world.namespace)
    body["spec"]["http"] = [route("pages", 100, 0)]
    await create(world, body)
    rollout = await used(world, router, spec())
    await router.set(rollout, spec(), RouteTarget(weight))
    return replace(rollout, status={"weight": weight})


async def edit(world: World, *routes: dict[str, Any]) -> None:
    await world.edit(VIRTUAL_SERVICES, "shop", {"spec": {"http": list(routes)}})


async def seen(world: World) -> dict[str, list[int | None]]:
    return weights(await world.get(VIRTUAL_SERVICES, "shop"))


async def test_traffic_is_taken_from_the_route_that_was_split_and_from_no_other(
    world: World, router: ReferencedRouter
) -> None:
    rollout = await told(world, router, 20)
    await edit(world, route("testers", 50, 50), route("pages", 80, 20))
    assert router.state(rollout, spec()).broken
    with pytest.raises(RouteMissingError, match="it has 2 HTTP routes"):
        await router.set(rollout, spec(), RouteTarget(20))
    assert await router.set(rollout, spec(), RouteTarget(0))
    assert await seen(world) == {"testers": [50, 50], "pages": [100, 0]}
    assert not await router.set(rollout, spec(), RouteTarget(0)), "also before it is recorded"
    restarted = ReferencedRouter(world.client, world.caches)
    assert not await restarted.set(rollout, spec(), RouteTarget(0))
    assert await seen(world) == {"testers": [50, 50], "pages": [100, 0]}


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_raise_that_was_recorded_and_not_made_leaves_no_share(
    world: World, router: ReferencedRouter, restarts: bool
) -> None:
    rollout = replace(await told(world, router, 20), status={"weight": 50})
    if restarts:
        router = ReferencedRouter(world.client, world.caches)
    await edit(world, route("testers", 40, 60), route("pages", 80, 20))
    assert await router.set(rollout, spec(), RouteTarget(0))
    after = await seen(world)
    assert after["pages"] == [100, 0]
    assert after["testers"] == ([100, 0] if restarts else [40, 60])


async def test_nothing_is_changed_in_a_second_route_that_comes_at_rest(
    world: World, router: ReferencedRouter, lender: RouteLender
) -> None:
    rollout = await told(world, router, 0)
    await edit(world, route("testers", 50, 50), route("pages", 100, 0))
    assert not await router.set(rollout, spec(), RouteTarget(0))
    assert not await lender.give_back(rollout, LOAN)
    assert await seen(world) == {"testers": [50, 50], "pages": [100, 0]}


async def test_only_the_route_that_was_split_is_given_back(
    world: World, router: ReferencedRouter, lender: RouteLender
) -> None:
    rollout = await told(world, router, 20)
    await edit(world, route("testers", 50, 50), route("pages", 80, 20))
    assert await lender.give_back(rollout, LOAN)
    assert await seen(world) == {"testers": [50, 50], "pages": [100, 0]}


async def test_a_canary_on_trial_keeps_no_share_where_nobody_can_tell_which_route_was_split(
    world: World, router: ReferencedRouter
) -> None:
    rollout = await told(world, router, 20)
    await edit(world, route("testers", 50, 50), route("pages", 70, 30))
    assert await router.set(rollout, spec(), RouteTarget(0, "r2"))
    assert await seen(world) == {"testers": [100, 0], "pages": [100, 0]}
    assert MARK in (await world.get(VIRTUAL_SERVICES, "shop"))["metadata"]["annotations"]
