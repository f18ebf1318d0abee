"""What the caches keep of each kind: the fields that decisions and comparisons use.

Whatever is only compared or handed on whole is packed; two thousand rollouts have four thousand
Deployments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from canary_operator.adapters.cluster.encoding import pack
from canary_operator.adapters.cluster.trouble import deployment_trouble, pod_trouble
from canary_operator.domain.objects import (
    CANARY,
    GROUP,
    MANAGER,
    REVISION,
    ROLLOUT_LABEL,
    SETTINGS_ANNOTATION,
    STABLE,
    TRACK_LABEL,
    track_name,
)
from canary_operator.domain.words import REQUEST_ANNOTATION

Body = Mapping[str, Any]

_ENDS = tuple(track_name("", track) for track in (STABLE, CANARY))
"""How names of the tracks' Services end."""


class Comparable(Protocol):
    """Something whose live manifest can be compared with the wanted one."""

    @property
    def manifest(self) -> bytes:
        """Packed labels, annotations of ours, and spec."""
        ...


@dataclass(frozen=True, slots=True)
class SeenRollout:
    """A CanaryRollout."""

    generation: int
    deleting: bool
    finalizers: tuple[str, ...]
    request: str | None
    created: str
    spec: bytes
    status: bytes


@dataclass(frozen=True, slots=True)
class SeenDeployment:
    """A Deployment of ours."""

    manifest: bytes
    revision: str | None
    replicas: int
    current: bool
    """Whether its controller has seen the spec, so that the counts speak of it."""
    pods: int
    updated: int
    ready: int
    available: int
    trouble: str | None
    owns_replicas: bool
    """Whether our next apply takes `replicas` away, if it does not speak of it."""


@dataclass(frozen=True, slots=True)
class SeenAutoscaler:
    """A HorizontalPodAutoscaler of ours."""

    manifest: bytes
    least: int
    most: int
    desired: int
    ambiguous: bool
    """Whether it rests, as another one counts the same pods."""


@dataclass(frozen=True, slots=True)
class SeenPod:
    """A pod of ours."""

    track: str | None
    revision: str | None
    trouble: str | None


@dataclass(frozen=True, slots=True)
class SeenRecord:
    """A ControllerRevision of ours."""

    revision: str
    number: int
    template: bytes
    settings: str


@dataclass(frozen=True, slots=True)
class SeenManifest:
    """An object that has no status of interest."""

    manifest: bytes


def _labels(body: Body) -> Mapping[str, str]:
    return body["metadata"].get("labels") or {}


def _annotations(body: Body) -> Mapping[str, str]:
    return body["metadata"].get("annotations") or {}


def _manifest(body: Body) -> bytes:
    ours = {name: value for name, value in _annotations(body).items() if name.startswith(GROUP)}
    labels = dict(_labels(body))
    metadata = {"labels": labels, "annotations": ours}
    return pack({"metadata": metadata, "spec": body.get("spec") or {}})


def see_rollout(body: Body) -> SeenRollout:
    """Keep what matters of a CanaryRollout."""
    meta = body["metadata"]
    return SeenRollout(
        generation=meta.get("generation", 0),
        deleting="deletionTimestamp" in meta,
        finalizers=tuple(meta.get("finalizers") or ()),
        request=_annotations(body).get(REQUEST_ANNOTATION),
        created=meta.get("creationTimestamp") or "",
        spec=pack(body.get("spec") or {}),
        status=pack(body.get("status") or {}),
    )


def see_deployment(body: Body) -> SeenDeployment:
    """Keep what matters of a Deployment."""
    status = body.get("status") or {}
    generation = body["metadata"].get("generation", 0)
    return SeenDeployment(
        manifest=_manifest(body),
        revision=_annotations(body).get(REVISION),
        replicas=body["spec"].get("replicas", 1),
        current=status.get("observedGeneration", 0) >= generation,
        pods=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        trouble=deployment_trouble(status),
        owns_replicas=any(map(_owns_replicas, body["metadata"].get("managedFields") or ())),
    )


def _owns_replicas(entry: Body) -> bool:
    applied = (entry.get("manager"), entry.get("operation")) == (MANAGER, "Apply")
    return applied and "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})


def see_autoscaler(body: Body) -> SeenAutoscaler:
    """Keep what matters of a HorizontalPodAutoscaler: not what it measured, which changes often."""
    spec, status = body.get("spec") or {}, body.get("status") or {}
    return SeenAutoscaler(
        manifest=_manifest(body),
        least=spec.get("minReplicas", 1),
        most=spec.get("maxReplicas", 0),
        desired=status.get("desiredReplicas", 0),
        ambiguous=any(map(_is_ambiguous, status.get("conditions") or ())),
    )


def _is_ambiguous(condition: Body) -> bool:
    return condition.get("status") == "False" and condition.get("reason") == "AmbiguousSelector"


def see_pod(body: Body) -> SeenPod:
    """Keep what matters of a pod."""
    labels = _labels(body)
    return SeenPod(labels.get(TRACK_LABEL), labels.get(REVISION), pod_trouble(body))


def see_record(body: Body) -> SeenRecord:
    """Keep what matters of a ControllerRevision."""
    data = body.get("data") or {}
    annotations = _annotations(body)
    return SeenRecord(
        revision=annotations.get(REVISION, ""),
        number=body.get("revision", 0),
        template=pack(data.get("template") or {}),
        settings=annotations.get(SETTINGS_ANNOTATION, "{}"),
    )


def see_manifest(body: Body) -> SeenManifest:
    """Keep what matters of a Service or of an object of a router."""
    return SeenManifest(_manifest(body))


def may_be_split(body: Body) -> bool:
    """Whether a VirtualService is a rollout's, or sends requests to what may be a track's Service.

    All others are of no interest, and a cluster may have thousands of them.
    """
    if ROLLOUT_LABEL in _labels(body):
        return True
    routes = (body.get("spec") or {}).get("http") or ()
    hosts = (
        (entry.get("destination") or {}).get("host") or ""
        for route in routes
        for entry in route.get("route") or ()
    )
    return any(host.partition(".")[0].endswith(_ENDS) for host in hosts)


def see_route(body: Body) -> SeenManifest:
    """Keep what matters of a VirtualService: all annotations, as the spec may give any of them."""
    metadata = {"labels": dict(_labels(body)), "annotations": dict(_annotations(body))}
    return SeenManifest(pack({"metadata": metadata, "spec": body.get("spec") or {}}))
