"""Rollouts under steady load through real Envoy: several side by side on one local cluster."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from canary_operator.playground.client import APPLY, MERGE, PODS
from canary_operator.playground.loadgen import Counts, Failure, LoadGenerator
from canary_operator.playground.local import ROLLOUTS, LocalCluster
from canary_operator.playground.mesh.catalog import Catalog
from tests.support.bed import REQUEST
from tests.support.clusters import eventually

NAMESPACE = "demo"
LATENCY = "20ms"
"""So that there is always a request under way when a pod is told to end."""
REQUESTS_PER_SECOND = 12
"""Of each of the two kinds of callers."""
PRE_STOP_SECONDS = 5
"""As the documentation advises: proxies learn late that a pod ends."""
ONLY_KEPT_ALIVE = 1 << 30
PATIENCE_SECONDS = 90.0
LOOK_SECONDS = 0.2
"""Between two looks at the API server; one process serves it, the mesh and all callers."""
SETTLED_SECONDS = 1.0
"""After a change of weight, Envoy follows within this."""


def container(
    name: str, version: str, pre_stop_seconds: int, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Return the container of a version."""
    env = {"VERSION": version, "LATENCY": LATENCY, **environment}
    hook = {"preStop": {"sleep": {"seconds": pre_stop_seconds}}} if pre_stop_seconds else {}
    return {
        "name": "app",
        "image": f"{name}:{version}",
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
        "lifecycle": hook,
    }


def spec(app: Mapping[str, Any], name: str, replicas: int = 2) -> dict[str, Any]:
    """Return a spec whose rollout takes some fifteen seconds."""
    return {
        "replicas": replicas,
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [app]}},
        "service": {"port": 80, "targetPort": "http"},
        "strategy": {
            "steps": [{"weight": 20, "hold": "4s"}, {"weight": 50, "hold": "4s"}],
            "scaleDownDelay": "2s",
        },
        "analysis": {"interval": "5s", "window": "4s", "failureLimit": 0, "minRequests": 5},
    }


