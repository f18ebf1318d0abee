from typing import Any

import pytest

from canary_operator.playground.mesh.catalog import ClusterObjects, PortProtocol, catalog_of
from canary_operator.playground.mesh.catalog import workload_of as workload_of_pod


def pod(name: str = "web-stable-6f8c-x1", **changes: Any) -> dict[str, Any]:
    meta = {
        "name": name,
        "namespace": "demo",
        "labels": {"app": "web", "version": "v1", "pod-template-hash": "6f8c"},
        "ownerReferences": [
            {"kind": "ReplicaSet", "name": "web-stable-6f8c", "controller": True},
        ],
    }
    return {"metadata": {**meta, **changes}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, "web-stable", id="a ReplicaSet of a Deployment means the Deployment"),
        pytest.param(
            {"labels": {}}, "web-stable-6f8c", id="a ReplicaSet of its own means the ReplicaSet"
        ),
        pytest.param(
            {"ownerReferences": [{"kind": "StatefulSet", "name": "db", "controller": True}]},
            "db",
            id="another controller is the workload",
        ),
        pytest.param(
            {"ownerReferences": [{"kind": "ReplicaSet", "name": "other-6f8c"}]},
            "web-stable-6f8c-x1",
            id="an owner that does not control is no workload",
        ),
        pytest.param({"ownerReferences": []}, "web-stable-6f8c-x1", id="a bare pod is its own"),
    ],
)
def test_the_workload_of_a_pod(changes: dict[str, Any], expected: str) -> None:
    assert workload_of_pod(pod(**changes), "127.0.0.2").name == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param({}, ("web-stable-6f8c", "latest", "unknown"), id="nothing"),
        pytest.param({"app": "web", "version": "v1"}, ("web", "v1", "v1"), id="app and version"),
        pytest.param(
            {"app.kubernetes.io/name": "shop", "app.kubernetes.io/version": "7", "app": "web"},
            ("shop", "7", "unknown"),
            id="recommended labels come before app and version",
        ),
        pytest.param(
            {"service.istio.io/canonical-name": "x", "app.kubernetes.io/name": "shop"},
            ("x", "latest", "unknown"),
            id="Istio's own labels come first",
        ),
    ],
)
def test_canonical_names(labels: dict[str, str], expected: tuple[str, str, str]) -> None:
    workload = workload_of_pod(pod(labels=labels), "127.0.0.2")
    assert (workload.canonical_service, workload.canonical_revision, workload.version) == expected


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        pytest.param({"name": "http"}, PortProtocol.HTTP, id="http"),
        pytest.param({"name": "http-web"}, PortProtocol.HTTP, id="http with a suffix"),
        pytest.param({"name": "grpc-api"}, PortProtocol.HTTP2, id="grpc"),
        pytest.param({"name": "tcp-db"}, PortProtocol.OTHER, id="tcp"),
        pytest.param({"name": "web"}, PortProtocol.AUTO, id="an unknown name"),
        pytest.param({}, PortProtocol.AUTO, id="no name"),
        pytest.param({"name": "tcp-x", "appProtocol": "http2"}, PortProtocol.HTTP2, id="both"),
    ],
)
def test_the_protocol_of_a_port(port: dict[str, str], expected: PortProtocol) -> None:
    objects = ClusterObjects()
    meta = {"name": "web", "namespace": "demo"}
    objects.services["demo", "web"] = {"metadata": meta, "spec": {"ports": [{"port": 80, **port}]}}
    catalog = catalog_of(objects)
    assert catalog.services["web.demo.svc.cluster.local"].ports[0].protocol == expected


def endpoint_slice(name: str, *conditions: dict[str, bool]) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "demo",
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [
            {
                "addresses": [f"127.0.0.{number}"],
                "conditions": condition,
                "targetRef": {"kind": "Pod", "name": "web-stable-6f8c-x1"},
            }
            for number, condition in enumerate(conditions, start=2)
        ],
    }


def test_endpoints_are_the_ready_pods_of_all_slices() -> None:
    objects = ClusterObjects()
    meta = {"name": "web", "namespace": "demo"}
    ports = [{"name": "http", "port": 80}, {"name": "grpc", "port": 90}]
    objects.services["demo", "web"] = {"metadata": meta, "spec": {"ports": ports}}
    objects.pods["demo", "web-stable-6f8c-x1"] = pod()
    objects.endpoint_slices["demo", "web-a"] = endpoint_slice(
        "web-a", {"ready": True}, {"ready": False, "serving": True, "terminating": True}, {}
    )
    objects.endpoint_slices["demo", "web-b"] = endpoint_slice("web-b", {"ready": True})

    http, grpc = catalog_of(objects).services["web.demo.svc.cluster.local"].ports

    assert [(endpoint.address, endpoint.port) for endpoint in http.endpoints] == [
        ("127.0.0.2", 8080),
        ("127.0.0.4", 8080),
    ]
    assert {endpoint.workload.name for endpoint in http.endpoints} == {"web-stable"}
    assert grpc.endpoints == ()


def test_an_endpoint_whose_pod_is_not_known_yet_still_gets_requests() -> None:
    objects = ClusterObjects()
    meta = {"name": "web", "namespace": "demo"}
    objects.services["demo", "web"] = {
        "metadata": meta,
        "spec": {"ports": [{"name": "http", "port": 80}]},
    }
    objects.endpoint_slices["demo", "web-a"] = endpoint_slice("web-a", {"ready": True})

    [port] = catalog_of(objects).services["web.demo.svc.cluster.local"].ports

    assert [endpoint.workload.name for endpoint in port.endpoints] == ["unknown"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("web", "web.demo.svc.cluster.local"),
        ("web.demo", "web.demo.svc.cluster.local"),
        ("web.demo.svc", "web.demo.svc.cluster.local"),
        ("web.demo.svc.cluster.local", "web.demo.svc.cluster.local"),
        ("example.com", "example.com"),
        ("other", "other.demo.svc.cluster.local"),
    ],
)
def test_hosts_written_in_a_namespace(written: str, expected: str) -> None:
    objects = ClusterObjects()
    objects.services["demo", "web"] = {
        "metadata": {"name": "web", "namespace": "demo"},
        "spec": {"ports": [{"port": 80}]},
    }
    assert catalog_of(objects).host(written, "demo") == expected
