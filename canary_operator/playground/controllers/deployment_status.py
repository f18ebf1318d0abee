"""What a Deployment says about itself: counts and the conditions Available and Progressing."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from canary_operator.playground.client import Manifest
from canary_operator.playground.controllers.revisions import Revisions, counted, wanted_by
from canary_operator.playground.controllers.sizes import Limits
from canary_operator.playground.controllers.timestamps import read, written

NO_DEADLINE = 2**31 - 1
"""A `progressDeadlineSeconds` that means: never."""
DEFAULT_DEADLINE_SECONDS = 600


class Reason(StrEnum):
    """Why a condition is what it is, in Kubernetes' words."""

    MINIMUM_AVAILABLE = "MinimumReplicasAvailable"
    MINIMUM_UNAVAILABLE = "MinimumReplicasUnavailable"
    SET_CREATED = "NewReplicaSetCreated"
    SET_FOUND = "FoundNewReplicaSet"
    SET_UPDATED = "ReplicaSetUpdated"  # pods come, go or become ready
    SET_AVAILABLE = "NewReplicaSetAvailable"  # complete
    DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    PAUSED = "DeploymentPaused"
    RESUMED = "DeploymentResumed"


Conditions = tuple[Manifest, ...]


def condition_of(conditions: Iterable[Manifest], kind: str) -> Manifest | None:
    """Return the condition of a type."""
    return next((each for each in conditions if each["type"] == kind), None)


def with_condition(conditions: Conditions, new: Manifest, at: datetime) -> Conditions:
    """Return the conditions with `new` among them.

    The same status for the same reason stays as it is, times included; the transition time moves
    only when the status does.
    """
    old = condition_of(conditions, new["type"])
    if old and (old["status"], old.get("reason")) == (new["status"], new["reason"]):
        return conditions
    changed = old["lastTransitionTime"] if old and old["status"] == new["status"] else written(at)
    timed = {**new, "lastUpdateTime": written(at), "lastTransitionTime": changed}
    return (*without(conditions, new["type"]), timed)


def without(conditions: Conditions, kind: str) -> Conditions:
    """Return the conditions of all other types."""
    return tuple(each for each in conditions if each["type"] != kind)


def condition(kind: str, status: str, reason: str, message: str) -> Manifest:
    """Return a condition without times."""
    return {"type": kind, "status": status, "reason": reason, "message": message}


def deadline_seconds(deployment: Manifest) -> int | None:
    """Return how long a Deployment may go without progress; `None` for ever."""
    seconds = deployment["spec"].get("progressDeadlineSeconds", DEFAULT_DEADLINE_SECONDS)
    return None if seconds in (None, NO_DEADLINE) else int(seconds)


def counts(deployment: Manifest, revisions: Revisions, limits: Limits, at: datetime) -> Manifest:
    """Return the status with fresh counts and Available, its other conditions as they were."""
    every = revisions.all
    new = [revisions.new] if revisions.new else []
    available = _sum(every, "availableReplicas")
    enough = available >= limits.fewest_available
    status = deployment.get("status", {})
    numbers = {
        "replicas": _sum(every, "replicas"),
        "updatedReplicas": _sum(new, "replicas"),
        "readyReplicas": _sum(every, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(map(wanted_by, every)) - available),
        "collisionCount": status.get("collisionCount"),
    }
    return {
        "observedGeneration": deployment["metadata"]["generation"],
        **{name: number for name, number in numbers.items() if number},
        "terminatingReplicas": _sum(every, "terminatingReplicas"),
        "conditions": list(
            with_condition(tuple(status.get("conditions") or ()), _available(enough), at)
        ),
    }


def _available(enough: bool) -> Manifest:
    if enough:
        message = "Deployment has minimum availability."
        return condition("Available", "True", Reason.MINIMUM_AVAILABLE, message)
    message = "Deployment does not have minimum availability."
    return condition("Available", "False", Reason.MINIMUM_UNAVAILABLE, message)


def with_progress(
    deployment: Manifest, revisions: Revisions, fresh: Manifest, at: datetime
) -> Manifest:
    """Return the `fresh` status with its Progressing condition.

    Once complete, a Deployment stays "progressing" through scaling and lost pods: the deadline
    is about new templates only.
    """
    conditions = tuple(fresh["conditions"])
    deadline = deadline_seconds(deployment)
    before = condition_of(conditions, "Progressing")
    if deadline is None:
        conditions = without(conditions, "Progressing")
    elif not _was_complete(fresh, before):
        name = revisions.new["metadata"]["name"] if revisions.new else None
        who = f'ReplicaSet "{name}"' if name else f'Deployment "{deployment["metadata"]["name"]}"'
        conditions = _progress(deployment, fresh, before, who, at)
    conditions = _with_failure(conditions, revisions, at)
    return {**fresh, "conditions": list(conditions)}


