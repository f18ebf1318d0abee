"""The Service of a rollout without a mesh, on a Kubernetes API."""

from typing import Any

import pytest

from canary_operator.adapters.cluster.resources import SERVICES
from canary_operator.adapters.traffic import build_router
from canary_operator.adapters.traffic.registry import RouterByKind
from canary_operator.adapters.traffic.replicas import ReplicasRouter
from canary_operator.domain.errors import DriftConflictError, InvalidSpecError, NameConflictError
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import RouteState, Settings
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.target import RouteTarget
from canary_operator.playground.api import Fault
from tests.adapters.cluster.world import World, spec_of
from tests.support.clusters import EmbeddedCluster

WRITE = ("patch", "services")
TRAFFIC = {
    "traffic": {"replicas": {}},
    "analysis": {"metrics": [{"name": "errors", "query": {"promql": "errors", "max": 0}}]},
}
ROLLOUT, TRACK = "canary-operator.dev/rollout", "canary-operator.dev/track"
CLOSED, OPEN = {ROLLOUT: "web", TRACK: "stable"}, {ROLLOUT: "web"}


def counted(**changes: Any) -> RolloutSpec:
    return spec_of(**TRAFFIC, **changes)


@pytest.fixture
def router(world: World) -> ReplicasRouter:
    return ReplicasRouter(world.client, world.caches)


async def selector(world: World) -> dict[str, str]:
    found: dict[str, str] = (await world.get(SERVICES, "web"))["spec"]["selector"]
    return found


async def test_the_service_is_open_while_there_is_a_weight(
    world: World, router: ReplicasRouter
) -> None:
    rollout = await world.rollout(**TRAFFIC)
    assert router.state(rollout) == RouteState()
    assert await router.set(rollout, counted(), RouteTarget(0))
    assert router.state(rollout) == RouteState(exists=True, weight=0)
    assert await selector(world) == CLOSED
    world.calls.clear()
    assert await router.set(rollout, counted(), RouteTarget(25))
    assert world.calls == {WRITE: 1}
    assert router.state(rollout).weight == 25
    assert await selector(world) == OPEN
    assert not await router.set(rollout, counted(), RouteTarget(25))
    assert world.calls == {WRITE: 1}


async def test_a_rollback_is_marked_in_the_write_that_closes_the_service(
    world: World, router: ReplicasRouter
) -> None:
    rollout = await world.rollout(**TRAFFIC)
    await router.set(rollout, counted(), RouteTarget(50))
    world.calls.clear()
    await router.set(rollout, counted(), RouteTarget(0, "r2", Reason.ANALYSIS_FAILED))
    assert world.calls == {WRITE: 1}
    expected = RouteState(
        exists=True, weight=0, rejected="r2", rejected_because=Reason.ANALYSIS_FAILED
    )
    assert router.state(rollout) == expected
    assert await selector(world) == CLOSED
    await world.look(SERVICES, "web")
    assert router.state(rollout) == expected
    await router.set(rollout, counted(), RouteTarget(0))
    assert router.state(rollout) == RouteState(exists=True, weight=0)


@pytest.mark.parametrize(
    ("told", "edit", "reads"),
    [
        pytest.param(0, {TRACK: None}, None, id="opened"),
        pytest.param(25, {TRACK: "stable"}, 0, id="closed"),
        pytest.param(0, {TRACK: "canary"}, None, id="canary only"),
        pytest.param(25, {"app": "another"}, None, id="narrowed"),
    ],
)
async def test_a_selector_edited_by_hand_is_seen_and_set_back(
    world: World,
    router: ReplicasRouter,
    told: int,
    edit: dict[str, str | None],
    reads: int | None,
) -> None:
    rollout = await world.rollout(**TRAFFIC)
    await router.set(rollout, counted(), RouteTarget(told))
    before = await selector(world)
    await world.edit(SERVICES, "web", {"spec": {"selector": edit}})
    assert router.state(rollout).weight == reads
    assert await router.set(rollout, counted(), RouteTarget(told))
    assert await selector(world) == before


@pytest.mark.parametrize(
    "words", ["0", "100", "", "many", "-5", "²", pytest.param("9" * 5000, id="9…")]
)
async def test_a_weight_that_nobody_told_is_not_believed(
    world: World, router: ReplicasRouter, words: str
) -> None:
    rollout = await world.rollout(**TRAFFIC)
    await router.set(rollout, counted(), RouteTarget(25))
    marks = {"canary-operator.dev/weight": words}
    await world.edit(SERVICES, "web", {"metadata": {"annotations": marks}})
    assert router.state(rollout).weight is None
    assert await router.set(rollout, counted(), RouteTarget(25))
    assert router.state(rollout).weight == 25


