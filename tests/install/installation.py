"""The chart installed by Helm into a cluster where its pods really run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import helm_python

from canary_operator.playground.api.auth import ADMIN
from canary_operator.playground.client import NAMESPACES, PODS, Manifest
from canary_operator.playground.local import ROLLOUTS
from canary_operator.playground.prometheus import Prometheus
from canary_operator.playground.synthetic import FollowedWeights, SyntheticTelemetry
from deploy.rendering import CHART, NAME
from tests.install.pods import ImageRuntime, is_ready
from tests.support.bed import SCRAPE_SECONDS, Bed, Release, open_cluster
from tests.support.clusters import DEFINITION_FOLDERS, Cluster, EmbeddedCluster, eventually

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
"""A real API server refuses pods in this namespace that may do more than they need."""
USER = f"system:serviceaccount:{NAME}:{NAME}"
PATIENCE_SECONDS = 90


@dataclass(frozen=True)
class Log:
    """Stands where a bed has its operator: here pods are."""

    log: Path


@dataclass
class Installation:
    """A cluster, what the operator needs beside it, and Helm."""

    bed: Bed
    helm: helm_python.Config
    values: dict[str, Any]
    """What differs from the defaults: Prometheus is where this machine has it."""

    @property
    def cluster(self) -> Cluster:
        """Where everything happens."""
        return self.bed.cluster

    async def install(self, **values: Any) -> dict[str, Any]:
        """Run `helm install --wait`; every pod has passed its probes afterwards."""
        return await asyncio.to_thread(
            self.helm.install,
            CHART,
            NAME,
            {**self.values, **values},
            wait="watcher",
            timeout=PATIENCE_SECONDS,
        )

    async def upgrade(self, **values: Any) -> dict[str, Any]:
        """Run `helm upgrade --wait` with further values."""
        return await asyncio.to_thread(
            self.helm.upgrade,
            CHART,
            NAME,
            {**self.values, **values},
            wait="watcher",
            timeout=PATIENCE_SECONDS,
        )

    async def uninstall(self) -> None:
        """Run `helm uninstall --wait`."""
        await asyncio.to_thread(self.helm.uninstall, NAME, wait="watcher", timeout=PATIENCE_SECONDS)

    async def test(self, seconds: int = PATIENCE_SECONDS) -> dict[str, Any]:
        """Run `helm test`."""
        return await asyncio.to_thread(self.helm.test, NAME, timeout=seconds)

    def denied(self) -> set[str]:
        """Return what the operator asked for and may not do."""
        return {str(each) for each in self.cluster.denied(USER)}

    async def pods(self) -> list[Manifest]:
        """Return the pods of the operator."""
        found = await self.cluster.client.list(PODS, NAME)
        return [each for each in found["items"] if each["metadata"].get("ownerReferences")]

    async def until_pods(self, count: int) -> list[Manifest]:
        """Wait until there are so many pods, all of them ready, and return them."""

        async def settled() -> tuple[list[Manifest]] | None:
            pods = await self.pods()
            return (pods,) if len(pods) == count and all(map(is_ready, pods)) else None

        (pods,) = await eventually(settled, PATIENCE_SECONDS)
        return pods

    @asynccontextmanager
    async def followed(self, release: Release) -> AsyncIterator[list[dict[str, Any]]]:
        """Collect every status of a rollout that the API server tells of."""
        statuses: list[dict[str, Any]] = []

        async def follow() -> None:
            selector = f"metadata.name={release.name}"
            changes = self.cluster.client.watch(ROLLOUTS, release.namespace, fieldSelector=selector)
            async for change in changes:
                statuses.extend(filter(None, [change.object.get("status")]))

        task = asyncio.create_task(follow())
        try:
            yield statuses
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def prepared(folder: Path) -> AsyncIterator[Installation]:
    """Start a cluster with Istio's definitions, traffic and Prometheus, and nothing of ours."""
    pods = folder / "pods"
    pods.mkdir()
    runtime = ImageRuntime(pods)
    _, istio = DEFINITION_FOLDERS
    async with (
        open_cluster(folder, istio, runtime=runtime) as cluster,
        SyntheticTelemetry() as telemetry,
        FollowedWeights(cluster.client) as weights,
        Prometheus(folder, [telemetry.target], scrape_seconds=SCRAPE_SECONDS) as prometheus,
    ):
        runtime.cluster = cluster
        if isinstance(cluster, EmbeddedCluster):
            cluster.api.authorizer.nobody = ADMIN  # Helm sends no token over plain HTTP
            cluster.api.authorizer.enabled = True
        namespace = {"metadata": {"name": NAME, "labels": RESTRICTED}}
        await cluster.client.create(NAMESPACES, namespace)
        await eventually(_is_scraped(telemetry))
        bed = Bed(cluster, telemetry, weights, prometheus, Log(runtime.log), USER)  # type: ignore[arg-type]
        values = {"prometheus": {"address": prometheus.url, "scrapeInterval": "1s"}}
        helm = helm_python.Config(kubeconfig_path=cluster.kubeconfig, namespace=NAME)
        yield Installation(bed, helm, values)
        text = runtime.log.read_text()
        assert "Traceback" not in text, text


def _is_scraped(telemetry: SyntheticTelemetry) -> Callable[[], Any]:
    async def look() -> bool:
        return telemetry.scrapes > 1

    return look
