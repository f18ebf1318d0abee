"""`metadata.generation`: bumped by what a user wants, never by what a controller reports."""

from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.objects import Object, same, without

COUNTED = (
    "Deployment",
    "ReplicaSet",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "CustomResourceDefinition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "EndpointSlice",
    "Pod",
    "HorizontalPodAutoscaler",
)
REPORTED = ("metadata", "status", "apiVersion", "kind")


def next_generation(new: Object, old: Object | None, resource: Resource) -> Object:
    """Return `new` with the generation that follows from `old`."""
    if not resource.custom and resource.kind not in COUNTED:
        return new
    if old is None:
        generation = 1
    else:
        generation = old["metadata"].get("generation", 1)
        ignored = REPORTED if resource.has_status else (*REPORTED[:1], *REPORTED[2:])
        generation += not same(without(new, *ignored), without(old, *ignored))
    return {**new, "metadata": {**new["metadata"], "generation": generation}}
