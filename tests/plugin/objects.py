"""CanaryRollouts as they stand in a cluster, without an operator that made them so."""

from typing import Any

from canary_operator.playground.client import MERGE, Client
from canary_operator.playground.local import ROLLOUTS
from canary_operator.plugin.sight import Sight
from tests.support.bed import quick_spec

STABLE, CANARY, OTHER = "57ab1e0000", "ca0a4e0000", "07e4000000"

ON_TRIAL: dict[str, Any] = {
    "observedGeneration": 1,
    "phase": "Progressing",
    "message": "Step 1 of 2: 20 %, held until 10:00:00Z.",
    "stableRevision": STABLE,
    "canaryRevision": CANARY,
    "weight": 20,
}
AT_REST: dict[str, Any] = {
    "observedGeneration": 1,
    "phase": "Stable",
    "message": f"Revision {STABLE} serves everything.",
    "stableRevision": STABLE,
    "weight": 0,
}
ROLLED_BACK: dict[str, Any] = {**AT_REST, "phase": "RolledBack", "rejectedRevision": CANARY}


def rollout(
    status: dict[str, Any] | None = None,
    *,
    name: str = "web",
    namespace: str = "demo",
    spec: dict[str, Any] | None = None,
    **meta: Any,
) -> dict[str, Any]:
    """Return an object as the API server sends it."""
    return {
        "apiVersion": "canary-operator.dev/v1alpha1",
        "kind": "CanaryRollout",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": "u1",
            "generation": 1,
            "resourceVersion": "7",
            "creationTimestamp": "2026-11-28T10:00:00Z",
            **meta,
        },
        "spec": quick_spec() if spec is None else spec,
        "status": status or {},
    }


def sight(status: dict[str, Any] | None = None, **changes: Any) -> Sight:
    """Return one look at such an object."""
    return Sight.of(rollout(status, **changes))


async def create(
    client: Client, namespace: str, status: dict[str, Any] | None = None, name: str = "web"
) -> dict[str, Any]:
    """Create a rollout with a status, in a cluster where no operator runs."""
    body = {"metadata": {"name": name}, "spec": quick_spec()}
    body |= {"apiVersion": "canary-operator.dev/v1alpha1", "kind": "CanaryRollout"}
    made = await client.create(ROLLOUTS, body, namespace)
    return await write_status(client, namespace, status, name) if status else made


async def write_status(
    client: Client, namespace: str, status: dict[str, Any], name: str = "web"
) -> dict[str, Any]:
    """Write a status as the operator would."""
    body = {"status": status}
    return await client.patch(ROLLOUTS, name, body, namespace, ctype=MERGE, subresource="status")


async def annotate(
    client: Client, namespace: str, value: str | None, name: str = "web"
) -> dict[str, Any]:
    """Set the request annotation, or take it back."""
    body = {"metadata": {"annotations": {"canary-operator.dev/request": value}}}
    return await client.patch(ROLLOUTS, name, body, namespace, ctype=MERGE)
