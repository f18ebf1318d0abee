"""A canary for a group of requests: the routes, and the Service by which its share is told."""

from typing import Any

import pytest

from canary_operator.adapters.cluster.resources import SERVICES, VIRTUAL_SERVICES
from canary_operator.adapters.traffic import istio_group
from canary_operator.adapters.traffic.istio import IstioRouter
from canary_operator.adapters.traffic.istio_routes import canary_weight, virtual_service
from canary_operator.domain.errors import NameConflictError
from canary_operator.domain.target import RouteTarget
from canary_operator.ports import Key, Rollout
from tests.adapters.cluster.world import World, spec_of
from tests.support.clusters import eventually

KEY = Key("demo", "web")
ROLLOUT = Rollout(key=KEY, uid="u", resource_version="1", generation=1, spec={})
HTTP = {"name": "http", "port": 80}
GRPC = {"name": "grpc-api", "port": 81}
TCP = {"name": "tcp-db", "port": 5432}
ACME = {"headers": {"cookie": {"regex": r"^(.*?;)?\s*(company=acme)(;.*)?$"}}}
CART = {"uri": {"prefix": "/cart"}}
FOCUSED = {"strategy": {"match": [ACME]}}
LONG_AGO = -1.0


def host(track: str) -> str:
    return f"web-{track}.demo.svc.cluster.local"


def to(port: int, **weights: int) -> list[dict[str, Any]]:
    return [
        {"destination": {"host": host(track), "port": {"number": port}}, "weight": weight}
        for track, weight in weights.items()
    ]


def manifest(*ports: dict[str, Any], **istio: Any) -> dict[str, Any]:
    spec = spec_of(
        strategy={"match": [ACME]},
        traffic={"istio": istio},
        service={"ports": [*ports] or [HTTP]},
    )
    return virtual_service(ROLLOUT, spec, RouteTarget(20), "cluster.local")["spec"]


def test_the_group_is_split_and_everybody_else_stays_on_stable() -> None:
    assert manifest()["http"] == [
        {"match": [ACME], "route": to(80, match=80, canary=20)},
        {"route": to(80, stable=100)},
    ]


def test_the_shape_stays_while_no_rollout_runs() -> None:
    rest = virtual_service(ROLLOUT, spec_of(**FOCUSED), RouteTarget(0), "cluster.local")["spec"]
    assert [one["route"] for one in rest["http"]] == [
        to(80, match=100, canary=0),
        to(80, stable=100),
    ]


def test_conditions_of_the_group_and_of_the_route_both_hold() -> None:
    routes = manifest(HTTP, GRPC, match=[CART], gateways=["gw"], timeout="5s")["http"]
    assert [route["match"] for route in routes] == [
        [
            {"port": 80, "gateways": ["mesh"], **CART, **ACME},
            {"gateways": ["gw"], **CART, **ACME},
        ],
        [{"port": 80, "gateways": ["mesh"], **CART}, {"gateways": ["gw"], **CART}],
        [{"port": 81, "gateways": ["mesh"], **CART, **ACME}],
        [{"port": 81, "gateways": ["mesh"], **CART}],
    ]
    assert {route["timeout"] for route in routes} == {"5s"}


def test_conditions_on_different_headers_come_together() -> None:
    debug = {"headers": {"x-debug": {}}}
    [first, _] = manifest(match=[debug])["http"]
    assert first["match"] == [{"headers": {**debug["headers"], **ACME["headers"]}}]


def test_connections_stay_on_stable() -> None:
    assert manifest(HTTP, TCP)["tcp"] == [{"route": to(5432, stable=100)}]


def test_without_the_service_the_group_goes_where_all_others_go() -> None:
    spec = virtual_service(
        ROLLOUT, spec_of(**FOCUSED), RouteTarget(20), "cluster.local", with_group=False
    )["spec"]
    assert spec["http"][0]["route"] == to(80, stable=80, canary=20)


def routes(*shares: dict[str, int]) -> dict[str, Any]:
    return {"http": [{"route": to(80, **one)} for one in shares]}


