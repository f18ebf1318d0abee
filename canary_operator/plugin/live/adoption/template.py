"""The pod template as its author wrote it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary_operator.domain.revision import revision_of
from canary_operator.plugin.live.adoption.defaults import without_defaults

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""What `kubectl rollout restart` leaves: it means nothing, but would be part of the revision."""


@dataclass(frozen=True, slots=True)
class WrittenTemplate:
    """A pod template without defaults."""

    content: Mapping[str, Any]
    applied: bool
    """Whether it is what was applied, rather than what runs with the defaults taken out."""
    changed_since: bool
    """Whether something else was applied, and changed in the cluster since."""
    restarted: bool
    """Whether a mark of `kubectl rollout restart` was left out."""


def written_template(deployment: Mapping[str, Any]) -> WrittenTemplate:
    """Return the pod template of a Deployment as its author wrote it.

    What kubectl remembers of the last apply counts where it still is what runs; else what runs
    does, without the defaults of the API server.
    """
    running = (deployment.get("spec") or {}).get("template") or {}
    cleaned, restarted = _without_restart(without_defaults(running))
    applied = _applied(deployment)
    same = applied is not None and _means(applied) == _means(cleaned)
    return WrittenTemplate(
        content=applied if same and applied is not None else cleaned,
        applied=same,
        changed_since=applied is not None and not same,
        restarted=restarted,
    )


def _means(template: Mapping[str, Any]) -> str:
    return revision_of(_without_restart(without_defaults(template))[0])


def _applied(deployment: Mapping[str, Any]) -> Mapping[str, Any] | None:
    annotations = (deployment.get("metadata") or {}).get("annotations") or {}
    try:
        template = json.loads(annotations[LAST_APPLIED])["spec"]["template"]
    except (KeyError, TypeError, ValueError):
        return None
    return _without_stamp(template) if isinstance(template, Mapping) else None


def _without_stamp(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """Drop `creationTimestamp: null`, which `kubectl create --dry-run` writes into files."""
    meta = template.get("metadata")
    if not isinstance(meta, Mapping) or meta.get("creationTimestamp", 0) is not None:
        return template
    kept = {key: value for key, value in meta.items() if key != "creationTimestamp"}
    return {**template, "metadata": kept}


def _without_restart(template: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    meta = template.get("metadata") or {}
    annotations = dict(meta.get("annotations") or {})
    if RESTARTED_AT not in annotations:
        return template, False
    del annotations[RESTARTED_AT]
    others = {key: value for key, value in meta.items() if key != "annotations"}
    kept = {**others, **({"annotations": annotations} if annotations else {})}
    return {**template, "metadata": kept}, True
