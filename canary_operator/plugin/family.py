"""What belongs to a rollout in the cluster: Deployments, ReplicaSets and pods, as people see them.

Read from the objects as the API server has them; nothing in them is taken for granted.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from canary_operator.domain.objects import CANARY, REVISION, STABLE, TRACK_LABEL
from canary_operator.plugin.harmless import harmless_object
from canary_operator.plugin.sight import images_of

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod."""

    name: str
    state: str
    """What it does, in one word: `Running`, `Pending`, `CrashLoopBackOff` …"""
    ready: bool
    restarts: int
    created_at: datetime | None
    trouble: str = ""
    """Why it is not ready, where it says so."""
    ready_containers: int = 0
    containers: int = 0
    """Those that are to stay: init containers that end are none of them."""


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    """The pods of one template."""

    name: str
    revision: str
    ready: int
    replicas: int
    created_at: datetime | None
    images: Mapping[str, str]
    pods: tuple[Pod, ...] = ()


@dataclass(frozen=True, slots=True)
class Track:
    """One Deployment, stable's or the canary's."""

    track: str
    name: str
    revision: str
    available: int
    replicas: int
    created_at: datetime | None
    images: Mapping[str, str]
    replica_sets: tuple[ReplicaSet, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """Both tracks; one that is not there yet is left out."""

    tracks: tuple[Track, ...] = ()
    hidden: str = ""
    """Why something cannot be shown, such as a right that is missing."""

    @property
    def images(self) -> Mapping[str, str]:
        """The images of each revision that is there, by revision, as one text."""
        return {track.revision: ", ".join(track.images.values()) for track in self.tracks}


def family_of(
    deployments: Iterable[Manifest],
    replica_sets: Iterable[Manifest],
    pods: Iterable[Manifest],
    hidden: str = "",
) -> Family:
    """Return who belongs to whom, by controller ownership."""
    sets, members = harmless_object(list(replica_sets)), harmless_object(list(pods))
    tracks = [_track(one, sets, members) for one in harmless_object(list(deployments))]
    order = {STABLE: 0, CANARY: 1}
    return Family(tuple(sorted(tracks, key=lambda one: order.get(one.track, 2))), hidden)


def _track(deployment: Manifest, sets: list[Manifest], pods: list[Manifest]) -> Track:
    meta, spec, status = _parts(deployment)
    own = [_replica_set(one, pods) for one in _owned_by(meta, sets)]
    shown = [one for one in own if one.pods or one.replicas]
    return Track(
        track=(meta.get("labels") or {}).get(TRACK_LABEL) or "",
        name=meta.get("name") or "",
        revision=(meta.get("annotations") or {}).get(REVISION) or "",
        available=status.get("availableReplicas") or 0,
        replicas=spec.get("replicas") or 0,
        created_at=_time(meta),
        images=images_of(spec.get("template") or {}),
        replica_sets=tuple(sorted(shown, key=_newest_first)),
    )


def _newest_first(one: ReplicaSet) -> tuple[float, str]:
    return (-one.created_at.timestamp() if one.created_at else 0.0, one.name)


def _replica_set(manifest: Manifest, pods: list[Manifest]) -> ReplicaSet:
    meta, spec, status = _parts(manifest)
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    own = sorted((_pod(one) for one in _owned_by(meta, pods)), key=lambda pod: pod.name)
    return ReplicaSet(
        name=meta.get("name") or "",
        revision=labels.get(REVISION) or "",
        ready=status.get("readyReplicas") or 0,
        replicas=spec.get("replicas") or 0,
        created_at=_time(meta),
        images=images_of(template),
        pods=tuple(own),
    )


def _pod(manifest: Manifest) -> Pod:
    meta, spec, status = _parts(manifest)
    first, main = (_objects(status, key) for key in ("initContainerStatuses", "containerStatuses"))
    conditions = {one.get("type"): one for one in _objects(status, "conditions")}
    ready = (conditions.get("Ready") or {}).get("status") == "True"
    sidecars = {one.get("name") for one in _objects(spec, "initContainers") if _stays(one)}
    staying = [*main, *(one for one in first if one.get("name") in sidecars)]
    begun = (conditions.get("Initialized") or {}).get("status") == "True"
    initializing = None if begun else _initializing(spec, first, sidecars)
    reason, message = initializing or _reason(staying, ready=ready)
    state = reason or status.get("reason") or status.get("phase") or "Unknown"
    return Pod(
        name=meta.get("name") or "",
        state="Terminating" if meta.get("deletionTimestamp") else state,
        ready=ready,
        restarts=sum(one.get("restartCount") or 0 for one in (*first, *main)),
        created_at=_time(meta),
        trouble=message or _unschedulable(conditions),
        ready_containers=sum(bool(one.get("ready")) for one in staying),
        containers=max(len(sidecars) + len(_objects(spec, "containers")), len(staying)),
    )


def _stays(init: Mapping[str, Any]) -> bool:
    """Whether an init container is a sidecar, which goes on beside the others."""
    return init.get("restartPolicy") == "Always"


def _initializing(
    spec: Mapping[str, Any], statuses: list[Mapping[str, Any]], sidecars: set[Any]
) -> tuple[str, str] | None:
    """Return reason and message of the first init container that is not over, as kubectl does.

    None when all are over: what the other containers do counts then.
    """
    whole = max(len(_objects(spec, "initContainers")), len(statuses))
    for index, one in enumerate(statuses):
        waiting, terminated = (_state(one, key) for key in ("waiting", "terminated"))
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if one.get("name") in sidecars and one.get("started"):
            continue
        if terminated is not None:
            return f"Init:{_how_it_ended(terminated)}", terminated.get("message") or ""
        reason = (waiting or {}).get("reason")
        if waiting is not None and reason and reason != "PodInitializing":
            return f"Init:{reason}", waiting.get("message") or ""
        return f"Init:{index}/{whole}", ""
    return None


def _reason(containers: list[Mapping[str, Any]], *, ready: bool) -> tuple[str, str]:
    """Return why a container does not run, and its message: first of those that wait."""
    for one in containers:
        waiting = _state(one, "waiting")
        if waiting is not None and waiting.get("reason"):
            return waiting["reason"], waiting.get("message") or ""
    ended = [found for one in containers if (found := _state(one, "terminated")) is not None]
    if not ended:
        return "", ""
    reason = _how_it_ended(ended[0])
    if reason == "Completed" and len(ended) < len(containers):
        return "Running" if ready else "NotReady", ""
    return reason, ended[0].get("message") or ""


def _how_it_ended(terminated: Mapping[str, Any]) -> str:
    signal, code = terminated.get("signal"), terminated.get("exitCode") or 0
    return terminated.get("reason") or (f"Signal:{signal}" if signal else f"ExitCode:{code}")


def _state(container: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """Return what is said of a container that is in this state; None where it is not."""
    state = container.get("state")
    found = state.get(kind) if isinstance(state, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _objects(part: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return [one for one in part.get(key) or () if isinstance(one, Mapping)]


def _unschedulable(conditions: Mapping[Any, Mapping[str, Any]]) -> str:
    scheduled = conditions.get("PodScheduled") or {}
    return (scheduled.get("message") or "") if scheduled.get("status") == "False" else ""


def _owned_by(owner: Mapping[str, Any], manifests: list[Manifest]) -> Iterator[Manifest]:
    uid = owner.get("uid")
    for one in manifests:
        references = (one.get("metadata") or {}).get("ownerReferences") or ()
        if any(each.get("uid") == uid and each.get("controller") for each in references):
            yield one


def _parts(manifest: Manifest) -> tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]:
    meta, spec, status = (manifest.get(part) or {} for part in ("metadata", "spec", "status"))
    return meta, spec, status


def _time(meta: Mapping[str, Any]) -> datetime | None:
    created = meta.get("creationTimestamp")
    return datetime.fromisoformat(created) if created else None
