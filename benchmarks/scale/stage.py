"""A cluster with many rollouts, the operator that looks after them, and what they cause."""

import asyncio
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.scale.hands import Hands
from benchmarks.scale.process import MeasuredOperator
from benchmarks.scale.sources import FLEET, QUICK, Source
from canary_operator.playground.api import EmbeddedAPI
from canary_operator.playground.client import APPLY, NAMESPACES, Client, Manifest
from canary_operator.playground.controllers.instant import InstantRuntime
from canary_operator.playground.controllers.kubelet import Kubelet
from canary_operator.playground.local import DEFINITIONS, ROLLOUTS, definitions
from canary_operator.playground.mesh.background import Background
from canary_operator.playground.mesh.control import VIRTUAL_SERVICES
from canary_operator.playground.synthetic import canary_weight
from tests.support.bed import open_cluster
from tests.support.clusters import DEFINITION_FOLDERS, Cluster, EmbeddedCluster
from tests.support.realplane import assets_folder

TEAM = 10
"""Rollouts in one namespace."""
AT_ONCE = 16
PATIENCE_SECONDS = 900.0
LOOK_SECONDS = 0.1


def namespace_of(name: str) -> str:
    """Return the namespace of `web-17`: a team has ten of them."""
    number = name.rpartition("-")[2]
    return f"team-{int(number) // TEAM if number.isdigit() else 0}"


def manifest(name: str, version: str, changes: Mapping[str, Any]) -> Manifest:
    """Return a CanaryRollout as a user writes it."""
    port = {"name": "http", "containerPort": 8080}
    resources = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}}
    probe = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 5}
    app = {
        "name": "app",
        "image": f"registry.example.com/team/{name}:{version}",
        "ports": [port],
        "env": [{"name": "VERSION", "value": version}],
        "resources": resources,
        "readinessProbe": probe,
    }
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [app]}}
    return {
        "apiVersion": "canary-operator.dev/v1alpha1",
        "kind": "CanaryRollout",
        "metadata": {"name": name, "namespace": namespace_of(name)},
        "spec": {
            "replicas": 1,
            "template": template,
            "service": {"port": 80, "targetPort": "http"},
            **changes,
        },
    }


@dataclass
class Seen:
    """What a watch showed of one rollout last."""

    status: Mapping[str, Any] = field(default_factory=dict)
    weight: int = 0
    """What its VirtualService gives the canary."""
    since: float = 0.0
    """Since when it has that weight, in seconds since 1970."""


@dataclass
class Stage:
    """Everything that runs for one measurement."""

    cluster: Cluster
    operator: MeasuredOperator
    source: Source
    seen: dict[str, Seen] = field(default_factory=dict)
    _namespaces: set[str] = field(default_factory=set)
    late: list[float] = field(default_factory=list)
    """Seconds from the moment that each check is about until its verdict was recorded."""

    async def make_namespaces(self, names: Iterable[str]) -> None:
        """Make the namespaces of some rollouts, as far as they are missing."""
        for namespace in sorted(set(map(namespace_of, names)) - self._namespaces):
            self._namespaces.add(namespace)
            await self.cluster.client.create(NAMESPACES, {"metadata": {"name": namespace}})

    async def apply(self, names: Iterable[str], version: str, changes: Mapping[str, Any]) -> None:
        """Apply CanaryRollouts as `kubectl apply --server-side` does, some at a time."""
        places = asyncio.Semaphore(AT_ONCE)

        async def one(name: str) -> None:
            async with places:
                body = manifest(name, version, changes)
                await self.cluster.client.patch(
                    ROLLOUTS, name, body, namespace_of(name), ctype=APPLY, fieldManager="kubectl"
                )

        await asyncio.gather(*map(one, names))

    async def delete(self, names: Iterable[str]) -> None:
        """Delete CanaryRollouts."""
        for name in names:
            self.seen.pop(name, None)
            await self.cluster.client.delete(ROLLOUTS, name, namespace_of(name))

    async def until(self, names: Iterable[str], met: Callable[[Seen], bool]) -> None:
        """Wait until all of them have met a condition."""
        await self.until_each(names, lambda _, seen: met(seen))

    async def until_each(self, names: Iterable[str], met: Callable[[str, Seen], bool]) -> None:
        """Wait until each has met a condition of its own."""
        missing = set(names)

        async def all_do() -> bool:
            self.operator.check()
            missing.difference_update([n for n in missing if met(n, self.seen.get(n) or Seen())])
            return not missing

        await until(all_do)

    @contextmanager
    def profiled(self) -> Iterator[None]:
        """Have the operator write down where its time goes, if `BENCH_PROFILE` says so."""
        self.operator.profile(begin=True)
        yield
        self.operator.profile(begin=False)

    async def follow_rollouts(self) -> None:
        """Note every status, and how late each verdict comes."""
        async for change in self.cluster.client.watch(ROLLOUTS):
            if change.object:
                seen = self.seen.setdefault(change.object["metadata"]["name"], Seen())
                before, seen.status = seen.status, change.object.get("status") or {}
                last = checked_at(seen.status)
                if last and last != checked_at(before):
                    self.late.append(time.time() - datetime.fromisoformat(last).timestamp())

    async def follow_weights(self) -> None:
        """Note every weight that a router is told."""
        async for change in self.cluster.client.watch(VIRTUAL_SERVICES):
            if change.object:
                seen = self.seen.setdefault(change.object["metadata"]["name"], Seen())
                weight = canary_weight(change.object)
                if weight != seen.weight:
                    seen.weight, seen.since = weight, time.time()


