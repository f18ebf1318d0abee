"""The DestinationRules of a `trafficPolicy`, on a Kubernetes API."""

from typing import Any

import pytest

from canary_operator.adapters.cluster.resources import DESTINATION_RULES, VIRTUAL_SERVICES
from canary_operator.adapters.traffic.istio import IstioRouter
from canary_operator.domain.errors import (
    NameConflictError,
    RefusedRouteError,
    RouterUnavailableError,
)
from canary_operator.domain.target import RouteTarget
from tests.adapters.cluster.world import World, spec_of
from tests.support.clusters import EmbeddedCluster

POLICY = {
    "outlierDetection": {"consecutive5xxErrors": 5, "interval": "10s"},
    "loadBalancer": {"simple": "LEAST_REQUEST"},
}
DRY_RUN = ("patch", "destinationrules.networking.istio.io")
NAMES = ("web-stable", "web-canary")


@pytest.fixture
def router(world: World) -> IstioRouter:
    return IstioRouter(world.client, world.caches, namespaces=(world.namespace,))


def with_policy(policy: dict[str, Any] | None = None, **changes: Any) -> Any:
    return spec_of(traffic={"istio": {"trafficPolicy": policy or POLICY}}, **changes)


async def rules(world: World) -> dict[str, dict[str, Any]]:
    listed = await world.cluster.client.request("GET", DESTINATION_RULES.path(world.namespace))
    return {one["metadata"]["name"]: one for one in listed["items"]}


async def test_each_destination_gets_the_policy_as_it_was_written(
    world: World, router: IstioRouter
) -> None:
    rollout = await world.rollout()
    await router.claim(rollout, with_policy())
    assert await router.set(rollout, with_policy(), RouteTarget(20))
    found = await rules(world)
    assert set(found) == set(NAMES)
    for name, rule in found.items():
        host = f"{name}.{world.namespace}.svc.cluster.local"
        assert rule["spec"] == {"host": host, "trafficPolicy": POLICY}
        assert rule["metadata"]["ownerReferences"][0]["uid"] == rollout.uid
    world.calls.clear()
    assert not await router.set(rollout, with_policy(), RouteTarget(20))
    assert not world.calls


async def test_the_group_of_a_focused_canary_gets_it_too(world: World, router: IstioRouter) -> None:
    rollout = await world.rollout()
    strategy = {"match": [{"headers": {"x-a": {}}}]}
    await router.set(rollout, with_policy(strategy=strategy), RouteTarget(0))
    assert set(await rules(world)) == {*NAMES, "web-match"}
    await router.set(rollout, with_policy(), RouteTarget(0))
    assert set(await rules(world)) == set(NAMES)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param({"loadBalancer": {"simple": "RANDOM"}}, id="changed"),
        pytest.param({"loadBalancer": None}, id="removed"),
        pytest.param({"tls": {"mode": "DISABLE"}}, id="added"),
        pytest.param({"loadBalancer": {"warmup": {"duration": "9s"}}}, id="added below"),
        pytest.param(
            {"loadBalancer": {"simple": None, "consistentHash": {"useSourceIp": True}}},
            id="one for another",
        ),
    ],
)
async def test_an_edit_by_hand_is_set_back(
    world: World, router: IstioRouter, edit: dict[str, Any]
) -> None:
    rollout = await world.rollout()
    await router.set(rollout, with_policy(), RouteTarget(0))
    await world.edit(DESTINATION_RULES, "web-canary", {"spec": {"trafficPolicy": edit}})
    assert await router.set(rollout, with_policy(), RouteTarget(0))
    assert (await rules(world))["web-canary"]["spec"]["trafficPolicy"] == POLICY
    assert not await router.set(rollout, with_policy(), RouteTarget(0))


async def test_a_deleted_one_comes_back(world: World, router: IstioRouter) -> None:
    rollout = await world.rollout()
    await router.set(rollout, with_policy(), RouteTarget(0))
    await world.delete(DESTINATION_RULES, "web-stable", seen=True)
    assert await router.set(rollout, with_policy(), RouteTarget(0))
    assert set(await rules(world)) == set(NAMES)


