"""What the server does with each built-in kind beside storing it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from canary_operator.playground.api import crds
from canary_operator.playground.api.builtin import (
    autoscalers,
    events,
    others,
    pod_defaults,
    pods,
    roles,
    services,
    workloads,
)
from canary_operator.playground.api.errors import Cause
from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.objects import Object, without
from canary_operator.playground.api.policies import checks as policies


def _unchanged(obj: Object) -> Object:
    return obj


def _fine(_: Object) -> Iterable[Cause]:
    return ()


def _free(_: Object, __: Object) -> Iterable[Cause]:
    return ()


@dataclass(frozen=True)
class Strategy:
    """The rules of one kind; without any, it is plain storage."""

    default: Callable[[Object], Object] = _unchanged
    """Fills in what may be left out; runs on every write, so it must be repeatable."""

    first: Callable[[Object], Object] = _unchanged
    """Sets what a new object starts with, such as an empty status."""

    check: Callable[[Object], Iterable[Cause]] = _fine
    check_update: Callable[[Object, Object], Iterable[Cause]] = _free
    check_status: Callable[[Object], Iterable[Cause]] = _fine
    zero: Object | None = None
    """The structs that a Go object always has; nobody becomes the manager of an empty one."""


PLAIN = Strategy()
BINDING = Strategy(others.binding, check=others.check_binding, check_update=others.check_role_kept)
STRATEGIES: Mapping[str, Strategy] = {
    "ConfigMap": Strategy(check_update=others.check_immutable),
    "ClusterRole": Strategy(check=roles.check),
    "ClusterRoleBinding": BINDING,
    "ControllerRevision": Strategy(
        check=workloads.check_revision, check_update=workloads.check_revision_kept
    ),
    "CustomResourceDefinition": Strategy(
        crds.with_defaults, crds.new, crds.check, zero={"spec": {"names": {}}}
    ),
    "Deployment": Strategy(
        workloads.deployment,
        workloads.new_deployment,
        workloads.check_deployment,
        workloads.check_selector_kept,
        workloads.check_status,
        workloads.ZERO_DEPLOYMENT,
    ),
    "EndpointSlice": Strategy(others.slice_of_endpoints),
    "Event": Strategy(
        events.with_defaults,
        check=events.check_core,
        check_update=events.check_update,
        zero=events.ZERO,
    ),
    "HorizontalPodAutoscaler": Strategy(
        autoscalers.with_defaults,
        others.new_scaler,
        autoscalers.check,
        zero={"spec": {"scaleTargetRef": {}}},
    ),
    "Lease": Strategy(others.lease, check=others.check_lease, zero={"spec": {}}),
    "Namespace": Strategy(others.namespace, others.new_namespace, zero={"spec": {}, "status": {}}),
    "NetworkPolicy": Strategy(others.network_policy, zero={"spec": {"podSelector": {}}}),
    "Pod": Strategy(
        pod_defaults.pod,
        pod_defaults.new_pod,
        pods.check,
        pods.check_update,
        zero={"spec": {"containers": None}},
    ),
    "PodDisruptionBudget": Strategy(first=others.new_budget, zero={"spec": {}}),
    "ReplicaSet": Strategy(
        workloads.replica_set,
        workloads.new_replica_set,
        workloads.check_replica_set,
        workloads.check_selector_kept,
        workloads.check_status,
        workloads.ZERO_REPLICA_SET,
    ),
    "Role": Strategy(check=roles.check),
    "RoleBinding": BINDING,
    "Secret": Strategy(others.secret, check_update=others.check_secret_kept),
    "Service": Strategy(
        services.with_defaults,
        services.new,
        services.check,
        services.check_update,
        services.check_status,
        services.ZERO,
    ),
    "ValidatingAdmissionPolicy": Strategy(
        policies.with_defaults, check=policies.check_policy, zero={"spec": {}, "status": {}}
    ),
    "ValidatingAdmissionPolicyBinding": Strategy(
        policies.binding_with_defaults, check=policies.check_binding, zero={"spec": {}}
    ),
}
NEW_EVENT = replace(STRATEGIES["Event"], check=events.check_new, zero=events.NEW_ZERO)


def of(resource: Resource) -> Strategy:
    """Return the strategy of a built-in resource."""
    if resource.group == "events.k8s.io":
        return NEW_EVENT
    return STRATEGIES.get(resource.kind, PLAIN)


MADE_BY_REPLACING = (
    *("ClusterRole", "ClusterRoleBinding", "Endpoints", "Event"),
    *("Lease", "Role", "RoleBinding", "Service"),
)
"""Kinds of which a replacement (PUT) makes an object that is not there."""


def replaces_known_versions(resource: Resource) -> bool:
    """Tell whether a replacement must name the version that it replaces."""
    return resource.custom or resource.kind == "Lease"


def through_door(new: Object, old: Object, resource: Resource, subresource: str) -> Object:
    """Return what of `new` may pass: the status door writes status only, the main door the rest."""
    if not resource.has_status or subresource not in ("", "status"):
        return new
    if subresource == "":
        out = without(new, "status")
        return {**out, "status": old["status"]} if "status" in old else out
    if resource.custom:
        fields = {"managedFields": new["metadata"].get("managedFields")}
        out = {**old, "metadata": {**old["metadata"], **{k: v for k, v in fields.items() if v}}}
    else:
        kept = {k: v for k, v in old.items() if k not in ("metadata", "status")}
        labels = old["metadata"].get("labels")
        meta = without(new["metadata"], "labels")
        out = {**kept, "metadata": {**meta, "labels": labels} if labels else meta}
    out = without(out, "status")
    return {**out, "status": new["status"]} if "status" in new else out
