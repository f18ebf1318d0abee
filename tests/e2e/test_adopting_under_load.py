"""Under load, with real Envoy and real server processes: nobody notices who serves.

A Deployment with its Service runs, callers call it, it is adopted, a version is released from it,
and it gets its place back: in a mesh, and without one.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from canary_operator.playground.client import (
    APPLY,
    DEPLOYMENTS,
    PODS,
    SERVICES,
    Manifest,
    NotFoundError,
)
from canary_operator.playground.loadgen import LoadGenerator
from canary_operator.playground.local import ROLLOUTS, LocalCluster
from canary_operator.playground.mesh.catalog import Catalog
from tests.support.clusters import eventually
from tests.support.load import (
    LATENCY,
    NAMESPACE,
    ONLY_KEPT_ALIVE,
    PATIENCE_SECONDS,
    PRE_STOP_SECONDS,
    REQUESTS_PER_SECOND,
    Scene,
    container,
    lost,
)
from tests.support.load_on_pods import PodScene

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("load")]

PLACES = ["in a mesh", pytest.param("without a mesh", marks=pytest.mark.exhaustive)]
ADOPT = "canary-operator.dev/adopt"
REPLICAS = 3


class Adopting:
    """What is applied where the pods are taken from a Deployment; mixed into a scene."""

    cluster: LocalCluster
    name: str

    async def deploy(self, version: str, *, replicas: int | None = None) -> None:
        """Apply the Deployment, as its owner does; without `replicas` as a GitOps tool should."""
        app = container(self.name, version, PRE_STOP_SECONDS, {"LATENCY": LATENCY})
        meta = {"labels": {"app": self.name}, "annotations": {"prometheus.io/scrape": "true"}}
        counted = {} if replicas is None else {"replicas": replicas}
        spec = {
            **counted,
            "selector": {"matchLabels": {"app": self.name}},
            "template": {"metadata": meta, "spec": {"containers": [app]}},
        }
        await self._apply(DEPLOYMENTS, "apps/v1", "Deployment", spec)

    async def serve(self) -> None:
        """Apply the Service, and give it to the rollout."""
        port = {"name": "http", "port": 80, "targetPort": "http"}
        spec = {"selector": {"app": self.name}, "ports": [port]}
        await self._apply(SERVICES, "v1", "Service", spec, annotations={ADOPT: self.name})

    async def adopt(self, spec: dict[str, Any]) -> None:
        """Apply the CanaryRollout."""
        kept = {field: one for field, one in spec.items() if field not in {"template", "replicas"}}
        kept["workloadRef"] = {"name": self.name}
        version = "canary-operator.dev/v1alpha1"
        await self._apply(ROLLOUTS, version, "CanaryRollout", kept)

    async def _apply(
        self, resource: Any, version: str, kind: str, spec: dict[str, Any], **meta: Any
    ) -> None:
        place = {"name": self.name, "namespace": NAMESPACE, **meta}
        body = {"apiVersion": version, "kind": kind, "metadata": place, "spec": spec}
        await self.cluster.client.patch(
            resource, self.name, body, NAMESPACE, ctype=APPLY, fieldManager="kubectl"
        )

    async def until_deployment_has(self, replicas: int) -> None:
        """Wait until the Deployment itself has so many pods, and none that ends."""
        selector = f"app={self.name},!canary-operator.dev/rollout"

        async def there() -> bool:
            found = await self.cluster.client.list(PODS, NAMESPACE, labelSelector=selector)
            ending = [one for one in found["items"] if "deletionTimestamp" in one["metadata"]]
            return len(found["items"]) == replicas and not ending

        await eventually(there, PATIENCE_SECONDS)

    async def give_back(self) -> None:
        """Delete the CanaryRollout, and wait until it and everything that it made is gone."""
        await self.cluster.client.delete(ROLLOUTS, self.name, NAMESPACE)

        async def gone() -> bool:
            selector = f"canary-operator.dev/rollout={self.name}"
            left = await self.cluster.client.list(PODS, NAMESPACE, labelSelector=selector)
            try:
                await self.cluster.client.get(ROLLOUTS, self.name, NAMESPACE)
            except NotFoundError:
                return not left["items"]
            return False

        await eventually(gone, PATIENCE_SECONDS)

    async def service(self) -> Manifest:
        """Return the Service."""
        found: Manifest = await self.cluster.client.get(SERVICES, self.name, NAMESPACE)
        return found

    def is_called(self, mesh: Catalog) -> bool:
        """Return whether the Service leads to all pods of the Deployment."""
        service = mesh.services.get(mesh.host(self.name, NAMESPACE))
        port = service.port(None) if service else None
        return port is not None and len(port.endpoints) == REPLICAS


class MeshScene(Adopting, Scene):
    """In a mesh."""


class PodsScene(Adopting, PodScene):
    """Without a mesh."""


@dataclass(frozen=True)
class Place:
    """Where something runs."""

    cluster: LocalCluster
    kind: type[MeshScene] | type[PodsScene]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PLACES)
async def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    folder, istio = tmp_path_factory.mktemp("adopting"), request.param == "in a mesh"
    async with LocalCluster(folder, NAMESPACE, istio=istio) as cluster:
        yield Place(cluster, MeshScene if istio else PodsScene)


@asynccontextmanager
async def called(place: Place, name: str) -> AsyncIterator[MeshScene | PodsScene]:
    """Run a Deployment with its Service, and send requests to it until the end."""
    cluster = place.cluster
    scene = place.kind(cluster, name, PRE_STOP_SECONDS, {})
    await scene.deploy("v1", replicas=REPLICAS)
    await scene.serve()
    await cluster.mesh.control.wait_until(scene.is_called, PATIENCE_SECONDS)
    host = cluster.mesh.host_of(name, NAMESPACE)
    async with AsyncExitStack() as stack:
        for every in (ONLY_KEPT_ALIVE, 1):
            load = LoadGenerator(
                cluster.mesh.url,
                host=host,
                rate=REQUESTS_PER_SECOND,
                new_connection_every=every,
                timeout_seconds=30,
            )
            scene.loads.append(await stack.enter_async_context(load))
        await scene.until_answers(20)
        yield scene
        await scene.until_answers(20)
        for load in scene.loads:
            await load.stop()


async def test_nobody_notices_the_way_there_a_release_and_the_way_back(
    place: Place,
) -> None:
    async with called(place, "shop") as scene:
        before = (await scene.service())["spec"]
        await scene.adopt(scene.spec({}, REPLICAS))
        await scene.until_phase("Stable")
        await scene.until_deployment_has(0)
        await scene.until_answers(20)

        await scene.deploy("v2")
        await scene.until_phase("Stable", histories=1)
        await scene.until_pods(0, "canary")
        assert scene.by_version["v2"]

        await scene.give_back()
        assert (await scene.service())["spec"] == before
        await scene.until_deployment_has(REPLICAS)
        answered = scene.by_version
        await scene.until_answers(30)
        assert (scene.by_version - answered).keys() == {"v2"}
    assert not lost(scene)
    assert not scene.failed_by_version.total()


async def test_nobody_notices_that_it_is_given_back_in_the_middle_of_a_release(
    place: Place,
) -> None:
    async with called(place, "cafe") as scene:
        await scene.adopt(scene.spec({}, REPLICAS))
        await scene.until_phase("Stable")
        await scene.until_deployment_has(0)
        await scene.deploy("v2")
        await scene.until(lambda status: status.get("weight"))
        await scene.give_back()
        await scene.until_deployment_has(REPLICAS)
        answered = scene.by_version
        await scene.until_answers(30)
        assert (scene.by_version - answered).keys() == {"v2"}, "as the Deployment says by then"
    assert not lost(scene)
    assert not scene.failed_by_version.total()
