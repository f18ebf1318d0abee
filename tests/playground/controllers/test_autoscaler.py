"""The playground's controller of HorizontalPodAutoscalers tells what it measured."""

from collections.abc import Mapping
from typing import Any

import pytest
import pytest_asyncio

from canary_operator.playground.autoscaler import AUTOSCALERS, Autoscaler
from canary_operator.playground.client import DEPLOYMENTS, PODS
from tests.support.clusters import Cluster, eventually

pytestmark = pytest.mark.asyncio

RPS = {
    "type": "Pods",
    "pods": {
        "metric": {"name": "http_requests_per_second"},
        "target": {"type": "AverageValue", "averageValue": "10"},
    },
}
CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}


def deployment(replicas: int) -> dict[str, Any]:
    labels = {"app": "web"}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pods}
    return {"metadata": {"name": "web"}, "spec": spec}


def scaler(*metrics: Mapping[str, Any]) -> dict[str, Any]:
    aim = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": aim, "minReplicas": 1, "maxReplicas": 9, "metrics": [*metrics]}
    return {"metadata": {"name": "web"}, "spec": spec}


class Scaled:
    """A Deployment with an autoscaler, and a load of so many requests for each pod."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.client = cluster.client
        self.namespace = namespace
        self.load: float | None = 9.5

    async def measure(self, namespace: str, _: str) -> Mapping[str, float]:
        pods = await self.client.list(PODS, namespace)
        names = [pod["metadata"]["name"] for pod in pods["items"]]
        return {} if self.load is None else dict.fromkeys(names, self.load)

    async def make(self, replicas: int, *metrics: Mapping[str, Any]) -> None:
        await self.client.create(DEPLOYMENTS, deployment(replicas), self.namespace)
        await self.client.create(AUTOSCALERS, scaler(*metrics), self.namespace)

    async def until_told(self, expected: Mapping[str, Any]) -> None:
        told: Any = None

        async def look() -> bool:
            nonlocal told
            found = await self.client.get(AUTOSCALERS, "web", self.namespace)
            told = found.get("status")
            return bool(told == expected)

        try:
            await eventually(look, 20)
        except TimeoutError:
            raise AssertionError(f"{told} instead of {expected}") from None


@pytest_asyncio.fixture
async def scaled(cluster: Cluster) -> Scaled:
    return Scaled(cluster, await cluster.namespace())


def seen(average: str) -> dict[str, Any]:
    metric = {"name": "http_requests_per_second"}
    return {"type": "Pods", "pods": {"metric": metric, "current": {"averageValue": average}}}


async def test_what_pods_have_is_told_beside_what_was_decided(scaled: Scaled) -> None:
    await scaled.make(2, CPU, RPS)
    async with Autoscaler(scaled.client, scaled.measure, sync_seconds=0.05):
        counts = {"currentReplicas": 2, "desiredReplicas": 2}
        told = {**counts, "currentMetrics": [{"type": ""}, seen("9500m")]}
        await scaled.until_told(told)
        scaled.load = None
        await scaled.until_told({**counts, "currentMetrics": None})


async def test_where_nobody_wants_pods_nothing_is_told_of_a_load(scaled: Scaled) -> None:
    await scaled.make(1, RPS)
    async with Autoscaler(scaled.client, scaled.measure, sync_seconds=0.05):
        await scaled.until_told(
            {"currentReplicas": 1, "desiredReplicas": 1, "currentMetrics": [seen("9500m")]}
        )
        await scaled.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 0}}, scaled.namespace)
        await scaled.until_told({"desiredReplicas": 0, "currentMetrics": None})
