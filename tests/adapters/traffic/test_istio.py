"""VirtualServices on a Kubernetes API."""

from dataclasses import replace
from typing import Any

import pytest

from canary_operator.adapters.cluster.resources import VIRTUAL_SERVICES
from canary_operator.adapters.traffic.istio import IstioRouter
from canary_operator.domain.errors import (
    DriftConflictError,
    HostConflictError,
    NameConflictError,
    RouterUnavailableError,
)
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import RouteState
from canary_operator.domain.target import RouteTarget
from canary_operator.playground.api import Fault
from tests.adapters.cluster.world import World, spec_of
from tests.support.clusters import EmbeddedCluster

WRITE = ("patch", "virtualservices.networking.istio.io")


@pytest.fixture
def router(world: World) -> IstioRouter:
    return IstioRouter(world.client, world.caches, namespaces=(world.namespace,))


def foreign(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    route = [{"destination": {"host": "elsewhere"}}]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"http": [{"route": route}], **spec},
    }


async def create(world: World, body: dict[str, Any]) -> None:
    await world.cluster.client.request("POST", VIRTUAL_SERVICES.path(world.namespace), body)


async def test_a_weight_is_one_write_and_is_read_back(world: World, router: IstioRouter) -> None:
    rollout = await world.rollout()
    assert router.state(rollout) == RouteState()
    assert await router.set(rollout, spec_of(), RouteTarget(0))
    assert router.state(rollout) == RouteState(exists=True, weight=0)
    world.calls.clear()
    assert await router.set(rollout, spec_of(), RouteTarget(20))
    assert world.calls == {WRITE: 1}
    assert router.state(rollout).weight == 20
    assert not await router.set(rollout, spec_of(), RouteTarget(20))
    assert world.calls == {WRITE: 1}


async def test_a_rollback_is_marked_in_the_write_that_takes_the_traffic(
    world: World, router: IstioRouter
) -> None:
    rollout = await world.rollout()
    await router.set(rollout, spec_of(), RouteTarget(50))
    world.calls.clear()
    await router.set(rollout, spec_of(), RouteTarget(0, "r2", Reason.ANALYSIS_FAILED))
    assert world.calls == {WRITE: 1}
    expected = RouteState(
        exists=True, weight=0, rejected="r2", rejected_because=Reason.ANALYSIS_FAILED
    )
    assert router.state(rollout) == expected
    await world.look(VIRTUAL_SERVICES, "web")
    assert router.state(rollout) == expected
    await router.set(rollout, spec_of(), RouteTarget(0))
    assert router.state(rollout) == RouteState(exists=True, weight=0)


async def test_a_mark_set_by_hand_can_be_taken_away(world: World, router: IstioRouter) -> None:
    rollout = await world.rollout()
    await router.set(rollout, spec_of(), RouteTarget(20))
    marks = {"canary-operator.dev/rejected": "r2"}
    await world.edit(VIRTUAL_SERVICES, "web", {"metadata": {"annotations": marks}})
    assert router.state(rollout).rejected == "r2"
    assert await router.set(rollout, spec_of(), RouteTarget(0))
    assert router.state(rollout).rejected is None


@pytest.mark.parametrize(
    "weights", [pytest.param((50, 50), id="weights"), pytest.param((100,), id="one destination")]
)
async def test_weights_edited_by_hand_are_restored(
    world: World, router: IstioRouter, weights: tuple[int, ...]
) -> None:
    rollout = await world.rollout()
    await router.set(rollout, spec_of(), RouteTarget(20))
    before = await world.get(VIRTUAL_SERVICES, "web")
    route = before["spec"]["http"][0]["route"][: len(weights)]
    edited = [{**entry, "weight": weight} for entry, weight in zip(route, weights, strict=True)]
    await world.edit(VIRTUAL_SERVICES, "web", {"spec": {"http": [{"route": edited}]}})
    assert router.state(rollout).weight != 20
    assert await router.set(rollout, spec_of(), RouteTarget(20))
    assert (await world.get(VIRTUAL_SERVICES, "web"))["spec"] == before["spec"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"fault": {"abort": {"httpStatus": 500}}}, id="a further field in a route"),
        pytest.param({"retries": {"attempts": 9}}, id="retries"),
    ],
)
async def test_what_others_add_to_a_route_is_taken_away(
    world: World, router: IstioRouter, change: dict[str, Any]
) -> None:
    rollout = await world.rollout()
    await router.set(rollout, spec_of(), RouteTarget(20))
    before = await world.get(VIRTUAL_SERVICES, "web")
    edited = {**before["spec"]["http"][0], **change}
    await world.edit(VIRTUAL_SERVICES, "web", {"spec": {"http": [edited]}})
    assert await router.set(rollout, spec_of(), RouteTarget(20))
    assert (await world.get(VIRTUAL_SERVICES, "web"))["spec"] == before["spec"]