async def test_they_go_with_the_field(world: World, router: IstioRouter) -> None:
    rollout = await world.rollout()
    await router.set(rollout, with_policy(), RouteTarget(0))
    await router.set(rollout, spec_of(), RouteTarget(0))
    assert await rules(world) == {}
    world.calls.clear()
    assert not await router.set(rollout, spec_of(), RouteTarget(0))
    assert not world.calls


async def test_a_foreign_one_is_never_touched(world: World, router: IstioRouter) -> None:
    rollout = await world.rollout()
    await router.set(rollout, spec_of(), RouteTarget(20))
    theirs = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "web-canary"},
        "spec": {"host": "elsewhere"},
    }
    path = DESTINATION_RULES.path(world.namespace)
    await world.cluster.client.request("POST", path, theirs)
    before = await world.get(DESTINATION_RULES, "web-canary")
    with pytest.raises(NameConflictError, match="DestinationRule web-canary already exists"):
        await router.set(rollout, with_policy(), RouteTarget(0))
    assert router.state(rollout).weight == 0, "the route is told first"
    await router.set(rollout, spec_of(), RouteTarget(0))
    assert await world.get(DESTINATION_RULES, "web-canary") == before


@pytest.mark.parametrize("name", NAMES)
async def test_a_policy_is_not_tried_out_on_a_foreign_one(
    world: World, router: IstioRouter, name: str
) -> None:
    theirs = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": name},
        "spec": {"host": "elsewhere"},
    }
    path = DESTINATION_RULES.path(world.namespace)
    await world.cluster.client.request("POST", path, theirs)
    with pytest.raises(NameConflictError, match=f"DestinationRule {name} already exists"):
        await router.claim(await world.rollout(), with_policy())


async def test_the_policy_is_there_before_the_first_route(
    world: World, router: IstioRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    apply = world.client.apply

    async def noted(resource: Any, body: dict[str, Any], **options: Any) -> dict[str, Any]:
        order.append(resource.kind)
        return await apply(resource, body, **options)

    monkeypatch.setattr(world.client, "apply", noted)
    rollout = await world.rollout()
    await router.set(rollout, with_policy(), RouteTarget(0))
    assert order == ["DestinationRule", "DestinationRule", "VirtualService"]
    order.clear()
    other = {**POLICY, "loadBalancer": {"simple": "RANDOM"}}
    await router.set(rollout, with_policy(other), RouteTarget(20))
    assert order == ["VirtualService", "DestinationRule", "DestinationRule"]


async def test_a_policy_that_the_api_server_refuses_is_not_accepted(
    world: World, router: IstioRouter
) -> None:
    wrong = {"outlierDetection": {"consecutive5xxErrors": "many"}}
    with pytest.raises(RefusedRouteError, match=r"^spec\.traffic\.istio\.trafficPolicy: ") as said:
        await router.claim(await world.rollout(), with_policy(wrong))
    assert "consecutive5xxErrors" in said.value.message
    assert await rules(world) == {}


async def test_an_unknown_field_in_a_policy_is_not_accepted(
    world: World, router: IstioRouter
) -> None:
    wrong = {"outlierDetection": {"consecutive6xxErrors": 1}}
    with pytest.raises(RefusedRouteError, match="consecutive6xxErrors"):
        await router.claim(await world.rollout(), with_policy(wrong))


async def test_without_the_definition_only_those_with_a_policy_have_a_problem(
    world: World, router: IstioRouter
) -> None:
    if not isinstance(world.cluster, EmbeddedCluster):
        pytest.skip("the definition is shared by all tests of the real cluster")
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
    name = "destinationrules.networking.istio.io"
    await world.cluster.client.request("DELETE", definitions + name)
    rollout = await world.rollout()
    await router.claim(rollout, with_policy())
    with pytest.raises(RouterUnavailableError, match=r"DestinationRule .* is not installed"):
        await router.set(rollout, with_policy(), RouteTarget(0))
    assert await router.set(rollout, spec_of(), RouteTarget(0))
    await world.look(VIRTUAL_SERVICES, "web")


async def test_only_a_policy_is_tried_out(world: World, router: IstioRouter) -> None:
    rollout = await world.rollout()
    await router.claim(rollout, spec_of(traffic={"istio": {"timeout": "5s"}}))
    assert DRY_RUN not in world.calls
    await router.claim(rollout, with_policy())
    assert world.calls[DRY_RUN] == 1
