"""The mesh on the playground's own cluster: embedded API, controllers, server processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from canary_operator.playground.api import EmbeddedAPI
from canary_operator.playground.client import APPLY, DEPLOYMENTS, SERVICES, Client, Resource
from canary_operator.playground.controllers import Controllers, ProcessRuntime
from canary_operator.playground.loadgen import LoadGenerator
from canary_operator.playground.mesh import Mesh
from canary_operator.playground.mesh.catalog import Catalog
from canary_operator.playground.mesh.control import VIRTUAL_SERVICES
from canary_operator.playground.mesh.series import Reporter

pytestmark = pytest.mark.usefixtures("needs_envoy")

CRDS = Resource("customresourcedefinitions", "apiextensions.k8s.io", namespaced=False)
VIRTUAL_SERVICE_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "virtualservices.networking.istio.io"},
    "spec": {
        "group": "networking.istio.io",
        "names": {
            "kind": "VirtualService",
            "listKind": "VirtualServiceList",
            "plural": "virtualservices",
            "singular": "virtualservice",
        },
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                            }
                        },
                    }
                },
            }
        ],
    },
}


def deployment(name: str, image: str, replicas: int) -> dict[str, Any]:
    pod_labels = {"app": "web", "track": name.rpartition("-")[2]}
    container = {
        "name": "app",
        "image": image,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": pod_labels},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": pod_labels},
                "spec": {"containers": [container]},
            },
        },
    }


def service(name: str, track: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "selector": {"app": "web", "track": track},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }


def virtual_service(canary: int) -> dict[str, Any]:
    weights = {"web-stable": 100 - canary, "web-canary": canary}
    route = [
        {"destination": {"host": name, "port": {"number": 80}}, "weight": weight}
        for name, weight in weights.items()
    ]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "web"},
        "spec": {"hosts": ["web"], "http": [{"route": route}]},
    }


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(EmbeddedAPI())
        client = await stack.enter_async_context(Client(api.url))
        await client.create(
            Resource("namespaces", namespaced=False),
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}},
        )
        await stack.enter_async_context(Controllers(client, runtime=ProcessRuntime()))
        yield client


async def apply(client: Client, resource: Resource, *manifests: dict[str, Any]) -> None:
    for manifest in manifests:
        await client.patch(
            resource,
            manifest["metadata"]["name"],
            manifest,
            None if resource is CRDS else "demo",
            ctype=APPLY,
            fieldManager="test",
            force="true",
        )


def ready(catalog: Catalog, name: str) -> list[str]:
    """Return the pods behind a Service, as the mesh knows them."""
    service = catalog.services.get(f"{name}.demo.svc.cluster.local")
    if service is None:
        return []
    return [endpoint.workload.pod for port in service.ports for endpoint in port.endpoints]


def weight_in_force(catalog: Catalog) -> int | None:
    for manifest in catalog.virtual_services:
        return int(manifest["spec"]["http"][0]["route"][1]["weight"])
    return None


async def test_a_release_under_load_loses_no_request(client: Client, tmp_path: Path) -> None:
    async with Mesh(client, tmp_path) as mesh:
        control = mesh.control
        await apply(client, CRDS, VIRTUAL_SERVICE_CRD)  # after the mesh: it must find it later
        await apply(client, SERVICES, service("web-stable", "stable"))
        await apply(client, SERVICES, service("web-canary", "canary"), service("web", "stable"))
        await apply(client, DEPLOYMENTS, deployment("web-stable", "helloworld:v1", 2))
        await apply(client, DEPLOYMENTS, deployment("web-canary", "helloworld:v2", 1))
        await control.wait_until(
            lambda now: len(ready(now, "web-stable")) == 2 and len(ready(now, "web-canary")) == 1
        )
        await apply(client, VIRTUAL_SERVICES, virtual_service(0))
        await control.wait_until(lambda now: weight_in_force(now) == 0)

        url = f"http://127.0.0.1:{mesh.port}/"
        async with LoadGenerator(
            url, host=mesh.host_of("web", "demo"), rate=150, timeout_seconds=60
        ) as load:
            await apply(client, VIRTUAL_SERVICES, virtual_service(50))
            await control.wait_until(lambda now: weight_in_force(now) == 50)
            await served(load, "v2", 50)

            await control.wait_until(lambda now: len(ready(now, "web")) == 2)
            before = ready(control.in_force, "web-stable")
            await apply(client, DEPLOYMENTS, deployment("web-stable", "helloworld:v2", 2))
            await control.wait_until(
                lambda now: (
                    len(ready(now, "web-stable")) == 2
                    and not set(before) & set(ready(now, "web-stable"))
                )
            )
            await apply(client, VIRTUAL_SERVICES, virtual_service(0))
            await control.wait_until(lambda now: weight_in_force(now) == 0)
            await apply(client, DEPLOYMENTS, deployment("web-canary", "helloworld:v2", 0))
            await control.wait_until(lambda now: not ready(now, "web-canary"))
            await served(load, "v2", 200)
            counts = await load.stop()

    assert not counts.failures
    assert counts.finished == counts.sent > 250
    workloads = {
        request.destination.name
        for request in mesh.metrics.counts()
        if request.destination and request.reporter is Reporter.DESTINATION
    }
    assert workloads == {"web-stable", "web-canary"}


async def served(load: LoadGenerator, version: str, amount: int) -> None:
    goal = load.counts.by_version[version] + amount
    async with asyncio.timeout(20):
        while load.counts.by_version[version] < goal:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
