"""The objects that make up a rollout, as the operator wants them.

Every function returns a complete manifest of what we own and nothing else. Labels and annotations
of the CanaryRollout are not copied: the tracking labels of GitOps tools would make them prune our
objects.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canary_operator.domain.anchors import anchor_reference
from canary_operator.domain.revision import revision_of
from canary_operator.domain.spec.autoscaling import Autoscaling
from canary_operator.domain.spec.schema import plain
from canary_operator.domain.spec.service import ServicePort

GROUP = "canary-operator.dev"
VERSION = "v1alpha1"
KIND = "CanaryRollout"

ROLLOUT_LABEL = f"{GROUP}/rollout"
"""Name of the rollout, on everything that belongs to it."""
TRACK_LABEL = f"{GROUP}/track"
REVISION = f"{GROUP}/revision"
"""Annotation of a Deployment and label of its pods: which template they were made from."""
SETTINGS_ANNOTATION = f"{GROUP}/settings"
SCALING_ANNOTATION = f"{GROUP}/scaling"
"""Which `metrics` and `behavior` an autoscaler was given. What is left out of them shows nowhere
else: the API server fills it in, and an apply that does not follow takes nothing away."""
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGER = "canary-operator"

REJECTED_ANNOTATION = f"{GROUP}/rejected"
"""Revision that a rollback took the traffic from, on the router's object; empty while there is
none.

It is always written, so that taking it away takes it away from whoever wrote it too.
"""
REJECTED_BECAUSE_ANNOTATION = f"{GROUP}/rejected-because"

PLAIN_TRACK_LABEL = "track"
"""For people and dashboards; selects nothing, so a template may use it for something else."""

STABLE = "stable"
CANARY = "canary"

_STRATEGIES: Mapping[str, Mapping[str, Any]] = {
    STABLE: {"maxUnavailable": 0, "maxSurge": "25%"},
    # The template of the canary changes only while it has no traffic: nothing waits for old pods.
    CANARY: {"maxUnavailable": "100%", "maxSurge": "100%"},
}
_OLD_REPLICA_SETS = 2
"""Old templates come from our own records; ReplicaSets are kept for people who look back."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The CanaryRollout that an object belongs to."""

    name: str
    namespace: str
    uid: str
    anchor: str | None = None
    """uid of what its objects stay with while it is deleted; None where nothing keeps it then."""


def track_name(rollout: str, track: str) -> str:
    """Return the name of the Deployment and of the Service of one track."""
    return f"{rollout}-{track}"


def record_name(rollout: str, revision: str) -> str:
    """Return the name of the ControllerRevision of one revision."""
    return f"{rollout}-{revision}"


