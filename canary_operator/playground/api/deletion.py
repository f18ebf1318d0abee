"""Delete: preconditions, grace, finalizers and what happens to dependents."""

from canary_operator.playground.api import crds
from canary_operator.playground.api.errors import Cause, conflict, forbidden_field, unprocessable
from canary_operator.playground.api.gc import FOREGROUND, ORPHAN
from canary_operator.playground.api.objects import Object, timestamp
from canary_operator.playground.api.operations import Operations
from canary_operator.playground.api.options import DeleteOptions
from canary_operator.playground.api.targets import Target

DEFINITION = "CustomResourceDefinition"
DEFAULT_GRACE_SECONDS = 30
RETURNED = ("Pod", "Service", "ServiceAccount", "PersistentVolumeClaim")
"""Kinds whose delete answers with the object, even when it is gone."""


def delete(operations: Operations, target: Target, options: DeleteOptions) -> tuple[Object, bool]:
    """Delete an object; return its last state and whether it is gone.

    Raises:
        APIError: there is none (404), or a precondition does not hold (409).
    """
    old = operations.read(target)
    _check_preconditions(target, old, options)
    operations.proposals.judge("DELETE", target, options, old=old)
    if target.resource.kind == "Namespace":
        return _terminate_namespace(operations, target, old, options), False
    new, finalizers = old, _finalizers(old, options)
    if target.resource.kind == DEFINITION and crds.CLEANUP not in finalizers:
        finalizers = [*finalizers, crds.CLEANUP]  # stays until its objects are gone
    waits = bool(finalizers) or _grace(target, old, options) > 0
    if not waits:
        if not options.dry_run:
            old = operations.store.remove(target.resource.storage, target.key).obj
        return (_marked(target, old, options, []) if target.resource.kind == "Pod" else old), True
    new = _marked(target, old, options, finalizers)
    if new != old and not options.dry_run:
        new = operations.store.put(target.resource.storage, target.key, new).obj
    return new, False


def _check_preconditions(target: Target, old: Object, options: DeleteOptions) -> None:
    meta, resource = old["metadata"], target.resource
    checks = (
        ("UID", options.uid, meta["uid"], "deleted and then recreated"),
        ("ResourceVersion", options.resource_version, meta["resourceVersion"], "modified"),
    )
    for name, wanted, found, why in checks:
        if wanted is not None and wanted != found:
            detail = (
                f"the {name} in the precondition ({wanted}) does not match the {name} in record "
                f"({found}). The object might have been {why}"
            )
            raise conflict(resource.group, resource.kind, target.name, detail)


def _finalizers(old: Object, options: DeleteOptions) -> list[str]:
    """Return the finalizers with those that the propagation policy asks for."""
    kept = [f for f in old["metadata"].get("finalizers") or () if f not in (FOREGROUND, ORPHAN)]
    wanted = {"Foreground": [FOREGROUND], "Orphan": [ORPHAN]}.get(options.propagation, [])
    return kept + wanted


def _grace(target: Target, old: Object, options: DeleteOptions) -> int:
    """Return how long the object may take; only pods on a node take any time."""
    if target.resource.kind != "Pod" or not old["spec"].get("nodeName"):
        return 0
    if old.get("status", {}).get("phase") in ("Failed", "Succeeded"):
        return 0
    if options.grace_seconds is not None:
        return options.grace_seconds
    seconds: int = old["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
    return seconds


def _marked(target: Target, old: Object, options: DeleteOptions, finalizers: list[str]) -> Object:
    meta = dict(old["metadata"])
    grace = _grace(target, old, options)
    first = "deletionTimestamp" not in meta
    if first or grace < meta.get("deletionGracePeriodSeconds", 0):
        meta["deletionTimestamp"] = timestamp(grace)
        if target.resource.kind == DEFINITION:
            old = crds.terminating(old)
        else:
            meta["deletionGracePeriodSeconds"] = grace
            if "generation" in meta:
                meta["generation"] += first
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)
    return {**old, "metadata": meta}


def _terminate_namespace(
    operations: Operations, target: Target, old: Object, options: DeleteOptions
) -> Object:
    if old["metadata"].get("deletionTimestamp"):
        return old
    if target.name in ("default", "kube-system", "kube-public"):
        causes: list[Cause] = [forbidden_field("", "this namespace may not be deleted")]
        raise unprocessable("", "Namespace", target.name, causes)
    new = _marked(target, old, options, list(old["metadata"].get("finalizers") or ()))
    new = {**new, "status": {**new.get("status", {}), "phase": "Terminating"}}
    if options.dry_run:
        return new
    return operations.store.put(target.resource.storage, target.key, new).obj


def may_go(obj: Object) -> bool:
    """Tell whether a marked object has nothing left to wait for."""
    meta = obj["metadata"]
    return bool(
        meta.get("deletionTimestamp")
        and not meta.get("finalizers")
        and not meta.get("deletionGracePeriodSeconds")
    )
