from typing import Any

import pytest

from canary_operator.playground.mesh.catalog import Catalog, Service, ServicePort
from canary_operator.playground.mesh.matching import Caller, envoy_match
from canary_operator.playground.mesh.routes import (
    DEFAULT_RETRY_ON,
    duration,
    retries,
    virtual_service_routes,
)
from canary_operator.playground.mesh.series import ServiceIdentity

STABLE = "outbound|80||web-stable.demo.svc.cluster.local"
CANARY = "outbound|80||web-canary.demo.svc.cluster.local"
MESH = Caller(port=80, namespace="shop", labels={"app": "visitor"})


def service(name: str, *ports: int) -> Service:
    host = f"{name}.demo.svc.cluster.local"
    return Service(ServiceIdentity(host, name, "demo"), tuple(map(ServicePort, ports)))


CATALOG = Catalog(
    {
        f"{name}.demo.svc.cluster.local": service(name, *ports)
        for name, ports in {"web-stable": (80,), "web-canary": (80,), "two": (80, 90)}.items()
    }
)


def routes(*http: dict[str, Any], caller: Caller = MESH) -> list[dict[str, Any]]:
    manifest = {"metadata": {"name": "web", "namespace": "demo"}, "spec": {"http": list(http)}}
    return [*virtual_service_routes(manifest, caller, CATALOG)]


def split(stable: int, canary: int, **route: Any) -> dict[str, Any]:
    return {
        "route": [
            {"destination": {"host": "web-stable"}, "weight": stable},
            {"destination": {"host": "web-canary"}, "weight": canary},
        ],
        **route,
    }


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        pytest.param({}, {"prefix": "/"}, id="nothing matches all"),
        pytest.param({"uri": {"exact": "/a"}}, {"path": "/a"}, id="exact path"),
        pytest.param({"uri": {"prefix": "/a"}}, {"prefix": "/a"}, id="path prefix"),
        pytest.param(
            {"uri": {"regex": "/a.*"}}, {"safe_regex": {"regex": "/a.*"}}, id="path pattern"
        ),
        pytest.param(
            {"uri": {"prefix": "/a"}, "ignoreUriCase": True},
            {"prefix": "/a", "case_sensitive": False},
            id="path in any case",
        ),
        pytest.param(
            {"method": {"exact": "POST"}},
            {
                "prefix": "/",
                "headers": [{"name": ":method", "string_match": {"exact": "POST"}}],
            },
            id="method",
        ),
        pytest.param(
            {"headers": {"Cookie": {"regex": "^(.*?;)?(canary=1)(;.*)?$"}}},
            {
                "prefix": "/",
                "headers": [
                    {
                        "name": "cookie",
                        "string_match": {"safe_regex": {"regex": "^(.*?;)?(canary=1)(;.*)?$"}},
                    }
                ],
            },
            id="cookie pattern",
        ),
        pytest.param(
            {"headers": {"x-user": {}}},
            {"prefix": "/", "headers": [{"name": "x-user", "present_match": True}]},
            id="a header that is present",
        ),
        pytest.param(
            {"withoutHeaders": {"x-user": {"exact": "a"}}},
            {
                "prefix": "/",
                "headers": [
                    {"name": "x-user", "string_match": {"exact": "a"}, "invert_match": True}
                ],
            },
            id="a header that is not so",
        ),
        pytest.param(
            {"queryParams": {"v": {"exact": "2"}}},
            {
                "prefix": "/",
                "query_parameters": [{"name": "v", "string_match": {"exact": "2"}}],
            },
            id="query parameter",
        ),
    ],
)
def test_a_condition(condition: dict[str, Any], expected: dict[str, Any]) -> None:
    assert envoy_match(condition) == expected


@pytest.mark.parametrize(
    ("condition", "caller", "expected"),
    [
        pytest.param({"port": 80}, MESH, 1, id="the port that was called"),
        pytest.param({"port": 90}, MESH, 0, id="another port"),
        pytest.param({"sourceNamespace": "shop"}, MESH, 1, id="callers of the namespace"),
        pytest.param({"sourceNamespace": "else"}, MESH, 0, id="callers of another namespace"),
        pytest.param({"sourceLabels": {"app": "visitor"}}, MESH, 1, id="callers with the label"),
        pytest.param({"sourceLabels": {"app": "x"}}, MESH, 0, id="callers without it"),
        pytest.param({"gateways": ["mesh"]}, MESH, 1, id="the mesh"),
        pytest.param({"gateways": ["demo/edge"]}, MESH, 0, id="a gateway, seen in the mesh"),
        pytest.param({"gateways": ["demo/edge"]}, Caller(gateway="*"), 1, id="at a gateway"),
        pytest.param({"gateways": ["mesh"]}, Caller(gateway="*"), 0, id="the mesh, at a gateway"),
        pytest.param(
            {"sourceLabels": {"app": "x"}}, Caller(gateway="*"), 0, id="no labels at a gateway"
        ),
    ],
)
def test_conditions_that_are_decided_beforehand(
    condition: dict[str, Any], caller: Caller, expected: int
) -> None:
    assert len(routes(split(1, 1, match=[condition]), caller=caller)) == expected


