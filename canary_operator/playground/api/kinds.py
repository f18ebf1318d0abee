"""What a resource is, and the built-in ones."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from canary_operator.playground.api.builtin_schema import model_schema
from canary_operator.playground.api.cel import RuleNode
from canary_operator.playground.api.objects import Schema, group_version

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class ScalePaths:
    """Where the scale subresource finds its values; paths are tuples of field names."""

    replicas: tuple[str, ...] = ("spec", "replicas")
    status: tuple[str, ...] = ("status", "replicas")
    selector: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Column:
    """One column of `kubectl get`; priority above 0 shows with `-o wide` only."""

    name: str
    type: str
    path: str
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True)
class Resource:
    """One served resource in one version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    model: str = ""
    singular: str = ""
    list_kind: str = ""
    scale: ScalePaths | None = None
    schema_of_crd: Schema | None = None
    rules: RuleNode | None = None
    columns: tuple[Column, ...] = ()
    verbs: tuple[str, ...] = VERBS
    storage: tuple[str, str] = ("", "")
    custom: bool = False
    selectable: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """Return `apiVersion` of its objects."""
        return group_version(self.group, self.version)

    @property
    def schema(self) -> Schema:
        """Return the schema of its objects."""
        return model_schema(self.model) if self.schema_of_crd is None else self.schema_of_crd

    @property
    def has_status(self) -> bool:
        """Tell whether status has its own door, so that the main one ignores it."""
        return "status" in self.subresources


def _builtin(group: str, line: str) -> Resource:
    cells = [*line.split("|"), *[""] * 8]
    plural, kind, scope, short, categories, subresources, model, version = cells[:8]
    subs = tuple(filter(None, subresources.split(",")))
    selector = ("status", "selector") if kind == "StatefulSet" else None
    return Resource(
        group=group,
        version=version or "v1",
        plural=plural,
        kind=kind,
        namespaced=scope == "ns",
        short_names=tuple(filter(None, short.split(","))),
        categories=tuple(filter(None, categories.split(","))),
        subresources=subs,
        model=model or f"V1{kind}",
        singular=kind.lower(),
        list_kind=f"{kind}List",
        scale=ScalePaths(selector=selector) if "scale" in subs else None,
        storage=(group, plural),
    )


# plural|kind|scope|short names|categories|subresources|model|version
TABLE: Mapping[str, tuple[str, ...]] = {
    "": (
        "configmaps|ConfigMap|ns|cm",
        "endpoints|Endpoints|ns|ep",
        "events|Event|ns|ev|||CoreV1Event",
        "namespaces|Namespace||ns||status,finalize",
        "nodes|Node||no||status",
        "persistentvolumeclaims|PersistentVolumeClaim|ns|pvc||status",
        "pods|Pod|ns|po|all|status,binding,eviction",
        "secrets|Secret|ns",
        "serviceaccounts|ServiceAccount|ns|sa||token",
        "services|Service|ns|svc|all|status",
    ),
    "apps": (
        "controllerrevisions|ControllerRevision|ns",
        "deployments|Deployment|ns|deploy|all|status,scale",
        "replicasets|ReplicaSet|ns|rs|all|status,scale",
    ),
    "events.k8s.io": ("events|Event|ns|ev|||EventsV1Event",),
    "autoscaling": (
        (
            "horizontalpodautoscalers|HorizontalPodAutoscaler|ns|hpa|all|status"
            "|V2HorizontalPodAutoscaler|v2"
        ),
    ),
    "policy": ("poddisruptionbudgets|PodDisruptionBudget|ns|pdb||status",),
    "networking.k8s.io": ("networkpolicies|NetworkPolicy|ns|netpol",),
    "rbac.authorization.k8s.io": (
        "clusterrolebindings|ClusterRoleBinding",
        "clusterroles|ClusterRole",
        "rolebindings|RoleBinding|ns",
        "roles|Role|ns",
    ),
    "coordination.k8s.io": ("leases|Lease|ns",),
    "discovery.k8s.io": ("endpointslices|EndpointSlice|ns",),
    "admissionregistration.k8s.io": (
        "mutatingwebhookconfigurations|MutatingWebhookConfiguration|||api-extensions",
        "validatingadmissionpolicies|ValidatingAdmissionPolicy|||api-extensions|status",
        "validatingadmissionpolicybindings|ValidatingAdmissionPolicyBinding|||api-extensions",
        "validatingwebhookconfigurations|ValidatingWebhookConfiguration|||api-extensions",
    ),
    "apiextensions.k8s.io": (
        "customresourcedefinitions|CustomResourceDefinition||crd,crds|api-extensions|status",
    ),
    "authentication.k8s.io": (
        "selfsubjectreviews|SelfSubjectReview|||||V1SelfSubjectReview",
        "tokenreviews|TokenReview|||||V1TokenReview",
    ),
    "authorization.k8s.io": (
        "localsubjectaccessreviews|LocalSubjectAccessReview|ns||||V1LocalSubjectAccessReview",
        "selfsubjectaccessreviews|SelfSubjectAccessReview|||||V1SelfSubjectAccessReview",
        "selfsubjectrulesreviews|SelfSubjectRulesReview|||||V1SelfSubjectRulesReview",
        "subjectaccessreviews|SubjectAccessReview|||||V1SubjectAccessReview",
    ),
}
REVIEWS = ("authentication.k8s.io", "authorization.k8s.io")


def _special(resource: Resource) -> Resource:
    """Apply what the table has no column for."""
    if resource.group in REVIEWS:  # asked, never stored
        return replace(resource, verbs=("create",))
    if resource.group == "events.k8s.io":  # the core group stores them
        return replace(resource, storage=("", "events"))
    return resource


def builtins() -> tuple[Resource, ...]:
    """Return every built-in resource."""
    return tuple(
        _special(_builtin(group, line)) for group, lines in TABLE.items() for line in lines
    )


GROUP_PRIORITY = (
    "",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
)