async def test_ports_follow_the_spec(world: World, router: ReplicasRouter) -> None:
    rollout = await world.rollout(**TRAFFIC)
    await router.set(rollout, counted(), RouteTarget(25))
    await router.set(rollout, counted(service={"port": 81, "targetPort": 8080}), RouteTarget(25))
    ports = (await world.get(SERVICES, "web"))["spec"]["ports"]
    assert [port["port"] for port in ports] == [81]


async def test_the_service_of_a_rollout_that_had_another_router_is_taken(
    world: World, router: ReplicasRouter
) -> None:
    rollout = await world.rollout()
    assert await world.workloads.ensure_services(rollout, spec_of())
    await world.look(SERVICES, "web")
    assert router.state(rollout) == RouteState()
    assert await router.set(rollout, counted(), RouteTarget(0))
    assert router.state(rollout) == RouteState(exists=True, weight=0)
    assert await selector(world) == CLOSED


@pytest.mark.parametrize(("before", "target"), [(25, 0), (0, 25)])
async def test_ports_and_weight_may_change_in_one_write(
    world: World, router: ReplicasRouter, before: int, target: int
) -> None:
    rollout = await world.rollout(**TRAFFIC)
    await router.set(rollout, counted(), RouteTarget(before))
    rejected = ("r2", Reason.ANALYSIS_FAILED) if target == 0 else (None, None)
    one_port = counted(service={"port": 81, "targetPort": 8080})
    world.calls.clear()
    await router.set(rollout, one_port, RouteTarget(target, *rejected))
    assert world.calls == {WRITE: 1}
    await world.look(SERVICES, "web")
    assert router.state(rollout) == RouteState(True, target, *rejected)
    assert not await router.set(rollout, one_port, RouteTarget(target, *rejected))


async def test_the_other_services_are_not_the_routers(world: World, router: ReplicasRouter) -> None:
    rollout = await world.rollout(**TRAFFIC)
    assert await world.workloads.ensure_services(rollout, counted())
    assert world.calls[WRITE] == 2, "web-stable and web-canary"
    await router.set(rollout, counted(), RouteTarget(25))
    assert not await world.workloads.ensure_services(rollout, counted())
    assert await selector(world) == OPEN


async def test_a_foreign_service_is_never_touched(world: World, router: ReplicasRouter) -> None:
    ports = [{"name": "http", "port": 80}]
    body = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "theirs"}, "ports": ports}}
    await world.cluster.client.request("POST", SERVICES.path(world.namespace), body)
    rollout = await world.rollout(**TRAFFIC)
    with pytest.raises(NameConflictError):
        await router.set(rollout, counted(), RouteTarget(0))
    assert router.state(rollout) == RouteState()
    assert await selector(world) == {"app": "theirs"}


async def test_a_service_that_the_server_refuses(world: World, router: ReplicasRouter) -> None:
    rollout = await world.rollout(**TRAFFIC)
    if not isinstance(world.cluster, EmbeddedCluster):
        pytest.skip("needs injected faults")
    fault = Fault(resource="services", verb="patch", status=422, message="too many")
    world.cluster.api.faults.add(fault)
    with pytest.raises(InvalidSpecError, match="refuses Service web: too many"):
        await router.set(rollout, counted(), RouteTarget(0))


async def test_a_webhook_that_keeps_the_service_open_is_noticed(
    world: World, router: ReplicasRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = await world.rollout(**TRAFFIC)
    apply = world.client.apply

    async def bent(resource: Any, body: dict[str, Any], **options: Any) -> dict[str, Any]:
        return await apply(
            resource, {**body, "spec": {**body["spec"], "selector": OPEN}}, **options
        )

    monkeypatch.setattr(world.client, "apply", bent)
    for _ in range(3):
        with pytest.raises(DriftConflictError, match="webhook"):
            await router.set(rollout, counted(), RouteTarget(0))
    assert world.writes() <= 3


async def test_the_router_that_has_an_object_is_asked_whatever_the_newest_spec_says(
    world: World,
) -> None:
    routers: RouterByKind = build_router(world.client, world.caches, Settings())
    rollout = await world.rollout(traffic={"istio": {}}, analysis=TRAFFIC["analysis"])
    assert routers.state(rollout) == RouteState()
    await world.workloads.ensure_services(rollout, spec_of())
    assert routers.state(rollout) == RouteState(), "a Service alone splits nothing"
    await routers.set(rollout, counted(), RouteTarget(25))
    assert routers.state(rollout).weight == 25