@pytest.mark.parametrize("kind", ["tcp", "tls"])
async def test_routes_of_a_kind_that_we_have_none_of_are_taken_away(
    world: World, router: IstioRouter, kind: str
) -> None:
    rollout = await world.rollout()
    await router.set(rollout, spec_of(), RouteTarget(20))
    theirs = {"match": [{"port": 443}], "route": [{"destination": {"host": "elsewhere"}}]}
    if kind == "tls":
        theirs["match"] = [{"port": 443, "sniHosts": ["elsewhere"]}]
    await world.edit(VIRTUAL_SERVICES, "web", {"spec": {kind: [theirs]}})
    assert await router.set(rollout, spec_of(), RouteTarget(20))
    assert not (await world.get(VIRTUAL_SERVICES, "web"))["spec"].get(kind)
    assert not await router.set(rollout, spec_of(), RouteTarget(20))


async def test_traffic_is_taken_back_even_from_an_object_that_somebody_fights_over(
    world: World, router: IstioRouter
) -> None:
    rollout = await world.rollout()
    for _ in range(3):
        await router.set(rollout, spec_of(), RouteTarget(20))
        await world.edit(VIRTUAL_SERVICES, "web", {"spec": {"http": []}})
    with pytest.raises(DriftConflictError):
        await router.set(rollout, spec_of(), RouteTarget(20))
    assert await router.set(rollout, spec_of(), RouteTarget(0))
    assert router.state(rollout).weight == 0


async def test_a_deleted_virtual_service_comes_back(world: World, router: IstioRouter) -> None:
    rollout = await world.rollout()
    await router.set(rollout, spec_of(), RouteTarget(20))
    await world.delete(VIRTUAL_SERVICES, "web")
    assert await router.set(rollout, spec_of(), RouteTarget(0))
    assert (await world.get(VIRTUAL_SERVICES, "web"))["spec"]["http"][0]["route"][1]["weight"] == 0


async def test_a_foreign_virtual_service_is_never_touched(
    world: World, router: IstioRouter
) -> None:
    rollout = await world.rollout()
    await create(world, foreign("web", world.namespace, hosts=["other.example.com"]))
    before = await world.get(VIRTUAL_SERVICES, "web")
    for _ in range(2):
        with pytest.raises(NameConflictError, match="VirtualService web already exists"):
            await router.set(rollout, spec_of(), RouteTarget(20))
    assert await world.get(VIRTUAL_SERVICES, "web") == before
    assert router.state(rollout) == RouteState()


async def test_a_route_is_not_tried_out_on_a_foreign_virtual_service(
    world: World, router: IstioRouter
) -> None:
    rollout = await world.rollout()
    await create(world, foreign("web", world.namespace, hosts=["other.example.com"]))
    with pytest.raises(NameConflictError, match="VirtualService web already exists"):
        await router.claim(rollout, spec_of(traffic={"istio": {"timeout": "5s"}}))


async def test_istio_is_not_installed(world: World, router: IstioRouter) -> None:
    if not isinstance(world.cluster, EmbeddedCluster):
        pytest.skip("the definition is shared by all tests of the real cluster")
    rollout = await world.rollout()
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
    name = "virtualservices.networking.istio.io"
    await world.cluster.client.request("DELETE", definitions + name)
    await router.claim(rollout, spec_of())
    with pytest.raises(RouterUnavailableError, match=r"not installed.* spec\.traffic\.replicas"):
        await router.set(rollout, spec_of(), RouteTarget(0))


