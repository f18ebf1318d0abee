"""The kinds of objects that the operator reads and writes."""

from dataclasses import dataclass
from urllib.parse import quote

from canary_operator.domain.objects import GROUP, ROLLOUT_LABEL, VERSION


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind, as URLs and messages name it."""

    group: str
    version: str
    plural: str
    kind: str
    selector: str | None = None
    """Label selector of the objects that concern us."""

    @property
    def full_name(self) -> str:
        """Name as `kubectl get` and RBAC messages write it, for example `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(
        self, namespace: str | None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """Return the URL path; without a namespace that of all namespaces."""
        parts = [f"/apis/{self.group}" if self.group else "/api", self.version]
        parts += ["namespaces", quote(namespace, safe="")] if namespace else []
        parts += [self.plural, *(quote(one, safe="") for one in (name, subresource) if one)]
        return "/".join(parts)


ROLLOUTS = Resource(GROUP, VERSION, "canaryrollouts", "CanaryRollout")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", ROLLOUT_LABEL)
SERVICES = Resource("", "v1", "services", "Service", ROLLOUT_LABEL)
RECORDS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision", ROLLOUT_LABEL)
PODS = Resource("", "v1", "pods", "Pod", ROLLOUT_LABEL)
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet", ROLLOUT_LABEL)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
AUTOSCALERS = Resource(
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", ROLLOUT_LABEL
)
EVENTS = Resource("", "v1", "events", "Event")
DESTINATION_RULES = Resource(
    "networking.istio.io", "v1", "destinationrules", "DestinationRule", ROLLOUT_LABEL
)
VIRTUAL_SERVICES = Resource("networking.istio.io", "v1", "virtualservices", "VirtualService")
"""All of them: those that a rollout may split for their owners have no label of ours."""
