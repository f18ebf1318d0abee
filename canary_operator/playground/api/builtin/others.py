"""Defaults and checks of the smaller kinds."""

import base64
from collections.abc import Iterator

from canary_operator.playground.api.errors import Cause, invalid, required, unsupported
from canary_operator.playground.api.objects import Object, same, without

RBAC = "rbac.authorization.k8s.io"
NAME_LABEL = "kubernetes.io/metadata.name"
CPU_TARGET: Object = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}


def namespace(obj: Object) -> Object:
    """Return a Namespace with the label that selectors of namespaces rely on."""
    meta = obj["metadata"]
    if not meta.get("name"):
        return obj
    labels = {**(meta.get("labels") or {}), NAME_LABEL: meta["name"]}
    return {**obj, "metadata": {**meta, "labels": labels}}


def new_namespace(obj: Object) -> Object:
    """Return a Namespace that has just begun."""
    spec = {**(obj.get("spec") or {}), "finalizers": ["kubernetes"]}
    return {**namespace(obj), "spec": spec, "status": {"phase": "Active"}}


def secret(obj: Object) -> Object:
    """Return a Secret whose plain text is encoded."""
    out = {"type": "Opaque", **without(obj, "stringData")}
    texts = obj.get("stringData") or {}
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return {**out, "data": {**(obj.get("data") or {}), **encoded}} if encoded else out


def check_immutable(new: Object, old: Object) -> Iterator[Cause]:
    """Refuse changes of a ConfigMap or Secret that calls itself immutable."""
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield _kept("immutable", "field is immutable when `immutable` is set")
    for name in ("data", "binaryData"):
        if not same(new.get(name), old.get(name)):
            yield _kept(name, "field is immutable when `immutable` is set")


def _kept(field: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", field, f"Forbidden: {detail}")


def check_secret_kept(new: Object, old: Object) -> Iterator[Cause]:
    """Refuse another type, and changes of an immutable Secret."""
    if new.get("type") != old.get("type"):
        yield invalid("type", new.get("type"), "field is immutable")
    yield from check_immutable(new, old)


def scaler(obj: Object) -> Object:
    """Return a HorizontalPodAutoscaler with its defaults."""
    spec = {"minReplicas": 1, **(obj.get("spec") or {})}
    if not spec.get("metrics"):
        spec["metrics"] = [CPU_TARGET]
    return {**obj, "spec": spec}


def new_scaler(obj: Object) -> Object:
    """Return a HorizontalPodAutoscaler that no controller has seen."""
    return {**obj, "status": {"currentMetrics": None, "desiredReplicas": 0}}


def check_scaler(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with a HorizontalPodAutoscaler."""
    spec = obj["spec"]
    target = spec.get("scaleTargetRef") or {}
    low, high = spec["minReplicas"], spec.get("maxReplicas", 0)
    if low < 1:
        yield invalid("spec.minReplicas", low, "must be greater than or equal to 1")
    if high < low:
        detail = "must be greater than or equal to `minReplicas`"
        yield invalid("spec.maxReplicas", high, detail)
    for name in ("kind", "name"):
        if not target.get(name):
            yield required(f"spec.scaleTargetRef.{name}")
    if "/" not in target.get("apiVersion", ""):
        version = target.get("apiVersion", "")
        detail = "apiVersion must specify API group"
        yield invalid("spec.scaleTargetRef.apiVersion", version, detail)
    if high < 1:
        yield required("spec.maxReplicas")


def slice_of_endpoints(obj: Object) -> Object:
    """Return an EndpointSlice whose ports say all there is to say."""
    ports = obj.get("ports")
    if not ports:
        return obj
    return {**obj, "ports": [{"name": "", "protocol": "TCP", **port} for port in ports]}


def new_budget(obj: Object) -> Object:
    """Return a PodDisruptionBudget that no controller has seen."""
    counts = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
    return {**obj, "status": dict.fromkeys(counts, 0)}


def network_policy(obj: Object) -> Object:
    """Return a NetworkPolicy that says which directions it restricts."""
    spec = obj.get("spec") or {}
    types = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    return {**obj, "spec": {"policyTypes": types, **spec}}


def binding(obj: Object) -> Object:
    """Return a role binding whose references name their group."""
    role = {"apiGroup": RBAC, **(obj.get("roleRef") or {})}
    out = {**obj, "roleRef": role}
    if obj.get("subjects"):
        out["subjects"] = [_subject(subject) for subject in obj["subjects"]]
    return out


def _subject(subject: Object) -> Object:
    return {"apiGroup": RBAC, **subject} if subject.get("kind") in ("User", "Group") else subject


def check_binding(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with a role binding."""
    role = obj["roleRef"]
    if role.get("kind") not in ("Role", "ClusterRole"):
        yield unsupported("roleRef.kind", role.get("kind", ""), ["Role", "ClusterRole"])
    if not role.get("name"):
        yield required("roleRef.name")
    for index, subject in enumerate(obj.get("subjects") or ()):
        if not subject.get("name"):
            yield required(f"subjects[{index}].name")


def check_role_kept(new: Object, old: Object) -> Iterator[Cause]:
    """Refuse another role: a binding is made anew for that."""
    if not same(new["roleRef"], old["roleRef"]):
        names = {"apiGroup": "APIGroup", "kind": "Kind", "name": "Name"}
        role = {shown: new["roleRef"].get(name, "") for name, shown in names.items()}
        yield invalid("roleRef", role, "field is immutable")


def lease(obj: Object) -> Object:
    """Return a Lease without the fields of coordinated election, which is off by default."""
    return {**obj, "spec": without(obj.get("spec") or {}, "preferredHolder", "strategy")}


def check_lease(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with a Lease."""
    spec = obj.get("spec") or {}
    if spec.get("leaseDurationSeconds", 1) <= 0:
        yield invalid(
            "spec.leaseDurationSeconds", spec["leaseDurationSeconds"], "must be greater than 0"
        )
    if spec.get("leaseTransitions", 0) < 0:
        detail = "must be greater than or equal to 0"
        yield invalid("spec.leaseTransitions", spec["leaseTransitions"], detail)
