"""The controller of HorizontalPodAutoscalers, with real load: what Prometheus saw of the pods.

It knows metrics of type `Pods` with an `averageValue`. A metric `http_requests_per_second` is the
rate of the pods' own counter `http_requests_total`, as adapters of Prometheus name them. What else
an autoscaler asks for is not measured here; its bounds are kept all the same.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from math import ceil
from typing import Any, Self

from canary_operator.playground.api.quantity import parse_quantity
from canary_operator.playground.client import (
    DEPLOYMENTS,
    PODS,
    ApiError,
    Client,
    Manifest,
    Resource,
)
from canary_operator.playground.controllers.cache import Cache, key_of, uid_of
from canary_operator.playground.mesh.background import Background
from canary_operator.playground.prometheus import Prometheus, QueryError

logger = logging.getLogger(__name__)

AUTOSCALERS = Resource("horizontalpodautoscalers", "autoscaling", "v2")
TARGETS = {
    "Deployment": DEPLOYMENTS,
    "CanaryRollout": Resource("canaryrollouts", "canary-operator.dev", "v1alpha1"),
}
SYNC_SECONDS = 1.0
"""Kubernetes looks every 15 s."""
RATE_SECONDS = 5
TOLERANCE = 0.1
"""As in Kubernetes: what is nearer to the target than this changes nothing."""
STABILIZATION_SECONDS = 300.0

Measure = Callable[[str, str], Awaitable[Mapping[str, float]]]
"""Returns what each pod of a namespace has of a metric."""


class Autoscaler:
    """Scales what autoscalers aim at; use it as an async context manager."""

    def __init__(
        self, client: Client, measure: Measure, sync_seconds: float = SYNC_SECONDS
    ) -> None:
        """Remember the parts.

        Args:
            client: An open client of the API server.
            measure: What knows the load of pods.
            sync_seconds: How often all autoscalers are looked at.
        """
        self._client = client
        self._measure = measure
        self._every = sync_seconds
        self._scalers = Cache(client, AUTOSCALERS)
        self._wishes: dict[str, list[tuple[float, int]]] = defaultdict(list)
        self._background = Background()

    async def __aenter__(self) -> Self:
        await self._background.__aenter__()
        self._background.start(self._scalers.run(), "autoscalers")
        await self._scalers.synced.wait()
        self._background.start(self._work(), "autoscaling")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._background.__aexit__()

    async def _work(self) -> None:
        while True:
            for scaler in self._scalers:
                with suppress(ApiError):  # the next round looks again
                    await self._scale(scaler)
            await asyncio.sleep(self._every)

    async def _scale(self, scaler: Manifest) -> None:
        namespace, name = key_of(scaler)
        spec, aim = scaler["spec"], scaler["spec"]["scaleTargetRef"]
        resource = TARGETS[aim["kind"]]
        scale = await self._client.get(resource, aim["name"], namespace, "scale")
        present = scale["spec"].get("replicas", 0)
        if present == 0:
            return
        wish = await self._wish(scaler, namespace, scale, present)
        desired = min(max(wish, spec["minReplicas"]), spec["maxReplicas"])
        if desired != present:
            await self._client.patch(
                resource,
                aim["name"],
                {"spec": {"replicas": desired}},
                namespace,
                subresource="scale",
                fieldManager="kube-controller-manager",
            )
        told = {"currentReplicas": present, "desiredReplicas": desired}
        if {**scaler.get("status", {}), **told} != scaler.get("status"):
            await self._client.patch(
                AUTOSCALERS, name, {"status": told}, namespace, subresource="status"
            )

    async def _wish(self, scaler: Manifest, namespace: str, scale: Manifest, present: int) -> int:
        """Return how many pods the metrics ask for, the largest wish of the time that counts."""
        pods = await self._client.list(
            PODS, namespace, labelSelector=scale["status"].get("selector", "")
        )
        ready = {one["metadata"]["name"] for one in pods["items"] if _is_ready(one)}
        wishes = []
        for metric in scaler["spec"].get("metrics", ()):
            if "pods" in metric and ready:
                values = await self._measure(namespace, metric["pods"]["metric"]["name"])
                target = float(parse_quantity(metric["pods"]["target"]["averageValue"]))
                known = [value for pod, value in values.items() if pod in ready]
                wishes.append(wanted(known, target, present, len(ready)))
        return self._stabilized(scaler, max(wishes, default=present))

    def _stabilized(self, scaler: Manifest, wish: int) -> int:
        down = scaler["spec"].get("behavior", {}).get("scaleDown", {})
        window = down.get("stabilizationWindowSeconds", STABILIZATION_SECONDS)
        now, past = time.monotonic(), self._wishes[uid_of(scaler)]
        past.append((now, wish))
        past[:] = [(at, one) for at, one in past if now - at <= window]
        return max(one for _, one in past)


def wanted(values: list[float], target: float, present: int, ready: int) -> int:
    """Return how many pods would bring the average to the target.

    Example:
        >>> wanted([30, 10], target=10, present=2, ready=2), wanted([10.5], 10, 1, 1)
        (4, 1)
    """
    if not values:
        return present
    ratio = sum(values) / len(values) / target
    return present if abs(ratio - 1) <= TOLERANCE else ceil(ratio * ready)


def rates_of(prometheus: Prometheus) -> Measure:
    """Return what asks Prometheus for the rates of the pods' own counters."""

    async def measure(namespace: str, metric: str) -> Mapping[str, float]:
        counter = metric.removesuffix("_per_second") + "_total"
        chosen = f'{counter}{{namespace="{namespace}"}}[{RATE_SECONDS}s]'
        try:
            found = await prometheus.query(f"sum by (pod) (rate({chosen}))")
        except QueryError as error:
            logger.info("Not measured: metric=%s error=%s", metric, error)
            return {}
        return {sample.labels.get("pod", ""): sample.value for sample in found}

    return measure


def _is_ready(pod: Any) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]
