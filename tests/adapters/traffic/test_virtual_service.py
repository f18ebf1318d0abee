"""The VirtualService of a rollout, as a manifest, and the weight that one gives."""

from typing import Any

import pytest

from canary_operator.adapters.traffic.istio_routes import canary_weight, virtual_service
from canary_operator.adapters.traffic.registry import RouterByKind
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import RouteState
from canary_operator.domain.target import RouteTarget
from canary_operator.ports import Key, Rollout
from tests.adapters.cluster.world import spec_of

KEY = Key("demo", "web")
ROLLOUT = Rollout(key=KEY, uid="u", resource_version="1", generation=1, spec={})
HTTP = {"name": "http", "port": 80, "targetPort": 8080}
GRPC = {"name": "grpc-api", "port": 81, "targetPort": 8081}
TCP = {"name": "tcp-db", "port": 5432, "targetPort": 5432}
TLS = {"name": "web", "port": 443, "targetPort": 8443, "appProtocol": "tls"}


def manifest(target: RouteTarget, **changes: Any) -> dict[str, Any]:
    return virtual_service(ROLLOUT, spec_of(**changes), target, "cluster.local")


def destinations(port: int, *weights: int) -> list[dict[str, Any]]:
    return [
        {
            "destination": {
                "host": f"web-{track}.demo.svc.cluster.local",
                "port": {"number": port},
            },
            "weight": weight,
        }
        for track, weight in zip(("stable", "canary"), weights, strict=True)
    ]


def test_one_port_has_one_route() -> None:
    assert manifest(RouteTarget(20))["spec"] == {
        "hosts": ["web.demo.svc.cluster.local"],
        "gateways": ["mesh"],
        "http": [{"route": destinations(80, 80, 20)}],
    }


@pytest.mark.parametrize("weight", [0, 1, 50, 100])
def test_weights_sum_to_100_and_both_destinations_are_listed(weight: int) -> None:
    [route] = manifest(RouteTarget(weight))["spec"]["http"]
    assert route["route"] == destinations(80, 100 - weight, weight)


def test_hosts_and_gateways_of_the_spec_are_added() -> None:
    istio = {
        "hosts": ["shop.example.com", "web", "web.demo", "web.demo.svc", "api"],
        "gateways": ["infra/public", "mesh"],
    }
    spec = manifest(RouteTarget(0), traffic={"istio": istio})["spec"]
    assert spec["hosts"] == [
        "web.demo.svc.cluster.local",
        "shop.example.com",
        "api.demo.svc.cluster.local",
    ]
    assert spec["gateways"] == ["mesh", "infra/public"]


def test_several_ports_are_told_apart() -> None:
    spec = manifest(RouteTarget(5), service={"ports": [HTTP, GRPC, TCP]})["spec"]
    assert spec["http"] == [
        {"match": [{"port": 80}], "route": destinations(80, 95, 5)},
        {"match": [{"port": 81}], "route": destinations(81, 95, 5)},
    ]
    assert spec["tcp"] == [{"route": destinations(5432, 95, 5)}]


def test_a_gateway_serves_the_first_port() -> None:
    traffic = {"istio": {"gateways": ["public"]}}
    spec = manifest(RouteTarget(5), service={"ports": [HTTP, GRPC]}, traffic=traffic)["spec"]
    assert [route["match"] for route in spec["http"]] == [
        [{"port": 80, "gateways": ["mesh"]}, {"gateways": ["public"]}],
        [{"port": 81, "gateways": ["mesh"]}],
    ]


@pytest.mark.parametrize(
    ("port", "kind"),
    [
        pytest.param(HTTP, "http", id="http"),
        pytest.param(GRPC, "http", id="grpc"),
        pytest.param({**TCP, "appProtocol": "http2"}, "http", id="appProtocol before the name"),
        pytest.param({**HTTP, "appProtocol": "kubernetes.io/h2c"}, "http", id="h2c"),
        pytest.param(TCP, "tcp", id="tcp"),
        pytest.param(TLS, "tcp", id="tls"),
        pytest.param({**TCP, "name": "https"}, "tcp", id="https"),
        pytest.param({**TCP, "name": "redis"}, "tcp", id="redis"),
    ],
)
def test_the_protocol_of_a_port_decides_about_its_route(port: dict[str, Any], kind: str) -> None:
    spec = manifest(RouteTarget(5), service={"ports": [port]})["spec"]
    assert list(spec)[2:] == [kind]


