"""What a spec may ask of its route beside weights, on a Kubernetes API."""

from typing import Any

import pytest

from canary_operator.adapters.cluster.resources import VIRTUAL_SERVICES
from canary_operator.adapters.traffic.istio import IstioRouter
from canary_operator.adapters.traffic.istio_routes import virtual_service
from canary_operator.domain.errors import RefusedRouteError
from canary_operator.domain.target import RouteTarget
from canary_operator.playground.api import Fault
from canary_operator.ports import Key, Rollout
from tests.adapters.cluster.world import World, spec_of
from tests.crd.specs import ROUTE
from tests.support.clusters import EmbeddedCluster

ROLLOUT = Rollout(key=Key("demo", "web"), uid="u", resource_version="1", generation=1, spec={})
HTTP = {"name": "http", "port": 80}
GRPC = {"name": "grpc-api", "port": 81}
TCP = {"name": "tcp-db", "port": 5432}
DRY_RUN = ("patch", "virtualservices.networking.istio.io")


@pytest.fixture
def router(world: World) -> IstioRouter:
    return IstioRouter(world.client, world.caches, namespaces=(world.namespace,))


def managed(**istio: Any) -> dict[str, Any]:
    return {"traffic": {"istio": istio}}


def manifest(istio: dict[str, Any], *ports: dict[str, Any]) -> dict[str, Any]:
    spec = spec_of(traffic={"istio": istio}, service={"ports": [*ports] or [HTTP]})
    return virtual_service(ROLLOUT, spec, RouteTarget(20), "cluster.local")


def test_every_http_route_has_the_settings_as_they_were_written() -> None:
    settings = {
        "timeout": "5s",
        "retries": {"attempts": 3, "perTryTimeout": "500ms", "retryOn": "5xx,429"},
        "headers": {"request": {"set": {"x-a": "1"}}, "response": {"remove": ["server"]}},
        "rewrite": {"uri": "/"},
        "corsPolicy": {"allowOrigins": [{"exact": "https://a.example"}], "maxAge": "24h"},
    }
    spec = manifest(settings, HTTP, GRPC, TCP)["spec"]
    for route in spec["http"]:
        assert {field: route[field] for field in settings} == settings
    assert list(spec["tcp"][0]) == ["route"]


def test_a_route_without_settings_has_none() -> None:
    assert list(manifest({})["spec"]["http"][0]) == ["route"]


CART, DEBUG = {"uri": {"prefix": "/cart"}}, {"headers": {"x-debug": {}}}


@pytest.mark.parametrize(
    ("istio", "ports", "matches"),
    [
        pytest.param({"match": [CART]}, [HTTP], [[CART]], id="one"),
        pytest.param({"match": [CART, DEBUG]}, [HTTP], [[CART, DEBUG]], id="either of two"),
        pytest.param(
            {"match": [CART]},
            [HTTP, GRPC],
            [[{"port": 80, **CART}], [{"port": 81, **CART}]],
            id="at each port",
        ),
        pytest.param(
            {"match": [CART, DEBUG], "gateways": ["gw"]},
            [HTTP, GRPC],
            [
                [
                    {"port": 80, "gateways": ["mesh"], **CART},
                    {"port": 80, "gateways": ["mesh"], **DEBUG},
                    {"gateways": ["gw"], **CART},
                    {"gateways": ["gw"], **DEBUG},
                ],
                [
                    {"port": 81, "gateways": ["mesh"], **CART},
                    {"port": 81, "gateways": ["mesh"], **DEBUG},
                ],
            ],
            id="at each port and gateway",
        ),
    ],
)
def test_conditions_hold_beside_ports_and_gateways(
    istio: dict[str, Any], ports: list[dict[str, Any]], matches: list[list[dict[str, Any]]]
) -> None:
    routes = manifest(istio, *ports)["spec"]["http"]
    assert [route["match"] for route in routes] == matches


def test_labels_and_annotations_are_added_and_ours_win() -> None:
    given = {"app.kubernetes.io/managed-by": "me", "team": "shop"}
    meta = manifest({"labels": given, "annotations": {"note": "x"}})["metadata"]
    assert meta["labels"] == {
        "team": "shop",
        "app.kubernetes.io/managed-by": "canary-operator",
        "canary-operator.dev/rollout": "web",
    }
    assert meta["annotations"] == {
        "note": "x",
        "canary-operator.dev/rejected": "",
        "canary-operator.dev/rejected-because": "",
        "canary-operator.dev/given": "app.kubernetes.io/managed-by note team",
    }


