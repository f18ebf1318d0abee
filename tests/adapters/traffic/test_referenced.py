"""VirtualServices of users, of which only weights are changed."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from canary_operator.adapters.cluster.resources import ROLLOUTS, VIRTUAL_SERVICES
from canary_operator.adapters.traffic.istio_foreign import RouteLender
from canary_operator.adapters.traffic.istio_referenced import ReferencedRouter
from canary_operator.domain.errors import (
    DriftConflictError,
    HostConflictError,
    RouteMissingError,
    RouterUnavailableError,
)
from canary_operator.domain.loans import Loan
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import RouteState
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.target import RouteTarget
from canary_operator.playground.api import Fault
from canary_operator.ports import Key, Rollout
from tests.adapters.cluster.world import World, spec_of
from tests.support.clusters import EmbeddedCluster

WRITE = ("patch", "virtualservices.networking.istio.io")
MARK = "rejected.canary-operator.dev/web"


class Woken(list[Key]):
    def __call__(self, key: Key) -> None:
        self.append(key)


@pytest.fixture
def woken() -> Woken:
    return Woken()


@pytest.fixture
def router(world: World, woken: Woken) -> ReferencedRouter:
    return ReferencedRouter(world.client, world.caches, wake=woken)


@pytest.fixture
def lender(world: World) -> RouteLender:
    return RouteLender(world.client, world.caches, cluster_domain="cluster.local")


def split(stable: int, canary: int, name: str = "web") -> list[dict[str, Any]]:
    return [
        {"destination": {"host": f"{name}-stable", "port": {"number": 80}}, "weight": stable},
        {"destination": {"host": f"{name}-canary"}, "weight": canary},
    ]


def shop(namespace: str, *routes: dict[str, Any], **meta: Any) -> dict[str, Any]:
    """A VirtualService with more in it than a rollout knows of."""
    others = [
        {"name": "images", "match": [{"uri": {"prefix": "/img"}}], "timeout": "3s",
         "route": [{"destination": {"host": "images"}, "weight": 100}]},
        {"name": "testers", "match": [{"headers": {"x-test": {"exact": "1"}}}],
         "route": [{"destination": {"host": "web-canary"}}]},
    ]  # fmt: skip
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "shop", "namespace": namespace, **meta},
        "spec": {"hosts": ["shop.example.com"], "gateways": ["edge"], "http": [*others, *routes]},
    }


PRIMARY = {"name": "primary", "retries": {"attempts": 2}, "route": split(100, 0)}


def spec(*routes: str, name: str = "shop", **changes: Any) -> RolloutSpec:
    reference = {"name": name, **({"routes": list(routes)} if routes else {})}
    return spec_of(traffic={"istio": {"virtualService": reference}}, **changes)


async def create(world: World, body: dict[str, Any]) -> None:
    await world.cluster.client.request("POST", VIRTUAL_SERVICES.path(world.namespace), body)
    await world.look(VIRTUAL_SERVICES, body["metadata"]["name"])


async def used(world: World, router: ReferencedRouter, given: RolloutSpec) -> Rollout:
    """Return a rollout whose spec was accepted."""
    rollout = await world.rollout()
    await router.claim(rollout, given)
    assert router.contested(rollout, given) is None
    return rollout


def weights(body: dict[str, Any]) -> dict[str, list[int | None]]:
    return {
        route["name"]: [entry.get("weight") for entry in route["route"]]
        for route in body["spec"]["http"]
    }


def without_weights(body: dict[str, Any]) -> dict[str, Any]:
    rest = copy.deepcopy(body)
    for name in ("resourceVersion", "managedFields", "generation"):
        rest["metadata"].pop(name, None)
    for route in rest["spec"]["http"]:
        if route["name"] == "primary":
            for entry in route["route"]:
                entry.pop("weight", None)
    return rest


async def test_only_the_weights_of_the_named_route_change(
    world: World, router: ReferencedRouter
) -> None:
    await create(world, shop(world.namespace, PRIMARY))
    before = await world.get(VIRTUAL_SERVICES, "shop")
    rollout = await used(world, router, spec("primary"))
    assert router.state(rollout) == RouteState(exists=True, weight=0)
    world.calls.clear()
    assert await router.set(rollout, spec("primary"), RouteTarget(20))
    assert world.calls == {WRITE: 1}
    after = await world.get(VIRTUAL_SERVICES, "shop")
    assert weights(after) == {"images": [100], "testers": [None], "primary": [80, 20]}
    assert without_weights(after) == without_weights(before)
    assert router.state(rollout) == RouteState(exists=True, weight=20)
    assert not await router.set(rollout, spec("primary"), RouteTarget(20))
    assert world.calls == {WRITE: 1}


async def test_a_route_without_a_name_is_split_where_it_is_the_only_one(
    world: World, router: ReferencedRouter
) -> None:
    body = shop(world.namespace)
    full = f"web-canary.{world.namespace}.svc.cluster.local"
    route = [{"destination": {"host": "web-stable"}}, {"destination": {"host": full}}]
    body["spec"]["http"] = [{"route": route}]
    await create(world, body)
    rollout = await used(world, router, spec())
    await router.set(rollout, spec(), RouteTarget(5))
    after = (await world.get(VIRTUAL_SERVICES, "shop"))["spec"]["http"]
    assert [entry["weight"] for entry in after[0]["route"]] == [95, 5]


async def test_a_rollback_is_marked_in_the_write_that_takes_the_traffic(
    world: World, router: ReferencedRouter
) -> None:
    await create(world, shop(world.namespace, PRIMARY, annotations={"team": "shop"}))
    rollout = await used(world, router, spec("primary"))
    await router.set(rollout, spec("primary"), RouteTarget(50))
    world.calls.clear()
    await router.set(rollout, spec("primary"), RouteTarget(0, "r2", Reason.ANALYSIS_FAILED))
    assert world.calls == {WRITE: 1}
    after = await world.get(VIRTUAL_SERVICES, "shop")
    assert after["metadata"]["annotations"] == {"team": "shop", MARK: "r2/AnalysisFailed"}
    assert router.state(rollout) == RouteState(
        exists=True, weight=0, rejected="r2", rejected_because=Reason.ANALYSIS_FAILED
    )
    await router.set(rollout, spec("primary"), RouteTarget(0))
    after = await world.get(VIRTUAL_SERVICES, "shop")
    assert after["metadata"]["annotations"] == {"team": "shop"}


async def test_a_mark_comes_where_no_annotation_is(world: World, router: ReferencedRouter) -> None:
    await create(world, shop(world.namespace, PRIMARY))
    rollout = await used(world, router, spec("primary"))
    await router.set(rollout, spec("primary"), RouteTarget(0, "r2"))
    after = await world.get(VIRTUAL_SERVICES, "shop")
    assert after["metadata"]["annotations"] == {MARK: "r2/"}
    assert router.state(rollout).rejected == "r2"


OTHER = {"destination": {"host": "old"}, "weight": 30}
LONE = {"name": "lone", "route": [{"destination": {"host": "web-stable"}}]}


@pytest.mark.parametrize(
    ("routes", "named", "words"),
    [
        pytest.param(None, ["primary"], "there is none of that name", id="no VirtualService"),
        pytest.param([PRIMARY], ["second"], "no HTTP route named second", id="no such route"),
        pytest.param([PRIMARY], [], "it has 3 HTTP routes", id="several routes, none named"),
        pytest.param([LONE], ["lone"], "lone has no destination web-canary", id="no canary"),
        pytest.param(
            [{"name": "twice", "route": [*split(50, 0), *split(50, 0)]}],
            ["twice"],
            "twice sends requests to web-stable twice",
            id="the same destination twice",
        ),
        pytest.param(
            [{"name": "three", "route": [*split(70, 0), OTHER]}],
            ["three"],
            "three also gives a weight to old",
            id="a weight for somebody else",
        ),
    ],
)
async def test_what_cannot_be_split_is_refused_by_name_until_it_is_mended(  # noqa: PLR0913
    world: World,
    router: ReferencedRouter,
    woken: Woken,
    *,
    routes: list[dict[str, Any]] | None,
    named: list[str],
    words: str,
) -> None:
    rollout = await world.rollout()
    if routes is not None:
        await create(world, shop(world.namespace, *routes))
    with pytest.raises(RouteMissingError) as caught:
        await router.claim(rollout, spec(*named))
    assert words in caught.value.message
    assert "VirtualService shop" in caught.value.message
    assert (caught.value.heals, caught.value.is_watched) == (True, True)
    mended = {**PRIMARY, "name": named[0] if named else "primary"}
    woken.clear()
    if routes is None:
        await create(world, shop(world.namespace, mended))
    else:
        await world.edit(VIRTUAL_SERVICES, "shop", {"spec": {"http": [mended]}})
    assert woken == [rollout.key]
    await router.claim(rollout, spec(*named))


async def test_a_route_that_breaks_gives_the_canary_nothing_and_is_not_raised(
    world: World, router: ReferencedRouter, woken: Woken
) -> None:
    await create(world, shop(world.namespace, PRIMARY, {**PRIMARY, "name": "second"}))
    given = spec("primary", "second")
    rollout = await used(world, router, given)
    await router.set(rollout, given, RouteTarget(20))
    woken.clear()
    broken = shop(world.namespace, {**PRIMARY, "route": [*split(60, 20), OTHER]}, LONE)["spec"]
    await world.edit(VIRTUAL_SERVICES, "shop", {"spec": {"http": broken["http"]}})
    assert woken == [rollout.key]
    assert router.state(rollout) == RouteState(exists=True, weight=19, broken=True)
    problem = router.contested(rollout, given)
    assert isinstance(problem, RouteMissingError)
    assert "primary also gives a weight to old" in problem.message or "second" in problem.message
    with pytest.raises(RouteMissingError):
        await router.set(rollout, given, RouteTarget(20))
    assert await router.set(rollout, given, RouteTarget(0, "r2"))
    after = await world.get(VIRTUAL_SERVICES, "shop")
    assert weights(after)["primary"] == [80, 0, 30]
    assert router.state(rollout).rejected == "r2"


async def test_a_virtual_service_that_is_deleted_needs_nothing_taken_away(
    world: World, router: ReferencedRouter, woken: Woken
) -> None:
    await create(world, shop(world.namespace, PRIMARY))
    rollout = await used(world, router, spec("primary"))
    await router.set(rollout, spec("primary"), RouteTarget(20))
    woken.clear()
    await world.delete(VIRTUAL_SERVICES, "shop", seen=True)
    assert woken == [rollout.key]
    assert router.state(rollout) == RouteState(broken=True)
    assert not await router.set(rollout, spec("primary"), RouteTarget(0, "r2"))
    with pytest.raises(RouteMissingError):
        await router.set(rollout, spec("primary"), RouteTarget(20))


SWAPPED = {**PRIMARY, "route": split(100, 0)[::-1]}
UNSEEN = {
    "the destinations are swapped": {"spec": {"http": [SWAPPED]}},
    "another route comes first": {"spec": {"http": [{**PRIMARY, "name": "second"}, PRIMARY]}},
    "a label": {"metadata": {"labels": {"team": "shop"}}},
}


@pytest.mark.parametrize("edit", UNSEEN.values(), ids=UNSEEN.keys())
async def test_an_edit_that_we_have_not_seen_yet_survives(
    world: World, router: ReferencedRouter, edit: dict[str, Any]
) -> None:
    body = shop(world.namespace)
    body["spec"]["http"] = [PRIMARY]
    await create(world, body)
    rollout = await used(world, router, spec("primary"))
    edited = await world.cluster.client.request(
        "PATCH",
        VIRTUAL_SERVICES.path(world.namespace, "shop"),
        edit,
        ctype="application/merge-patch+json",
        params={"fieldManager": "by-hand"},
    )
    world.calls.clear()
    assert await router.set(rollout, spec("primary"), RouteTarget(5))
    assert world.calls[WRITE] == 2
    after = await world.get(VIRTUAL_SERVICES, "shop")
    assert without_weights(after) == without_weights(edited)
    route = next(one for one in after["spec"]["http"] if one["name"] == "primary")["route"]
    shares = {entry["destination"]["host"]: entry["weight"] for entry in route}
    assert shares == {"web-stable": 95, "web-canary": 5}
    assert "second" not in weights(after) or weights(after)["second"] == [100, 0]


async def test_weights_that_somebody_keeps_setting_back_are_left_alone_for_a_while(
    world: World, router: ReferencedRouter
) -> None:
    await create(world, shop(world.namespace, PRIMARY))
    rollout = await used(world, router, spec("primary"))
    again = {"spec": {"http": shop(world.namespace, PRIMARY)["spec"]["http"]}}
    for _ in range(3):
        await router.set(rollout, spec("primary"), RouteTarget(20))
        await world.edit(VIRTUAL_SERVICES, "shop", again)
    with pytest.raises(DriftConflictError, match="VirtualService shop was set back 3 times"):
        await router.set(rollout, spec("primary"), RouteTarget(20))


async def test_of_two_rollouts_that_name_one_route_the_younger_is_refused(
    world: World, router: ReferencedRouter, woken: Woken
) -> None:
    both = {"name": "both", "route": [*split(100, 0), *split(0, 0, "api")]}
    other = {"name": "other", "route": split(100, 0, "api")}
    await create(world, shop(world.namespace, both, other))
    older = await used(world, router, spec("both"))
    younger = replace(await world.rollout("api"), created="9999-12-31T23:59:59Z")
    with pytest.raises(HostConflictError, match="CanaryRollout web splits route both") as caught:
        await router.claim(younger, spec("both", "other"))
    assert caught.value.is_watched
    await router.claim(younger, spec("other"))
    assert router.contested(younger, spec("other")) is None
    await router.set(younger, spec("other"), RouteTarget(0, "r9"))
    await router.set(older, spec("both"), RouteTarget(30, None))
    assert router.state(older) == RouteState(exists=True, weight=30)
    assert router.state(younger) == RouteState(exists=True, weight=0, rejected="r9")
    # Both at once, as after a start: who was made first has it; the other is woken when it may.
    assert router.contested(younger, spec("both")) is not None
    assert router.state(younger).broken
    woken.clear()
    await world.delete(ROLLOUTS, "web", seen=True)
    assert younger.key in woken
    with pytest.raises(RouteMissingError, match="both also gives a weight to web-stable"):
        await router.set(younger, spec("both"), RouteTarget(5))


async def test_loans_are_given_back_once_with_their_mark(
    world: World, router: ReferencedRouter, lender: RouteLender
) -> None:
    await create(world, shop(world.namespace, PRIMARY, {**PRIMARY, "name": "second"}))
    given = spec("primary", "second")
    rollout = await used(world, router, given)
    await router.set(rollout, given, RouteTarget(20, "r2"))
    before = await world.get(VIRTUAL_SERVICES, "shop")
    loans = [Loan(kind="VirtualService", name="shop", part=one) for one in given_routes(given)]
    world.calls.clear()
    assert [await lender.give_back(rollout, loan) for loan in loans] == [True, True]
    after = await world.get(VIRTUAL_SERVICES, "shop")
    assert weights(after)["primary"] == weights(after)["second"] == [100, 0]
    assert MARK not in after["metadata"].get("annotations", {})
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert not await lender.give_back(rollout, loans[0])
    await world.delete(VIRTUAL_SERVICES, "shop")
    assert not await lender.give_back(rollout, loans[0])


async def test_the_mark_stays_while_another_route_of_the_same_object_is_kept(
    world: World, router: ReferencedRouter, lender: RouteLender
) -> None:
    await create(world, shop(world.namespace, PRIMARY, {**PRIMARY, "name": "second"}))
    given = spec("primary", "second")
    rollout = await used(world, router, given)
    await router.set(rollout, given, RouteTarget(20))
    first, second = (
        Loan(kind="VirtualService", name="shop", part=one) for one in given_routes(given)
    )
    await router.set(rollout, spec("second"), RouteTarget(0, "r2", Reason.ABORTED))
    assert await lender.give_back(rollout, first, [second])
    after = await world.get(VIRTUAL_SERVICES, "shop")
    assert weights(after)["primary"] == [100, 0]
    assert after["metadata"]["annotations"] == {MARK: "r2/Aborted"}
    elsewhere = Loan(kind="VirtualService", name="other", part="second")
    assert await lender.give_back(rollout, second, [elsewhere])
    assert "annotations" not in (await world.get(VIRTUAL_SERVICES, "shop"))["metadata"]


async def test_a_loan_whose_object_is_gone_unseen_counts_as_given_back(
    world: World, router: ReferencedRouter, lender: RouteLender
) -> None:
    await create(world, shop(world.namespace, PRIMARY))
    rollout = await used(world, router, spec("primary"))
    await router.set(rollout, spec("primary"), RouteTarget(20))
    await world.delete(VIRTUAL_SERVICES, "shop")
    loan = Loan(kind="VirtualService", name="shop", part="primary")
    assert not await lender.give_back(rollout, loan)
    assert not router.state(rollout).exists


async def test_what_no_rollout_could_split_is_not_kept(world: World) -> None:
    body = shop(world.namespace)
    body["spec"]["http"] = [{"route": [{"destination": {"host": "elsewhere"}}]}]
    await create(world, body)
    assert len(world.caches.virtual_services) == 0


def given_routes(given: RolloutSpec) -> tuple[str, ...]:
    reference = given.traffic.virtual_service
    assert reference is not None
    return reference.routes


async def test_what_the_api_server_refuses_is_told_in_its_words(
    world: World, router: ReferencedRouter
) -> None:
    if not isinstance(world.cluster, EmbeddedCluster):
        pytest.skip("needs injected faults")
    await create(world, shop(world.namespace, PRIMARY))
    rollout = await used(world, router, spec("primary"))
    words = 'admission webhook "rules.example.com" denied the request: not on Fridays'
    fault = Fault(verb="patch", resource="virtualservices", status=400, message=words)
    world.cluster.api.faults.add(fault)
    with pytest.raises(RouterUnavailableError, match=r"VirtualService shop: .* not on Fridays"):
        await router.set(rollout, spec("primary"), RouteTarget(5))
