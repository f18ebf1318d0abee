"""Routes of users that lack something: the canary loses what it has in them, or that is told."""

import json
from typing import Any

import pytest

from canary_operator.adapters.cluster.resources import VIRTUAL_SERVICES
from canary_operator.adapters.traffic.istio_foreign import RouteLender
from canary_operator.adapters.traffic.istio_referenced import ReferencedRouter
from canary_operator.domain.errors import RouteMissingError
from canary_operator.domain.loans import Loan
from canary_operator.domain.situation import RouteState
from canary_operator.domain.target import RouteTarget
from tests.adapters.cluster.world import World
from tests.adapters.traffic.test_referenced import (
    MARK,
    PRIMARY,
    WRITE,
    create,
    shop,
    spec,
    used,
    weights,
)


@pytest.fixture
def router(world: World) -> ReferencedRouter:
    return ReferencedRouter(world.client, world.caches)


def entry(host: str, weight: int | None = None) -> dict[str, Any]:
    return {"destination": {"host": host}, **({} if weight is None else {"weight": weight})}


def route(name: str | None, *entries: dict[str, Any]) -> dict[str, Any]:
    return {**({"name": name} if name else {}), "route": list(entries)}


STABLE, CANARY = entry("web-stable", 80), entry("web-canary", 20)
RENAMED = route("renamed", STABLE, CANARY)


@pytest.mark.parametrize(
    ("http", "share", "left"),
    [
        pytest.param([RENAMED], 20, [100, 0], id="the route was renamed"),
        pytest.param([route(None, STABLE, CANARY)], 20, [100, 0], id="its name was removed"),
        pytest.param(
            [route("primary", STABLE, entry("web-canary", 15), entry("web-canary", 5))],
            20,
            [100, 0, 0],
            id="the canary is there twice",
        ),
        pytest.param(
            [route("primary", STABLE, entry("web-canary", 15), entry("web-canary.{ns}", 5))],
            20,
            [100, 0, 0],
            id="once by a name that the mesh does not know",
        ),
        pytest.param(
            [route("primary", STABLE, entry("web-canary.{ns}.svc", 20))],
            20,
            [100, 0],
            id="the canary by another name",
        ),
        pytest.param(
            [route("primary", entry("old", 60), entry("older", 20), CANARY)],
            20,
            [60, 20, 0],
            id="stable was replaced",
        ),
        pytest.param(
            [route("primary", entry("web-stable", 50), STABLE, CANARY)],
            14,
            [70, 80, 0],
            id="stable is there twice",
        ),
        pytest.param(
            [route("primary", STABLE, entry("old", 900), entry("web-canary", 1))],
            1,
            [81, 900, 0],
            id="less than one percent is not nothing",
        ),
    ],
)
async def test_a_broken_route_gives_the_canary_nothing_whatever_is_wrong_with_it(
    world: World,
    router: ReferencedRouter,
    *,
    http: list[dict[str, Any]],
    share: int,
    left: list[int],
) -> None:
    await create(world, shop(world.namespace, PRIMARY))
    rollout = await used(world, router, spec("primary"))
    await router.set(rollout, spec("primary"), RouteTarget(20))
    testers = shop(world.namespace)["spec"]["http"][1]
    written = json.loads(json.dumps([testers, *http]).replace("{ns}", world.namespace))
    await world.edit(VIRTUAL_SERVICES, "shop", {"spec": {"http": written}})
    assert router.state(rollout, spec("primary")) == RouteState(
        exists=True, weight=share, broken=True
    )
    assert await router.set(rollout, spec("primary"), RouteTarget(0, "r2"))
    after = (await world.get(VIRTUAL_SERVICES, "shop"))["spec"]["http"]
    assert after[0] == testers, "what sends everything to the canary was never split"
    assert [one["weight"] for one in after[1]["route"]] == left
    told = router.state(rollout, spec("primary"))
    assert (told.weight or 0, told.rejected) == (0, "r2")
    assert not await router.set(rollout, spec("primary"), RouteTarget(0, "r2"))


@pytest.mark.parametrize(
    ("http", "taken"),
    [
        pytest.param([route("primary", entry("web-canary", 20))], False, id="it is alone"),
        pytest.param([route("primary", entry("web-canary"))], False, id="alone without a weight"),
        pytest.param(
            [route("primary", entry("old", 0), CANARY)], False, id="the others have no weight"
        ),
        pytest.param(
            [route("primary", entry("web-canary", 20)), route("second", STABLE, CANARY)],
            True,
            id="alone in one of two",
        ),
    ],
)
async def test_a_share_that_nobody_can_take_is_told_and_kept_in_sight(
    world: World, router: ReferencedRouter, *, http: list[dict[str, Any]], taken: bool
) -> None:
    await create(world, shop(world.namespace, PRIMARY, {**PRIMARY, "name": "second"}))
    given = spec("primary", "second")
    rollout = await used(world, router, given)
    await router.set(rollout, given, RouteTarget(20))
    if not taken:
        http = [*http, route("second", STABLE, entry("web-canary", 0))]
    await world.edit(VIRTUAL_SERVICES, "shop", {"spec": {"http": http}})
    assert router.state(rollout) == RouteState(exists=True, weight=100, broken=True)
    world.calls.clear()
    words = "primary leaves nobody to take the 100 % of web-canary from it"
    with pytest.raises(RouteMissingError, match=words):
        await router.set(rollout, given, RouteTarget(0))
    assert world.calls[WRITE] == int(taken)
    after = await world.get(VIRTUAL_SERVICES, "shop")
    assert weights(after)["second"][1] == 0, "the rest is taken all the same"
    assert router.state(rollout).weight == 100


async def test_at_rest_a_route_that_is_not_named_is_its_owners_although_a_named_one_is_missing(
    world: World, router: ReferencedRouter
) -> None:
    await create(world, shop(world.namespace, PRIMARY))
    rollout = await used(world, router, spec("primary"))
    await world.edit(VIRTUAL_SERVICES, "shop", {"spec": {"http": [RENAMED]}})
    assert not await router.set(rollout, spec("primary"), RouteTarget(0))
    after = await world.get(VIRTUAL_SERVICES, "shop")
    assert weights(after) == {"renamed": [80, 20]}


async def test_who_gives_a_share_back_that_nobody_can_take_hears_of_it_and_loses_the_mark(
    world: World, router: ReferencedRouter
) -> None:
    lender = RouteLender(world.client, world.caches, cluster_domain="cluster.local")
    await create(world, shop(world.namespace, PRIMARY, {**PRIMARY, "name": "second"}))
    given = spec("primary", "second")
    rollout = await used(world, router, given)
    await router.set(rollout, given, RouteTarget(20, "r2"))
    http = [route("primary", CANARY), route("second", STABLE, CANARY)]
    await world.edit(VIRTUAL_SERVICES, "shop", {"spec": {"http": http}})
    first, second = (
        Loan(kind="VirtualService", name="shop", part=name) for name in ("primary", "second")
    )
    assert await lender.give_back(rollout, second, [first])
    with pytest.raises(RouteMissingError, match="primary leaves nobody to take the 100 %"):
        await lender.give_back(rollout, first)
    after = await world.get(VIRTUAL_SERVICES, "shop")
    assert weights(after) == {"primary": [20], "second": [100, 0]}
    assert MARK not in after["metadata"].get("annotations", {})
