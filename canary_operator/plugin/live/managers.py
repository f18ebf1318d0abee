"""Tools that write an object from a file of their own, and may set back what a person changes."""

from collections.abc import Mapping
from typing import Any

ARGO_PREFIX = "argocd.argoproj.io/"
ARGO_TRACKING = f"{ARGO_PREFIX}tracking-id"
INSTANCE = "app.kubernetes.io/instance"

_NAMED: Mapping[str, str] = {
    "kustomize.toolkit.fluxcd.io/name": "Flux (Kustomization {})",
    "helm.toolkit.fluxcd.io/name": "Flux (HelmRelease {})",
    "meta.helm.sh/release-name": "Helm (release {})",
}
"""Labels and annotations that name the tool's own object; Flux before the Helm that it drives."""


def manager_of(manifest: Mapping[str, Any]) -> str | None:
    """Return the tool that manages an object, with its name for it; None where none does.

    The label `app.kubernetes.io/instance` alone says nothing: charts and people set it, too.
    """
    meta = manifest.get("metadata") or {}
    marks = {**(meta.get("labels") or {}), **(meta.get("annotations") or {})}
    return next((found for find in (_argo, _by_name) if (found := find(marks))), None)


def _argo(marks: Mapping[str, str]) -> str | None:
    if not any(key.startswith(ARGO_PREFIX) for key in marks):
        return None
    application = marks.get(ARGO_TRACKING, "").partition(":")[0]
    application = application or marks.get(f"{ARGO_PREFIX}instance") or marks.get(INSTANCE) or ""
    return f"Argo CD (application {application})" if application else "Argo CD"


def _by_name(marks: Mapping[str, str]) -> str | None:
    return next((words.format(marks[key]) for key, words in _NAMED.items() if marks.get(key)), None)


def hint_about(manifest: Mapping[str, Any]) -> str | None:
    """Return a sentence for a person who changes an object that a tool manages."""
    manager = manager_of(manifest)
    if manager is None:
        return None
    return f"{manager} manages this object and may set it back: change it there, too."