def metadata(
    owner: Owner,
    name: str,
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the metadata of an object that the rollout controls."""
    return {
        "name": name,
        "namespace": owner.namespace,
        "labels": {ROLLOUT_LABEL: owner.name, MANAGED_BY_LABEL: MANAGER, **(labels or {})},
        **({"annotations": dict(annotations)} if annotations else {}),
        "ownerReferences": list(_owners(owner)),
    }


def _owners(owner: Owner) -> Iterator[dict[str, Any]]:
    yield {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    if owner.anchor is not None:
        yield anchor_reference(owner.name, owner.uid, owner.anchor)


def deployment(
    owner: Owner, track: str, *, revision: str, template: Mapping[str, Any], replicas: int | None
) -> dict[str, Any]:
    """Return the Deployment of one track.

    Args:
        owner: The rollout.
        track: `stable` or `canary`.
        revision: Identity of `template`.
        template: The pod template as the user wrote it.
        replicas: Pods; None where an autoscaler has the word.
    """
    size = {} if replicas is None else {"replicas": replicas}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(
            owner,
            track_name(owner.name, track),
            labels={TRACK_LABEL: track},
            annotations={REVISION: revision},
        ),
        "spec": {
            **size,
            "selector": {"matchLabels": _selector(owner, track)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": dict(_STRATEGIES[track])},
            "revisionHistoryLimit": _OLD_REPLICA_SETS,
            "template": _pod_template(owner, track, revision, template),
        },
    }


def autoscaler(
    owner: Owner, track: str, *, least: int, most: int, scaling: Autoscaling
) -> dict[str, Any]:
    """Return the HorizontalPodAutoscaler of one track.

    Args:
        owner: The rollout.
        track: `stable` or `canary`.
        least: Pods below which it must not go now.
        most: Pods beyond which it must not go.
        scaling: What it follows, and how fast.
    """
    name = track_name(owner.name, track)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    metrics = {"metrics": without_nulls(plain(scaling.metrics))} if scaling.metrics else {}
    behavior = {"behavior": without_nulls(plain(scaling.behavior))} if scaling.behavior else {}
    given = {SCALING_ANNOTATION: revision_of({**metrics, **behavior})}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(owner, name, labels={TRACK_LABEL: track}, annotations=given),
        "spec": {
            "scaleTargetRef": target,
            "minReplicas": least,
            "maxReplicas": most,
            **metrics,
            **behavior,
        },
    }


def _selector(owner: Owner, track: str) -> dict[str, str]:
    return {ROLLOUT_LABEL: owner.name, TRACK_LABEL: track}


def _pod_template(
    owner: Owner, track: str, revision: str, template: Mapping[str, Any]
) -> dict[str, Any]:
    written = without_nulls(dict(template))
    meta = written.get("metadata", {})
    labels = {
        PLAIN_TRACK_LABEL: track,
        **meta.get("labels", {}),
        **_selector(owner, track),
        REVISION: revision,
    }
    return {**written, "metadata": {**meta, "labels": labels}}


def without_nulls(value: Any) -> Any:
    """Drop fields that are null: for the API server they are absent."""
    match value:
        case dict():
            return {key: without_nulls(item) for key, item in value.items() if item is not None}
        case list():
            return [without_nulls(item) for item in value]
        case _:
            return value


def apex_service(
    owner: Owner,
    ports: Iterable[ServicePort],
    *,
    track: str | None = STABLE,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the Service that callers use.

    Args:
        owner: The rollout.
        ports: What it listens on.
        track: Whose pods it selects; None for those of both.
        annotations: What a router has to remember.
    """
    meta = metadata(owner, owner.name, annotations=annotations)
    selector = {ROLLOUT_LABEL: owner.name} if track is None else _selector(owner, track)
    return _service(meta, selector, [_service_port(port) for port in ports])


def track_services(owner: Owner, ports: Iterable[ServicePort]) -> Iterator[dict[str, Any]]:
    """Return the Services of one track each.

    They are Services of their own because Istio cannot tell to which subset of a Service a failed
    connection belongs.
    """
    entries = [_service_port(port) for port in ports]
    for track in (STABLE, CANARY):
        meta = metadata(owner, track_name(owner.name, track), labels={TRACK_LABEL: track})
        yield _service(meta, _selector(owner, track), entries)


def services(owner: Owner, ports: Sequence[ServicePort]) -> Iterator[dict[str, Any]]:
    """Return the Service that callers use, then one for each track.

    The first one selects stable pods only, so callers outside the mesh never meet a canary.
    """
    yield apex_service(owner, ports)
    yield from track_services(owner, ports)


MATCH = "match"
"""End of the name of the Service for what stable serves of the requests that a canary is for."""


def match_service(owner: Owner, ports: Iterable[ServicePort]) -> dict[str, Any]:
    """Return the Service for what stable serves of the group that a focused canary is for.

    It selects the same pods as that of stable; telemetry tells requests apart by its name.
    """
    meta = metadata(owner, track_name(owner.name, MATCH), labels={TRACK_LABEL: STABLE})
    return _service(meta, _selector(owner, STABLE), [_service_port(port) for port in ports])


def _service(
    meta: dict[str, Any], selector: dict[str, str], ports: list[dict[str, Any]]
) -> dict[str, Any]:
    spec = {"selector": selector, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def _service_port(port: ServicePort) -> dict[str, Any]:
    protocol = {"appProtocol": port.app_protocol} if port.app_protocol else {}
    return {
        "name": port.name,
        "port": port.port,
        "targetPort": port.target_port,
        "protocol": "TCP",
        **protocol,
    }


def controller_revision(
    owner: Owner,
    *,
    revision: str,
    template: Mapping[str, Any],
    settings: Mapping[str, Any],
    number: int,
) -> dict[str, Any]:
    """Return the record of an accepted spec.

    `data` cannot be changed once it is written, so the settings, which may change while the
    template stays, live in an annotation.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata(
            owner,
            record_name(owner.name, revision),
            annotations={REVISION: revision, SETTINGS_ANNOTATION: settings_text(settings)},
        ),
        "data": {"template": template},
        "revision": number,
    }


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return the settings as they are written into a record: equal settings, equal text."""
    return json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