@pytest.mark.parametrize(
    ("target", "marks"),
    [
        pytest.param(RouteTarget(5), ["", ""], id="none"),
        pytest.param(
            RouteTarget(0, "r2", Reason.NO_DATA), ["r2", "NoData"], id="rejected, and why"
        ),
    ],
)
def test_the_mark_of_a_rollback(target: RouteTarget, marks: list[str]) -> None:
    assert list(manifest(target)["metadata"]["annotations"].values()) == marks


def route(*weights: tuple[str, Any]) -> dict[str, Any]:
    entries = [{"destination": {"host": host}, "weight": weight} for host, weight in weights]
    return {"route": entries}


STABLE, CANARY = "web-stable.demo.svc.cluster.local", "web-canary.demo.svc.cluster.local"


@pytest.mark.parametrize(
    ("spec", "weight"),
    [
        pytest.param({"http": [route((STABLE, 80), (CANARY, 20))]}, 20, id="ours"),
        pytest.param({"http": [route((CANARY, 20), (STABLE, 80))]}, 20, id="the other order"),
        pytest.param(
            {"http": [route(("web-stable", 80), ("web-canary", 20))]}, 20, id="short names"
        ),
        pytest.param(
            {
                "http": [route((STABLE, 100), (CANARY, 0))],
                "tcp": [route((STABLE, 60), (CANARY, 40))],
            },
            40,
            id="the highest of several",
        ),
        pytest.param({"http": [route((STABLE, 80), (CANARY, 10))]}, None, id="not all of it"),
        pytest.param({"http": [route((STABLE, 100))]}, None, id="a destination is missing"),
        pytest.param(
            {"http": [route((STABLE, 80), (CANARY, 20)), route((STABLE, 100))]},
            None,
            id="one port of two gives the canary nothing",
        ),
        pytest.param({"http": [route((STABLE, 50), ("x", 50))]}, None, id="a foreign destination"),
        pytest.param(
            {"http": [route((STABLE, 50), (CANARY, 50), ("x", 0))]}, None, id="one too many"
        ),
        pytest.param(
            {"http": [route((STABLE, 80), (CANARY, 20)), {"redirect": {}}]}, None, id="a redirect"
        ),
        pytest.param({"http": []}, None, id="no route"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_the_weight_that_a_virtual_service_gives(spec: dict[str, Any], weight: int | None) -> None:
    assert canary_weight(spec, KEY, "cluster.local") == weight


class Named:
    """A router that says its name."""

    def __init__(self, weight: int | None) -> None:
        self.weight = weight

    def state(self, *_: Any) -> RouteState:
        return RouteState(exists=self.weight is not None, weight=self.weight)

    async def claim(self, *_: Any) -> None:
        raise AssertionError(self.weight)

    async def set(self, *given: Any) -> bool:
        target: RouteTarget = given[-1]
        return target.weight == self.weight


@pytest.mark.parametrize(
    ("first", "second", "weight"), [(1, 2, 1), (None, 2, 2), (None, None, None)]
)
def test_the_router_that_has_an_object_tells(
    first: int | None, second: int | None, weight: int | None
) -> None:
    router = RouterByKind({"istio": Named(first), "other": Named(second)})
    assert router.state(ROLLOUT).weight == weight


async def test_a_checked_spec_chooses_its_router() -> None:
    router = RouterByKind({"other": Named(2), "istio": Named(1)})
    assert await router.set(ROLLOUT, spec_of(), RouteTarget(1))
    with pytest.raises(AssertionError, match="1"):
        await router.claim(ROLLOUT, spec_of())
