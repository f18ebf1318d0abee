"""The doors beside the main one: scale, binding, eviction, finalize and tokens."""

import uuid
from typing import Any

from canary_operator.playground.api import patches
from canary_operator.playground.api.deletion import delete
from canary_operator.playground.api.errors import (
    APIError,
    Cause,
    bad_request,
    invalid,
    unprocessable,
)
from canary_operator.playground.api.kinds import Resource, ScalePaths
from canary_operator.playground.api.objects import Object, dig, timestamp, with_value
from canary_operator.playground.api.operations import Operations
from canary_operator.playground.api.options import DeleteOptions, WriteOptions
from canary_operator.playground.api.scales import scale_of
from canary_operator.playground.api.targets import Target

SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def rescale(
    operations: Operations, target: Target, kind: str, body: Any, options: WriteOptions
) -> Object:
    """Change the wanted replicas by a whole Scale (`kind` empty) or by a patch of one.

    Raises:
        APIError: the number is negative (422), or the write is refused as any other.
    """
    resource = target.resource
    old = operations.read(target)
    scale = scale_of(old, resource)
    new = patches.apply(kind, scale, body, _PATCHABLE) if kind else body
    if not isinstance(new, dict) or new.get("kind", "Scale") != "Scale":
        raise bad_request("the object provided is unrecognized (must be of type Scale)")
    replicas = dig(new, "spec", "replicas", default=0)
    name = target.name
    if not isinstance(replicas, int) or replicas < 0:
        detail = "must be greater than or equal to 0"
        cause: Cause = invalid("spec.replicas", replicas, detail)
        raise unprocessable("autoscaling", "Scale", name, [cause])
    paths = resource.scale or ScalePaths()
    changed = with_value(old, paths.replicas, replicas)
    version = dig(new, "metadata", "resourceVersion") or old["metadata"]["resourceVersion"]
    changed = with_value(changed, ("metadata", "resourceVersion"), version)
    return scale_of(operations.commit(target, old, changed, options), resource)


_PATCHABLE = Resource("autoscaling", "v1", "scales", "Scale", model="V1Scale")


def bind(operations: Operations, target: Target, body: Object, options: WriteOptions) -> Object:
    """Put a pod on a node.

    Raises:
        APIError: it is on one already (409).
    """
    old = operations.read(target)
    node = dig(body, "target", "name", default="")
    if old["spec"].get("nodeName"):
        message = (
            f'Operation cannot be fulfilled on pods/binding "{target.name}": pod {target.name} is '
            f'already assigned to node "{old["spec"]["nodeName"]}"'
        )
        details = {"name": target.name, "kind": "pods/binding"}
        raise APIError(409, "Conflict", message, details)
    conditions = dig(old, "status", "conditions", default=[])
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
    scheduled["lastTransitionTime"] = timestamp()
    others = [c for c in conditions if c["type"] != "PodScheduled"]
    operations.proposals.judge("CREATE", target, options, new=_body(body, "v1", "Binding"))
    new = with_value(old, ("spec", "nodeName"), node)
    new = with_value(new, ("status", "conditions"), [*others, scheduled])
    if not options.dry_run:
        operations.store.put(target.resource.storage, target.key, new)
    return {**SUCCESS, "code": 201}


def evict(operations: Operations, target: Target, body: Object, options: WriteOptions) -> Object:
    """Delete a pod as a drain does."""
    operations.proposals.judge("CREATE", target, options, new=_body(body, "policy/v1", "Eviction"))
    wanted = body.get("deleteOptions") or {}
    grace = wanted.get("gracePeriodSeconds")
    delete(operations, target, DeleteOptions(dry_run=options.dry_run, grace_seconds=grace))
    return {**SUCCESS, "code": 201}


def _body(body: Object, version: str, kind: str) -> Object:
    return {"apiVersion": version, "kind": kind, **body}


def token(operations: Operations, target: Target, body: Object, options: WriteOptions) -> Object:
    """Answer a TokenRequest with a token that names its service account."""
    request = _body(body, "authentication.k8s.io/v1", "TokenRequest")
    operations.proposals.judge("CREATE", target, options, new=request)
    value = f"playground:system:serviceaccount:{target.namespace}:{target.name}:{uuid.uuid4()}"
    seconds = dig(body, "spec", "expirationSeconds", default=3600)
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": target.name, "namespace": target.namespace},
        "spec": {"audiences": [], "expirationSeconds": seconds, **(body.get("spec") or {})},
        "status": {"token": value, "expirationTimestamp": timestamp(seconds)},
    }