async def test_everything_of_a_route_is_taken_and_settles(
    world: World, router: IstioRouter
) -> None:
    rollout = await world.rollout()
    spec = spec_of(**managed(**ROUTE))
    await router.claim(rollout, spec)
    assert await router.set(rollout, spec, RouteTarget(20))
    assert router.state(rollout).weight == 20
    stored = await world.look(VIRTUAL_SERVICES, "web")
    wanted = virtual_service(rollout, spec, RouteTarget(20), "cluster.local")
    assert stored["spec"] == wanted["spec"]
    assert not await router.set(rollout, spec, RouteTarget(20))


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param({"metadata": {"labels": {"team": "other"}}}, id="a label changed"),
        pytest.param({"metadata": {"labels": {"team": None}}}, id="a label removed"),
        pytest.param({"metadata": {"annotations": {"note": "other"}}}, id="an annotation changed"),
        pytest.param({"metadata": {"annotations": {"note": None}}}, id="an annotation removed"),
    ],
)
async def test_what_somebody_does_to_given_metadata_is_set_back(
    world: World, router: IstioRouter, edit: dict[str, Any]
) -> None:
    rollout = await world.rollout()
    spec = spec_of(**managed(labels={"team": "shop"}, annotations={"note": "x"}))
    await router.set(rollout, spec, RouteTarget(0))
    await world.edit(VIRTUAL_SERVICES, "web", edit)
    assert await router.set(rollout, spec, RouteTarget(0))
    meta = (await world.get(VIRTUAL_SERVICES, "web"))["metadata"]
    assert (meta["labels"]["team"], meta["annotations"]["note"]) == ("shop", "x")
    assert not await router.set(rollout, spec, RouteTarget(0))


async def test_metadata_that_the_spec_has_no_more_goes_and_that_of_others_stays(
    world: World, router: IstioRouter
) -> None:
    rollout = await world.rollout()
    spec = spec_of(**managed(labels={"team": "shop"}, annotations={"note": "x"}))
    await router.set(rollout, spec, RouteTarget(0))
    theirs = {"labels": {"theirs": "1"}, "annotations": {"theirs": "2"}}
    await world.edit(VIRTUAL_SERVICES, "web", {"metadata": theirs})
    assert await router.set(rollout, spec_of(), RouteTarget(0))
    meta = (await world.look(VIRTUAL_SERVICES, "web"))["metadata"]
    assert "team" not in meta["labels"]
    assert "note" not in meta["annotations"]
    assert (meta["labels"]["theirs"], meta["annotations"]["theirs"]) == ("1", "2")
    assert not await router.set(rollout, spec_of(), RouteTarget(0))


async def test_a_route_that_the_api_server_refuses_is_not_accepted(
    world: World, router: IstioRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = await world.rollout()
    apply = world.client.apply

    async def refused(resource: Any, body: dict[str, Any], **options: Any) -> dict[str, Any]:
        body["spec"]["http"] = "nonsense"
        return await apply(resource, body, **options)

    monkeypatch.setattr(world.client, "apply", refused)
    with pytest.raises(RefusedRouteError, match=r"spec.traffic.istio: the API server refuses"):
        await router.claim(rollout, spec_of(**managed(timeout="5s")))
    assert RefusedRouteError.heals


async def test_only_a_route_with_settings_is_tried_out(world: World, router: IstioRouter) -> None:
    rollout = await world.rollout()
    await router.claim(rollout, spec_of(**managed(gateways=["gw"])))
    assert DRY_RUN not in world.calls
    await router.claim(rollout, spec_of(**managed(timeout="5s")))
    assert world.calls[DRY_RUN] == 1


async def test_what_cannot_be_tried_out_is_accepted(world: World, router: IstioRouter) -> None:
    if not isinstance(world.cluster, EmbeddedCluster):
        pytest.skip("needs injected faults")
    message = (
        'virtualservices.networking.istio.io "web" is forbidden: User "operator" cannot patch '
        'resource "virtualservices" in API group "networking.istio.io" in the namespace "demo"'
    )
    fault = Fault(verb="patch", resource="virtualservices", status=403, message=message)
    world.cluster.api.faults.add(fault)
    await router.claim(await world.rollout(), spec_of(**managed(timeout="5s")))
