"""A rollout as a repository has it, and what a look at it must not change."""

from collections.abc import Mapping
from typing import Any

from canary_operator.playground.client import DEPLOYMENTS, REPLICA_SETS, SERVICES, Resource
from tests.gitops.tools import Tool
from tests.support.bed import VIRTUAL_SERVICES, Bed, Release, condition, quick_spec
from tests.support.clusters import eventually

RECORDS = Resource("controllerrevisions", "apps")
FAMILY = (DEPLOYMENTS, REPLICA_SETS, SERVICES, VIRTUAL_SERVICES, RECORDS)
LONG = {**quick_spec()["strategy"], "steps": [{"weight": 20, "hold": "10m"}]}


async def repository(bed: Bed) -> Release:
    """Return a rollout that no tool has applied yet."""
    namespace = await bed.cluster.namespace()
    weight = bed.weights.of(namespace, "web")
    traffic = bed.telemetry.traffic(namespace, "web", weight=weight, requests_per_second=60)
    return Release(bed, namespace, "web", quick_spec(strategy=LONG), traffic)


async def sync(tool: Tool, release: Release, **changes: Any) -> bool:
    """Commit changes of the spec and let the tool apply them; return whether it had to write."""
    release.spec = {**release.spec, **changes}
    return await tool.apply(release.manifest())


def is_ready(status: Mapping[str, Any]) -> bool:
    """Whether stable serves what the spec asks for."""
    return condition(status, "Ready")["status"] == "True"


async def at_rest(release: Release) -> dict[str, Any]:
    """Wait until the rollout is ready, the router was told, and the canary's pods may go."""
    status = await release.until(is_ready)
    await release.until_weight(0)
    await no_canary(release)
    return status


async def no_canary(release: Release) -> None:
    """Wait until the canary's pods are to go."""

    async def scaled_down() -> bool:
        listed = await release.bed.client.list(
            REPLICA_SETS, release.namespace, labelSelector="canary-operator.dev/track=canary"
        )
        canary = await release.deployment("canary")
        return all(one["spec"]["replicas"] == 0 for one in (canary, *listed["items"]))

    await eventually(scaled_down)


async def family(release: Release) -> dict[str, Any]:
    """Return what belongs to the rollout, without what changes by itself."""
    found = {}
    for kind in FAMILY:
        listed = await release.bed.client.list(kind, release.namespace)
        for each in listed["items"]:
            meta = each["metadata"]
            body = {key: each.get(key) for key in ("spec", "data")}
            marks = {key: meta.get(key) for key in ("uid", "generation", "labels")}
            found[kind.plural, meta["name"]] = (marks, body)
    return found


async def looked_again(release: Release, label: str) -> dict[str, Any]:
    """Return the status after the operator has seen everything that was written so far."""
    request = f"resume//{label}"  # refused, because nothing is paused
    await release.ask(request)
    status = await release.until(lambda s: (s.get("lastRequest") or {}).get("value") == request)
    await release.until_request_answered("Refused")
    return status


LASTING = ("phase", "stableRevision", "canaryRevision", "step", "weight", "attempt", "history")


def lasting(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a look at the same thing must not change."""
    return {key: status.get(key) for key in LASTING} | {
        "attempt": (status.get("attempt") or {}).get("startedAt")
    }
