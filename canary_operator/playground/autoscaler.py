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

from canary_operator.playground.api.quantity import canonical_quantity, parse_quantity
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

_UNMEASURED: Manifest = {"type": ""}
"""What Kubernetes writes for a metric that it could not read, beside one that it could."""

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
        namespace, _ = key_of(scaler)
        spec, aim = scaler["spec"], scaler["spec"]["scaleTargetRef"]
        resource = TARGETS[aim["kind"]]
        scale = await self._client.get(resource, aim["name"], namespace, "scale")
        present = scale["spec"].get("replicas", 0)
        if present == 0:  # as in Kubernetes, nothing is asked for where nobody wants pods
            await self._tell(scaler, 0, 0, [])
            return
        wish, measured = await self._wish(scaler, namespace, scale, present)
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
        await self._tell(scaler, present, desired, measured)

    async def _tell(
        self, scaler: Manifest, present: int, desired: int, measured: list[Manifest]
    ) -> None:
        """Write what was seen and decided, if it is new."""
        counts = {"currentReplicas": present, "desiredReplicas": desired}
        told = {**counts, "currentMetrics": measured or None}
        before = scaler.get("status", {})
        if all((before.get(name) or None) == (value or None) for name, value in told.items()):
            return
        namespace, name = key_of(scaler)
        await self._client.patch(
            AUTOSCALERS, name, {"status": told}, namespace, subresource="status"
        )

    async def _wish(
        self, scaler: Manifest, namespace: str, scale: Manifest, present: int
    ) -> tuple[int, list[Manifest]]:
        """Return how many pods the metrics ask for, the most in the time that counts, and why.

        What was measured stands at the same place as what asks for it.
        """
        pods = await self._client.list(
            PODS, namespace, labelSelector=scale["status"].get("selector", "")
        )
        ready = {one["metadata"]["name"] for one in pods["items"] if _is_ready(one)}
        wishes, measured = [], []
        for metric in scaler["spec"].get("metrics", ()):
            measured.append(_UNMEASURED)
            if "pods" in metric and ready:
                about = metric["pods"]["metric"]
                values = await self._measure(namespace, about["name"])
                target = float(parse_quantity(metric["pods"]["target"]["averageValue"]))
                known = [value for pod, value in values.items() if pod in ready]
                wishes.append(wanted(known, target, present, len(ready)))
                measured[-1] = _measured(about, known) if known else _UNMEASURED
        seen = measured if any(one is not _UNMEASURED for one in measured) else []
        return self._stabilized(scaler, max(wishes, default=present)), seen

    def _stabilized(self, scaler: Manifest, wish: int) -> int:
        down = scaler["spec"].get("behavior", {}).get("scaleDown", {})
        window = down.get("stabilizationWindowSeconds", STABILIZATION_SECONDS)
        now, past = time.monotonic(), self._wishes[uid_of(scaler)]
        past.append((now, wish))
        past[:] = [(at, one) for at, one in past if now - at <= window]
        return max(one for _, one in past)


def wanted(values: list[float], target: float, present: int, ready: int) -> int:
    """Return how many pods would bring the average to the target.

    As in Kubernetes, a pod that was not measured yet counts as idle where more pods seem to be
    needed, and as busy as it should be where fewer do.

    Example:
        >>> wanted([30, 10], 10, present=2, ready=2), wanted([10.5], 10, present=1, ready=1)
        (4, 1)
        >>> wanted([15, 15], 10, present=3, ready=3), wanted([2, 2], 10, present=3, ready=3)
        (3, 2)
    """
    if not values:
        return present
    missing, more = ready - len(values), sum(values) > len(values) * target
    load = sum(values) + (0 if more else missing * target)
    ratio = load / (ready * target)
    near = abs(ratio - 1) <= TOLERANCE or (ratio > 1) is not more
    return present if near else ceil(load / target)


def _measured(about: Manifest, values: list[float]) -> Manifest:
    """Return what the status says of a metric of pods; as adapters do, to a thousandth."""
    average = canonical_quantity(f"{round(sum(values) / len(values) * 1000)}m")
    return {"type": "Pods", "pods": {"metric": about, "current": {"averageValue": average}}}


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