@pytest.mark.parametrize(
    ("stable", "canary", "expected"),
    [
        pytest.param(100, 0, {"cluster": STABLE}, id="all to stable"),
        pytest.param(0, 100, {"cluster": CANARY}, id="all to the canary"),
        pytest.param(
            95,
            5,
            {
                "weighted_clusters": {
                    "clusters": [
                        {"name": STABLE, "weight": 95},
                        {"name": CANARY, "weight": 5},
                    ]
                }
            },
            id="split",
        ),
    ],
)
def test_weights(stable: int, canary: int, expected: dict[str, Any]) -> None:
    [route] = routes(split(stable, canary))
    action = {key: route["route"][key] for key in expected}
    assert action == expected


@pytest.mark.parametrize(
    ("destination", "caller", "expected"),
    [
        pytest.param(
            {"host": "two", "port": {"number": 90}}, MESH, "outbound|90||two.demo", id="its port"
        ),
        pytest.param({"host": "two"}, MESH, "outbound|80||two.demo", id="the port called"),
        pytest.param(
            {"host": "two"}, Caller(port=90), "outbound|90||two.demo", id="the other port called"
        ),
        pytest.param(
            {"host": "web-stable"}, Caller(port=90), "outbound|80||web-stable.demo", id="the only"
        ),
        pytest.param(
            {"host": "two"}, Caller(gateway="*"), "outbound|80||two.demo", id="at a gateway"
        ),
        pytest.param({"host": "gone"}, MESH, "outbound|80||gone.demo", id="no such Service"),
    ],
)
def test_the_port_of_a_destination(
    destination: dict[str, Any], caller: Caller, expected: str
) -> None:
    [route] = routes({"route": [{"destination": destination}]}, caller=caller)
    assert route["route"]["cluster"] == f"{expected}.svc.cluster.local"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param(None, (DEFAULT_RETRY_ON, 2, None, None), id="Istio's default"),
        pytest.param(
            {"attempts": 3, "perTryTimeout": "2s"},
            (DEFAULT_RETRY_ON, 3, None, "2s"),
            id="attempts and timeout",
        ),
        pytest.param(
            {"attempts": 1, "retryOn": "5xx, reset,429"},
            ("5xx,reset,retriable-status-codes", 1, [429], None),
            id="conditions with a status code",
        ),
    ],
)
def test_retries(policy: dict[str, Any] | None, expected: tuple[Any, ...]) -> None:
    envoy = retries(policy)
    assert envoy is not None
    keys = ("retry_on", "num_retries", "retriable_status_codes", "per_try_timeout")
    assert tuple(envoy.get(key) for key in keys) == expected


def test_no_attempts_means_no_retries() -> None:
    [route] = routes(split(1, 1, retries={"attempts": 0}))
    assert "retry_policy" not in route["route"]


@pytest.mark.parametrize(
    ("go", "protobuf"), [("2s", "2s"), ("1m30s", "90s"), ("250ms", "0.25s"), ("1h", "3600s")]
)
def test_durations(go: str, protobuf: str) -> None:
    assert duration(go) == protobuf


@pytest.mark.parametrize(
    ("route", "part", "expected"),
    [
        pytest.param(split(1, 1), ("route", "timeout"), "0s", id="no timeout by default"),
        pytest.param(split(1, 1, timeout="3s"), ("route", "timeout"), "3s", id="timeout"),
        pytest.param(
            split(1, 1, rewrite={"uri": "/x", "authority": "a.example"}),
            ("route", "prefix_rewrite"),
            "/x",
            id="rewritten path",
        ),
        pytest.param(
            {"redirect": {"uri": "/x", "redirectCode": 302}},
            ("redirect",),
            {"path_redirect": "/x", "response_code": "FOUND"},
            id="redirect",
        ),
        pytest.param(
            {"directResponse": {"status": 418, "body": {"string": "tea"}}},
            ("direct_response",),
            {"status": 418, "body": {"inline_string": "tea"}},
            id="direct response",
        ),
        pytest.param(
            split(1, 1, headers={"request": {"set": {"x": "1"}, "remove": ["y"]}}),
            ("request_headers_to_remove",),
            ["y"],
            id="headers",
        ),
        pytest.param(
            split(1, 1, fault={"abort": {"httpStatus": 500, "percentage": {"value": 0.5}}}),
            ("typed_per_filter_config", "envoy.filters.http.fault", "abort", "percentage"),
            {"numerator": 5000, "denominator": "MILLION"},
            id="injected errors",
        ),
        pytest.param(
            split(1, 1, mirror={"host": "web-canary"}),
            ("route", "request_mirror_policies", 0, "cluster"),
            "mirrored",
            id="mirror",
        ),
    ],
)
def test_parts_of_a_route(
    route: dict[str, Any], part: tuple[str | int, ...], expected: object
) -> None:
    [found] = routes(route)
    value: Any = found
    for key in part:
        value = value[key]
    assert value == expected


def test_alternatives_become_routes_of_their_own_in_order() -> None:
    found = routes(
        split(0, 100, match=[{"uri": {"exact": "/a"}}, {"uri": {"exact": "/b"}}]), split(100, 0)
    )
    assert [route["match"] for route in found] == [{"path": "/a"}, {"path": "/b"}, {"prefix": "/"}]
