"""What a ReplicaSet says about its pods, and which of them it gives up first."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from canary_operator.playground.client import Manifest
from canary_operator.playground.controllers.cache import is_terminating
from canary_operator.playground.controllers.labels import contains
from canary_operator.playground.controllers.revisions import owner_reference, wanted_by
from canary_operator.playground.controllers.timestamps import read, written

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
PHASE_ORDER = {"Pending": 0, "Unknown": 1, "Running": 2}


def has_ended(pod: Manifest) -> bool:
    """Return whether a pod will never run again."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def is_active(pod: Manifest) -> bool:
    """Return whether a pod counts: it has not ended and nobody asked to delete it."""
    return not has_ended(pod) and not is_terminating(pod)


def is_leaving(pod: Manifest) -> bool:
    """Return whether a pod was asked to go and is still there."""
    return not has_ended(pod) and is_terminating(pod)


def ready_condition(pod: Manifest) -> Manifest | None:
    """Return the Ready condition of a pod that is ready, else `None`."""
    conditions = pod.get("status", {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == "Ready" and c["status"] == "True"), None)


def is_ready(pod: Manifest) -> bool:
    """Return whether a pod passes its readiness probes."""
    return ready_condition(pod) is not None


def seconds_to_available(pod: Manifest, min_ready_seconds: int, at: datetime) -> float | None:
    """Return how long a ready pod must stay ready to be available; `None` for others."""
    ready = ready_condition(pod)
    if ready is None:
        return None
    if not min_ready_seconds:
        return 0.0
    until = read(ready["lastTransitionTime"]) + timedelta(seconds=min_ready_seconds)
    return max(0.0, (until - at).total_seconds())


def replica_set_status(
    replica_set: Manifest, pods: Sequence[Manifest], failure: str | None, at: datetime
) -> Manifest:
    """Return the status of a ReplicaSet.

    Args:
        replica_set: Whose status it is.
        pods: All its pods.
        failure: Why pods could not be made, `None` where all went well.
        at: The present time.
    """
    active = [pod for pod in pods if is_active(pod)]
    labels = replica_set["spec"]["template"].get("metadata", {}).get("labels") or {}
    waits = _waits(replica_set, active, at)
    counts = {
        "fullyLabeledReplicas": sum(contains(_labels(pod), labels) for pod in active),
        "readyReplicas": len(waits),
        "availableReplicas": sum(not seconds for seconds in waits),
    }
    conditions = {"conditions": [_failed(replica_set, failure, at)]} if failure else {}
    return {
        "replicas": len(active),
        **{name: count for name, count in counts.items() if count},
        "terminatingReplicas": sum(is_leaving(pod) for pod in pods),
        "observedGeneration": replica_set["metadata"]["generation"],
        **conditions,
    }


def next_available(replica_set: Manifest, pods: Iterable[Manifest], at: datetime) -> float | None:
    """Return the seconds until the next ready pod becomes available, `None` if none waits."""
    return min(filter(None, _waits(replica_set, pods, at)), default=None)


def new_pod(replica_set: Manifest) -> Manifest:
    """Return a pod for a ReplicaSet; the API server completes its name."""
    template = replica_set["spec"]["template"]
    meta = template.get("metadata") or {}
    kept = {key: meta[key] for key in ("labels", "annotations", "finalizers") if meta.get(key)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **kept,
            "generateName": f"{replica_set['metadata']['name']}-",
            "namespace": replica_set["metadata"]["namespace"],
            "ownerReferences": [owner_reference(replica_set, "apps/v1", "ReplicaSet")],
        },
        "spec": template["spec"],
    }


def surplus(replica_set: Manifest, pods: Sequence[Manifest]) -> list[Manifest]:
    """Return the pods that a ReplicaSet gives up: those that serve least, and the youngest."""
    count = max(0, len(pods) - wanted_by(replica_set))
    youngest_first = sorted(pods, key=_created, reverse=True)
    restarted_first = sorted(youngest_first, key=_restarts, reverse=True)
    newly_ready_first = sorted(restarted_first, key=_ready_since, reverse=True)
    return sorted(newly_ready_first, key=_usefulness)[:count]


def _usefulness(pod: Manifest) -> tuple[bool, int, bool, int]:
    phase = PHASE_ORDER.get(pod.get("status", {}).get("phase", "Pending"), 0)
    cost = (pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0")
    return bool(pod["spec"].get("nodeName")), phase, is_ready(pod), int(cost)


def _ready_since(pod: Manifest) -> str:
    ready = ready_condition(pod)
    return ready["lastTransitionTime"] if ready else ""


def _restarts(pod: Manifest) -> int:
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return max((int(status.get("restartCount", 0)) for status in statuses), default=0)


def _created(pod: Manifest) -> str:
    return str(pod["metadata"].get("creationTimestamp", ""))


def _waits(replica_set: Manifest, pods: Iterable[Manifest], at: datetime) -> list[float]:
    """Return for each ready pod how long it must stay ready to be available."""
    delay = replica_set["spec"].get("minReadySeconds") or 0
    waits = (seconds_to_available(pod, delay, at) for pod in pods)
    return [seconds for seconds in waits if seconds is not None]


def _labels(pod: Manifest) -> dict[str, str]:
    return pod["metadata"].get("labels") or {}


def _failed(replica_set: Manifest, message: str, at: datetime) -> Manifest:
    """Return the condition of a failure; its time stays while the failure does."""
    conditions = replica_set.get("status", {}).get("conditions") or []
    old = next((each for each in conditions if each["type"] == "ReplicaFailure"), None)
    return {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": message,
        "lastTransitionTime": old["lastTransitionTime"] if old else written(at),
    }