async def test_a_webhook_that_changes_weights_is_noticed(
    world: World, router: IstioRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = await world.rollout()
    apply = world.client.apply

    async def bent(resource: Any, body: dict[str, Any], **options: Any) -> dict[str, Any]:
        for entry, weight in zip(body["spec"]["http"][0]["route"], (10, 90), strict=True):
            entry["weight"] = weight
        return await apply(resource, body, **options)

    monkeypatch.setattr(world.client, "apply", bent)
    for _ in range(3):
        with pytest.raises(DriftConflictError, match="webhook"):
            await router.set(rollout, spec_of(), RouteTarget(20))
    assert world.writes() <= 3


@pytest.mark.parametrize(
    ("given", "theirs", "refused"),
    [
        pytest.param({}, {"hosts": ["web"]}, "web.{ns}.svc.cluster.local", id="short name"),
        pytest.param({}, {"hosts": ["web.{ns}.svc.cluster.local"]}, "web.{ns}.svc", id="full name"),
        pytest.param(
            {}, {"hosts": ["web"], "gateways": ["mesh", "gw"]}, "mesh", id="mesh and more"
        ),
        pytest.param({}, {"hosts": ["web.{ns}"]}, "web.{ns}.svc", id="name and namespace"),
        pytest.param({}, {"hosts": ["web.{ns}.svc"]}, "web.{ns}.svc", id="with svc"),
        pytest.param(
            {"hosts": ["other.{ns}"]}, {"hosts": ["other"]}, "other.{ns} on", id="our spelling"
        ),
        pytest.param({}, {"hosts": ["web.elsewhere"]}, None, id="of another namespace"),
        pytest.param({}, {"hosts": ["web"], "gateways": ["gw"]}, None, id="on a gateway only"),
        pytest.param({}, {"hosts": ["other"]}, None, id="another host"),
        pytest.param(
            {"hosts": ["shop.example.com"], "gateways": ["gw"]},
            {"hosts": ["shop.example.com"], "gateways": ["{ns}/gw"]},
            "shop.example.com",
            id="the same gateway, written in full",
        ),
        pytest.param(
            {"hosts": ["shop.example.com"], "gateways": ["gw"]},
            {"hosts": ["shop.example.com"], "gateways": ["istio-system/gw"]},
            None,
            id="a gateway of another namespace",
        ),
    ],
)
async def test_hosts_that_somebody_else_routes(
    world: World, router: IstioRouter, given: dict, theirs: dict, refused: str | None
) -> None:
    rollout, namespace = await world.rollout(), world.namespace
    given, theirs = (
        {field: [value.replace("{ns}", namespace) for value in values] for field, values in one}
        for one in (given.items(), theirs.items())
    )
    await create(world, foreign("theirs", namespace, **theirs))
    spec = spec_of(traffic={"istio": given})
    if refused is None:
        await router.claim(rollout, spec)
        return
    with pytest.raises(HostConflictError, match=refused.replace("{ns}", namespace)) as caught:
        await router.claim(rollout, spec)
    assert f"VirtualService {namespace}/theirs" in caught.value.message


async def test_the_route_of_a_deleted_rollout_of_the_same_name_is_in_the_way_by_its_name(
    world: World, router: IstioRouter
) -> None:
    rollout, namespace = await world.rollout(), world.namespace
    left = foreign("web", namespace, hosts=["web"])
    left["metadata"]["finalizers"] = ["example.com/stay"]  # or the garbage collector is quicker
    left["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "canary-operator.dev/v1alpha1",
            "kind": "CanaryRollout",
            "name": "web",
            "uid": "of-the-deleted-one",
            "controller": True,
        }
    ]
    await create(world, left)
    await router.claim(rollout, spec_of())
    with pytest.raises(NameConflictError, match="a deleted CanaryRollout of the same name"):
        await router.set(rollout, spec_of(), RouteTarget(0))


async def test_hosts_that_are_ours_already_cost_no_request(
    world: World, router: IstioRouter
) -> None:
    rollout = await world.rollout()
    await router.set(rollout, spec_of(), RouteTarget(0))
    world.calls.clear()
    await router.claim(rollout, spec_of(service={"port": 81}))
    assert not world.calls


async def test_an_operator_that_may_not_look_still_accepts(
    world: World, router: IstioRouter
) -> None:
    if not isinstance(world.cluster, EmbeddedCluster):
        pytest.skip("needs injected faults")
    message = (
        'virtualservices.networking.istio.io is forbidden: User "operator" cannot list resource '
        '"virtualservices" in API group "networking.istio.io" in the namespace "demo"'
    )
    fault = Fault(verb="list", resource="virtualservices", status=403, message=message)
    world.cluster.api.faults.add(fault)
    await router.claim(await world.rollout(), spec_of())


async def test_nothing_is_written_for_a_rollout_that_is_being_deleted(
    world: World, router: IstioRouter
) -> None:
    rollout = replace(await world.rollout(), deleting=True)
    assert not await router.set(rollout, spec_of(), RouteTarget(0))
    assert not world.calls