@pytest.mark.parametrize(
    ("spec", "weight"),
    [
        pytest.param(routes({"match": 80, "canary": 20}, {"stable": 100}), 20, id="ours"),
        pytest.param(routes({"stable": 80, "canary": 20}, {"stable": 100}), 20, id="at first"),
        pytest.param(routes({"stable": 100}), None, id="nothing is split"),
        pytest.param(routes({"match": 100}), None, id="the group alone"),
        pytest.param(
            routes({"match": 80, "canary": 20}, {"canary": 100}), None, id="others on the canary"
        ),
        pytest.param(
            routes({"match": 80, "canary": 20}, {"elsewhere": 100}), None, id="others elsewhere"
        ),
        pytest.param(
            routes({"match": 40, "stable": 40, "canary": 20}), None, id="three destinations"
        ),
        pytest.param(routes({"match": 80, "canary": 10}, {"stable": 100}), None, id="not all"),
        pytest.param(
            routes({"match": 80, "canary": 20}, {"stable": 100}, {"stable": 100}, {"stable": 100}),
            None,
            id="one port of two gives the canary nothing",
        ),
        pytest.param(
            routes({"match": 80, "canary": 20}, {"stable": 100})
            | {"tcp": [{"route": to(5432, stable=100)}]},
            20,
            id="connections stay on stable",
        ),
    ],
)
def test_the_weight_is_that_of_the_group(spec: dict[str, Any], weight: int | None) -> None:
    assert canary_weight(spec, KEY, "cluster.local", focused=True) == weight


class Clock:
    """Says how long Services take to settle."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def settle(self, *, at_once: bool) -> None:
        seconds = LONG_AGO if at_once else 3600.0
        self._monkeypatch.setattr(istio_group, "SETTLING_SECONDS", seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(monkeypatch)
    clock.settle(at_once=False)
    return clock


@pytest.fixture
def woken() -> list[Key]:
    return []


@pytest.fixture
def router(world: World, woken: list[Key]) -> IstioRouter:
    namespaces = (world.namespace,)
    return IstioRouter(world.client, world.caches, namespaces=namespaces, wake=woken.append)


async def group_host(world: World) -> str:
    """Return where stable's share of the group goes."""
    stored = await world.get(VIRTUAL_SERVICES, "web")
    name: str = stored["spec"]["http"][0]["route"][0]["destination"]["host"]
    return name.partition(".")[0]


async def names_of_services(world: World) -> set[str]:
    listed = await world.cluster.client.request("GET", SERVICES.path(world.namespace))
    return {one["metadata"]["name"] for one in listed["items"]}


async def test_the_service_is_made_and_named_when_it_had_time_to_settle(
    world: World, router: IstioRouter, clock: Clock
) -> None:
    rollout, spec = await world.rollout(), spec_of(**FOCUSED)
    await router.set(rollout, spec, RouteTarget(0))
    assert await group_host(world) == "web-stable"
    service = await world.get(SERVICES, "web-match")
    assert service["spec"]["selector"] == {
        "canary-operator.dev/rollout": "web",
        "canary-operator.dev/track": "stable",
    }
    assert not await router.set(rollout, spec, RouteTarget(0))
    clock.settle(at_once=True)
    assert not await router.set(rollout, spec, RouteTarget(0)), "nobody else did anything"
    assert await group_host(world) == "web-match"
    world.calls.clear()
    assert not await router.set(rollout, spec, RouteTarget(0))
    assert not world.calls
    assert router.state(rollout, spec).weight == 0


@pytest.mark.parametrize("strategy", [{}, FOCUSED["strategy"]], ids=["for all", "focused"])
async def test_one_route_of_two_that_gives_the_canary_nothing_is_seen_and_set_back(
    world: World, router: IstioRouter, strategy: dict[str, Any]
) -> None:
    spec = spec_of(strategy=strategy, service={"ports": [HTTP, GRPC]})
    rollout = await world.rollout()
    await router.set(rollout, spec, RouteTarget(20))
    assert router.state(rollout, spec).weight == 20
    before = await world.get(VIRTUAL_SERVICES, "web")
    edited = [*before["spec"]["http"]]
    [stable, _] = edited[0]["route"]
    edited[0] = {**edited[0], "route": [{**stable, "weight": 100}]}
    await world.edit(VIRTUAL_SERVICES, "web", {"spec": {"http": edited}})
    assert router.state(rollout, spec).weight is None
    assert await router.set(rollout, spec, RouteTarget(20))
    assert (await world.get(VIRTUAL_SERVICES, "web"))["spec"] == before["spec"]