def checked_at(status: Mapping[str, Any]) -> str:
    """Return the moment that the last check of a rollout is about; empty before the first."""
    return max((str(one.get("measuredAt") or "") for one in status.get("metrics", ())), default="")


async def until(met: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not await met():  # noqa: ASYNC110 - what is waited for sends no signal
            await asyncio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def _cluster(folder: Path, *, whole: bool) -> AsyncIterator[Cluster]:
    """Start a cluster: a real one where `KUBEBUILDER_ASSETS` says so."""
    runtime = InstantRuntime()
    if whole or assets_folder() is not None:
        async with open_cluster(folder, *DEFINITION_FOLDERS, runtime=runtime) as everything:
            yield everything
        return
    async with EmbeddedAPI() as api, _LeanCluster(api, folder / "kubeconfig", runtime) as made:
        for definition in map(_without_rules, definitions()):
            await made.client.create(DEFINITIONS, definition)
        yield made


class _LeanCluster(EmbeddedCluster):
    """The embedded API, with little beside it."""

    async def _start(self, exits: AsyncExitStack) -> Kubelet:
        await exits.enter_async_context(Hands(self.client))
        return Kubelet(self.client, self._runtime)  # not started: `Hands` makes pods ready


def _without_rules(schema: Any) -> Any:
    """Leave out the CEL rules: Python interprets them ten times slower than a real API server."""
    if isinstance(schema, list):
        return [_without_rules(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _without_rules(value)
        for name, value in schema.items()
        if name != "x-kubernetes-validations"
    }


OpenSource = Callable[[Path, Client], AbstractAsyncContextManager[Source]]


@asynccontextmanager
async def open_stage(
    folder: Path, open_source: OpenSource, arguments: Sequence[str] = (), *, whole: bool = False
) -> AsyncIterator[Stage]:
    """Start everything, without a rollout.

    Args:
        folder: For files of all parts.
        open_source: Starts what answers the queries, given that folder and a client.
        arguments: Further flags of the operator.
        whole: Whether the cluster has all its controllers and rules, which fits few rollouts.
    """
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(_cluster(folder, whole=whole))
        source = await stack.enter_async_context(open_source(folder, cluster.client))
        rate = QUICK if whole else FLEET
        interval = f"--prometheus-scrape-interval={1000 * rate.scrape_seconds:.0f}ms"
        operator = await stack.enter_async_context(
            MeasuredOperator(cluster.kubeconfig, source.url, folder, [interval, *arguments])
        )
        stage = Stage(cluster, operator, source)
        background = await stack.enter_async_context(Background())
        background.start(stage.follow_rollouts(), "rollouts")
        background.start(stage.follow_weights(), "weights")
        yield stage