class Scene:
    """One rollout, the load on it, and how both looked while a test watched."""

    def __init__(
        self,
        cluster: LocalCluster,
        name: str,
        pre_stop_seconds: int,
        environment: Mapping[str, str],
    ) -> None:
        self.cluster = cluster
        self.name = name
        self._pre_stop_seconds = pre_stop_seconds
        self._environment = environment
        """Of every version."""
        self.loads: list[LoadGenerator] = []
        self.looks: list[tuple[float, int, Counter[str]]] = []
        """Seconds, weight in status, answers so far by version."""

    async def apply(self, version: str, replicas: int = 2, **environment: str) -> None:
        """Apply a version as `kubectl apply --server-side` does."""
        variables = {**self._environment, **environment}
        app = container(self.name, version, self._pre_stop_seconds, variables)
        body = {
            "apiVersion": "canary-operator.dev/v1alpha1",
            "kind": "CanaryRollout",
            "metadata": {"name": self.name, "namespace": NAMESPACE},
            "spec": self.spec(app, replicas),
        }
        await self.cluster.client.patch(
            ROLLOUTS, self.name, body, NAMESPACE, ctype=APPLY, fieldManager="kubectl"
        )

    def spec(self, app: Mapping[str, Any], replicas: int) -> dict[str, Any]:
        """Return the spec of a version."""
        return spec(app, self.name, replicas)

    async def ask(self, request: str) -> None:
        """Set the request annotation."""
        body = {"metadata": {"annotations": {REQUEST: request}}}
        await self.cluster.client.patch(ROLLOUTS, self.name, body, NAMESPACE, ctype=MERGE)

    async def until(self, met: Callable[[Mapping[str, Any]], Any]) -> dict[str, Any]:
        """Wait until the status meets a condition, and return it."""
        status: dict[str, Any] = {}

        async def look() -> dict[str, Any] | None:
            nonlocal status
            found = await self.cluster.client.get(ROLLOUTS, self.name, NAMESPACE)
            status = found.get("status") or {}
            self.looks.append((self._elapsed(), status.get("weight") or 0, self.by_version))
            if met(status):
                return status
            await asyncio.sleep(LOOK_SECONDS)
            return None

        try:
            return await eventually(look, PATIENCE_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{self.name}: never met; last status {status}") from None

    async def until_phase(self, phase: str, histories: int = 0) -> dict[str, Any]:
        """Wait for a phase, with so many rollouts that are over."""
        return await self.until(
            lambda s: s.get("phase") == phase and len(s.get("history", ())) >= histories
        )

    async def until_on_trial(self, version: str, weight: int = 20) -> None:
        """Wait for a weight, and until the version has answered requests at it."""
        await self.until(lambda status: status.get("weight") == weight)
        await self.until_told(weight)
        goal = self.by_version[version] + 5

        async def answered() -> bool:
            return self.by_version[version] >= goal

        await eventually(answered, PATIENCE_SECONDS)

    async def until_told(self, weight: int) -> None:
        """Wait until proxies follow a weight."""
        control = self.cluster.mesh.control
        await control.wait_until(lambda mesh: self.weight_in(mesh) == weight, PATIENCE_SECONDS)

    def weight_in(self, mesh: Catalog) -> int | None:
        """Return the canary's weight that proxies follow."""
        routes = (one for one in mesh.virtual_services if one["metadata"]["name"] == self.name)
        route = next(routes, None)
        return route["spec"]["http"][0]["route"][1]["weight"] if route else None

    def serves(self, mesh: Catalog) -> bool:
        """Return whether the route is in force, and leads to somebody."""
        stable = mesh.services.get(mesh.host(f"{self.name}-stable", NAMESPACE))
        port = stable.port(None) if stable else None
        routes = {one["metadata"]["name"] for one in mesh.virtual_services}
        return self.name in routes and port is not None and bool(port.endpoints)

    async def until_pods(self, count: int, track: str = "stable") -> None:
        """Wait until a track has so many pods, and none that ends."""
        selector = f"canary-operator.dev/rollout={self.name},canary-operator.dev/track={track}"

        async def there() -> bool:
            await asyncio.sleep(LOOK_SECONDS)
            found = await self.cluster.client.list(PODS, NAMESPACE, labelSelector=selector)
            ending = [one for one in found["items"] if "deletionTimestamp" in one["metadata"]]
            return len(found["items"]) == count and not ending

        await eventually(there, PATIENCE_SECONDS)

    async def until_answers(self, more: int) -> None:
        """Wait until so many further requests of each kind were answered."""
        goals = [load.counts.finished + more for load in self.loads]

        async def answered() -> bool:
            pairs = zip(self.loads, goals, strict=True)
            return all(load.counts.finished >= goal for load, goal in pairs)

        await eventually(answered, PATIENCE_SECONDS)

    @property
    def by_version(self) -> Counter[str]:
        """Answers so far."""
        return sum((load.counts.by_version for load in self.loads), Counter[str]())

    @property
    def failed_by_version(self) -> Counter[str]:
        """Answers so far that were errors of a version."""
        return sum((load.counts.failed_by_version for load in self.loads), Counter[str]())

    def share_at(self, weight: int, version: str) -> float:
        """Return a version's share of the answers while a weight was in force, in percent."""
        during = [look for look in self.looks if look[1] == weight]
        begun = during[0][0] + SETTLED_SECONDS
        first = next(answers for at, _, answers in during if at >= begun)
        answers = during[-1][2] - first
        return 100 * answers[version] / answers.total()

    def _elapsed(self) -> float:
        return asyncio.get_running_loop().time()


@asynccontextmanager
async def load_on(
    cluster: LocalCluster,
    name: str,
    rate: float = REQUESTS_PER_SECOND,
    pre_stop_seconds: int = PRE_STOP_SECONDS,
    kind: type[Scene] = Scene,
    **environment: str,
) -> AsyncIterator[Scene]:
    """Bring up the first version and send requests to it until the end.

    Half of the callers keep their connections, the others open one for each request.
    """
    host = cluster.mesh.host_of(name, NAMESPACE)
    scene = kind(cluster, name, pre_stop_seconds, environment)
    await scene.apply("v1")
    await scene.until_phase("Stable")
    await cluster.mesh.control.wait_until(scene.serves, PATIENCE_SECONDS)
    async with AsyncExitStack() as stack:
        for every in (ONLY_KEPT_ALIVE, 1):
            load = LoadGenerator(
                cluster.mesh.url,
                host=host,
                rate=rate,
                new_connection_every=every,
                timeout_seconds=30,
            )
            scene.loads.append(await stack.enter_async_context(load))
        await scene.until_answers(20)
        yield scene
        await scene.until_answers(20)
        for load in scene.loads:
            await load.stop()


def lost(scene: Scene) -> dict[str, int]:
    """Return the requests that failed though no version answered them with an error."""
    counts: list[Counts] = [load.counts for load in scene.loads]
    found = sum((one.failures for one in counts), Counter[Failure]())
    unfinished = sum(one.sent - one.finished for one in counts)
    ours = {kind.value: found[kind] for kind in (Failure.MESH, Failure.CONNECTION)}
    return {what: number for what, number in {**ours, "unfinished": unfinished}.items() if number}