async def test_the_rollout_is_looked_at_again_when_the_service_settled(
    world: World, router: IstioRouter, clock: Clock, woken: list[Key]
) -> None:
    clock.settle(at_once=True)
    rollout = await world.rollout()
    await router.set(rollout, spec_of(**FOCUSED), RouteTarget(0))

    async def looked_at() -> bool:
        return woken == [rollout.key]

    await eventually(looked_at)


async def test_a_service_that_was_there_at_the_start_is_named_at_once(
    world: World, router: IstioRouter, clock: Clock
) -> None:
    rollout, spec = await world.rollout(), spec_of(**FOCUSED)
    await router.set(rollout, spec, RouteTarget(0))
    restarted = IstioRouter(world.client, world.caches, namespaces=(world.namespace,))
    await restarted.set(rollout, spec, RouteTarget(20))
    assert await group_host(world) == "web-match"
    assert clock is not None


async def test_a_deleted_service_is_not_named_and_made_again(
    world: World, router: IstioRouter, clock: Clock
) -> None:
    rollout, spec = await world.rollout(), spec_of(**FOCUSED)
    clock.settle(at_once=True)
    await router.set(rollout, spec, RouteTarget(20))
    await router.set(rollout, spec, RouteTarget(20))
    assert await group_host(world) == "web-match"
    clock.settle(at_once=False)
    await world.delete(SERVICES, "web-match", seen=True)
    assert await router.set(rollout, spec, RouteTarget(20)), "that is drift"
    assert await group_host(world) == "web-stable"
    assert "web-match" in await names_of_services(world)


async def test_the_service_goes_after_the_route_has_stopped_naming_it(
    world: World, router: IstioRouter, clock: Clock
) -> None:
    rollout, spec = await world.rollout(), spec_of(**FOCUSED)
    clock.settle(at_once=True)
    for _ in range(2):
        await router.set(rollout, spec, RouteTarget(0))
    clock.settle(at_once=False)
    await router.set(rollout, spec_of(), RouteTarget(0))
    assert await group_host(world) == "web-stable"
    assert "web-match" in await names_of_services(world)
    clock.settle(at_once=True)
    await router.set(rollout, spec_of(), RouteTarget(0))
    assert "web-match" not in await names_of_services(world)
    world.calls.clear()
    await router.set(rollout, spec_of(), RouteTarget(0))
    assert not world.calls


async def test_a_foreign_service_of_that_name_is_never_touched_and_takes_no_requests(
    world: World, router: IstioRouter, clock: Clock
) -> None:
    clock.settle(at_once=True)
    rollout = await world.rollout()
    theirs = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web-match"},
        "spec": {"ports": [{"port": 80}]},
    }
    await world.cluster.client.request("POST", SERVICES.path(world.namespace), theirs)
    before = await world.get(SERVICES, "web-match")
    for _ in range(2):
        with pytest.raises(NameConflictError, match="Service web-match already exists"):
            await router.set(rollout, spec_of(**FOCUSED), RouteTarget(20))
    await router.set(rollout, spec_of(), RouteTarget(20))
    assert await world.get(SERVICES, "web-match") == before


async def test_traffic_is_taken_back_before_anything_else_is_repaired(
    world: World, router: IstioRouter, clock: Clock
) -> None:
    clock.settle(at_once=True)
    rollout, spec = await world.rollout(), spec_of(**FOCUSED)
    for _ in range(2):
        await router.set(rollout, spec, RouteTarget(50))
    await world.delete(SERVICES, "web-match", seen=True)
    order: list[str] = []
    apply = world.client.apply

    async def noted(resource: Any, body: dict[str, Any], **options: Any) -> dict[str, Any]:
        order.append(resource.kind)
        return await apply(resource, body, **options)

    world.client.apply = noted  # type: ignore[method-assign]
    await router.set(rollout, spec, RouteTarget(0))
    assert order == ["VirtualService", "Service"]


async def test_a_rollout_for_everybody_has_no_such_service(
    world: World, router: IstioRouter
) -> None:
    await router.set(await world.rollout(), spec_of(), RouteTarget(20))
    assert await names_of_services(world) == set()