def _progress(
    deployment: Manifest, fresh: Manifest, before: Manifest | None, who: str, at: datetime
) -> Conditions:
    conditions = tuple(fresh["conditions"])
    if is_complete(deployment, fresh):
        message = f"{who} has successfully progressed."
        new = condition("Progressing", "True", Reason.SET_AVAILABLE, message)
        return with_condition(conditions, new, at)
    if _moved(deployment.get("status", {}), fresh):
        new = condition("Progressing", "True", Reason.SET_UPDATED, f"{who} is progressing.")
        moved = with_condition(without(conditions, "Progressing"), new, at)
        if before and before["status"] == "True":  # the update time restarts the deadline
            moved[-1]["lastTransitionTime"] = before["lastTransitionTime"]
        return moved
    left = seconds_to_deadline(deployment, conditions, at)
    if left is not None and left <= 0:
        message = f"{who} has timed out progressing."
        late = condition("Progressing", "False", Reason.DEADLINE_EXCEEDED, message)
        return with_condition(conditions, late, at)
    return conditions


def is_complete(deployment: Manifest, status: Manifest) -> bool:
    """Return whether all pods are of the present template and available, and no others exist."""
    wanted = wanted_by(deployment)
    kinds = ("updatedReplicas", "replicas", "availableReplicas")
    return all(status.get(kind, 0) == wanted for kind in kinds)


def seconds_to_deadline(
    deployment: Manifest, conditions: Iterable[Manifest], at: datetime
) -> float | None:
    """Return the seconds left without progress; `None` where no deadline is running."""
    progressing = condition_of(conditions, "Progressing")
    deadline = deadline_seconds(deployment)
    if deadline is None or progressing is None:
        return None
    if progressing["reason"] in (Reason.SET_AVAILABLE, Reason.DEADLINE_EXCEEDED, Reason.PAUSED):
        return None
    until = read(progressing["lastUpdateTime"]) + timedelta(seconds=deadline)
    return (until - at).total_seconds()


def with_found_set(
    deployment: Manifest, replica_set: Manifest, at: datetime, *, created: bool
) -> Manifest:
    """Return the status after the ReplicaSet of the present template was made or found."""
    status: Manifest = deployment.get("status", {})
    conditions = tuple(status.get("conditions") or ())
    known = condition_of(conditions, "Progressing") is not None
    if deadline_seconds(deployment) is None or (known and not created):
        return status
    reason, verb = (Reason.SET_CREATED, "Created") if created else (Reason.SET_FOUND, "Found")
    message = f'{verb} new replica set "{replica_set["metadata"]["name"]}"'
    new = condition("Progressing", "True", reason, message)
    return {**status, "conditions": list(with_condition(conditions, new, at))}


def with_pause(deployment: Manifest, at: datetime) -> Manifest:
    """Return the status with a Progressing condition that says paused, or resumed.

    A pause hides the deadline, and the resume gives a new one. A Deployment that had already
    timed out stays so.
    """
    status: Manifest = deployment.get("status", {})
    conditions = tuple(status.get("conditions") or ())
    before = condition_of(conditions, "Progressing") or {}
    if deadline_seconds(deployment) is None or before.get("reason") == Reason.DEADLINE_EXCEEDED:
        return status
    was_paused = before.get("reason") == Reason.PAUSED
    is_paused = bool(deployment["spec"].get("paused"))
    if was_paused == is_paused:
        return status
    reason = Reason.PAUSED if is_paused else Reason.RESUMED
    message = f"Deployment is {'paused' if is_paused else 'resumed'}"
    new = condition("Progressing", "Unknown", reason, message)
    return {**status, "conditions": list(with_condition(conditions, new, at))}


def _was_complete(fresh: Manifest, before: Manifest | None) -> bool:
    only_new = fresh.get("replicas", 0) == fresh.get("updatedReplicas", 0)
    return only_new and before is not None and before["reason"] == Reason.SET_AVAILABLE


def _moved(before: Manifest, after: Manifest) -> bool:
    """Return whether pods of the new template came or became ready, or old ones went."""

    def grew(kind: str) -> bool:
        return bool(after.get(kind, 0) > before.get(kind, 0))

    def old(status: Manifest) -> int:
        return int(status.get("replicas", 0) - status.get("updatedReplicas", 0))

    kinds = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return any(map(grew, kinds)) or old(after) < old(before)


def _with_failure(conditions: Conditions, revisions: Revisions, at: datetime) -> Conditions:
    """Return the conditions with the reason why pods cannot be made, if so."""
    newest_first = [revisions.new, *revisions.old] if revisions.new else revisions.old
    for each in newest_first:
        failed = condition_of(each.get("status", {}).get("conditions") or (), "ReplicaFailure")
        if failed and failed["status"] == "True":
            plain = condition("ReplicaFailure", "True", failed["reason"], failed["message"])
            return with_condition(conditions, plain, at)
    return without(conditions, "ReplicaFailure")


def _sum(replica_sets: Iterable[Manifest], count: str) -> int:
    return sum(counted(each, count) for each in replica_sets)
