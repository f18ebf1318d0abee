"""Roles: what is wrong with them, and those that every cluster has.

The rules for people are those of kube-apiserver 1.36 (`kubectl get clusterroles view edit admin`),
as far as this server serves their resources.
"""

from collections.abc import Iterator

from canary_operator.playground.api.errors import Cause, invalid, required
from canary_operator.playground.api.objects import Object

RBAC = "rbac.authorization.k8s.io"
READ = ("get", "list", "watch")
WRITE = ("create", "delete", "deletecollection", "patch", "update")
OF_THE_SERVER = {"kubernetes.io/bootstrapping": "rbac-defaults"}


def _rule(verbs: tuple[str, ...], groups: str, resources: str) -> Object:
    """Return a rule; groups are separated by commas, resources by spaces."""
    return {"verbs": [*verbs], "apiGroups": groups.split(","), "resources": resources.split()}


VIEW = (
    _rule(
        READ,
        "",
        "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods "
        "serviceaccounts services services/status",
    ),
    _rule(READ, "", "namespaces namespaces/status pods/log pods/status"),
    _rule(READ, ",events.k8s.io", "events"),
    _rule(READ, "discovery.k8s.io", "endpointslices"),
    _rule(
        READ,
        "apps",
        "controllerrevisions deployments deployments/scale deployments/status replicasets "
        "replicasets/scale replicasets/status",
    ),
    _rule(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    _rule(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
    _rule(READ, "networking.k8s.io", "networkpolicies"),
)
EDIT = (
    _rule(READ, "", "secrets"),
    _rule(WRITE, "", "configmaps persistentvolumeclaims pods secrets serviceaccounts services"),
    _rule(("create",), "", "pods/eviction serviceaccounts/token"),
    _rule(WRITE, ",events.k8s.io", "events"),
    _rule(WRITE, "apps", "deployments deployments/scale replicasets replicasets/scale"),
    _rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
    _rule(WRITE, "policy", "poddisruptionbudgets"),
    _rule(WRITE, "networking.k8s.io", "networkpolicies"),
    _rule((*READ, *WRITE), "coordination.k8s.io", "leases"),
)
ADMIN = (
    _rule(("create",), "authorization.k8s.io", "localsubjectaccessreviews"),
    _rule((*READ, *WRITE), RBAC, "rolebindings roles"),
)


def of_every_cluster() -> Iterator[Object]:
    """Iterate over the ClusterRoles that a cluster has from the beginning."""
    everything: Object = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    anywhere: Object = {"verbs": ["*"], "nonResourceURLs": ["*"]}
    yield _cluster_role("cluster-admin", {"rules": [everything, anywhere]})
    for name, rules, next_role in (
        ("view", VIEW, "edit"),
        ("edit", EDIT, "admin"),
        ("admin", ADMIN, ""),
    ):
        gathered = {"clusterRoleSelectors": [{"matchLabels": _gathered_by(name)}]}
        yield _cluster_role(name, {"aggregationRule": gathered}, next_role)
        yield _cluster_role(f"system:aggregate-to-{name}", {"rules": [*rules]}, name)


def _gathered_by(name: str) -> dict[str, str]:
    return {f"{RBAC}/aggregate-to-{name}": "true"} if name else {}


def _cluster_role(name: str, content: Object, gathered_by: str = "") -> Object:
    labels = {**OF_THE_SERVER, **_gathered_by(gathered_by)}
    return {"metadata": {"name": name, "labels": labels}, **content}


def check(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with the rules of a Role or a ClusterRole."""
    for index, rule in enumerate(obj.get("rules") or ()):
        yield from _check_rule(rule, f"rules[{index}]", namespaced=obj["kind"] == "Role")


def _check_rule(rule: Object, where: str, *, namespaced: bool) -> Iterator[Cause]:
    urls = rule.get("nonResourceURLs")
    if not rule.get("verbs"):
        yield required(f"{where}.verbs", "verbs must contain at least one value")
    if urls:
        if namespaced:
            detail = "namespaced rules cannot apply to non-resource URLs"
            yield invalid(f"{where}.nonResourceURLs", urls, detail)
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            detail = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid(f"{where}.nonResourceURLs", urls, detail)
        return
    if not rule.get("apiGroups"):
        yield required(f"{where}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield required(f"{where}.resources", "resource rules must supply at least one resource")
