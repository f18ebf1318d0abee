"""Words for the stories of this folder: manifests, and waiting for what a watch says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from canary_operator.playground.client import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    PODS,
    ChangeKind,
    Client,
    Manifest,
    Resource,
)

SECONDS = 20.0
"""More than any story waits for one thing."""

Items = list[Manifest]


def deployment(image: str = "app:v1", replicas: int = 4, **spec: Any) -> Manifest:
    """Return a Deployment called web."""
    ports = [{"name": "http", "containerPort": 8080}]
    return {
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "app", "image": image, "ports": ports}]},
            },
            **spec,
        },
    }


SERVICE: Manifest = {
    "metadata": {"name": "web"},
    "spec": {
        "selector": {"app": "web"},
        "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
    },
}


async def histories(client: Client, resource: Resource, namespace: str) -> AsyncIterator[Items]:
    """Yield all objects after each change."""
    known: dict[str, Manifest] = {}
    synced = False
    async with aclosing(client.watch(resource, namespace)) as changes:
        async for change in changes:
            if change.kind is ChangeKind.DELETED:
                known.pop(change.object["metadata"]["uid"], None)
            elif change.kind is not ChangeKind.SYNCED:
                known[change.object["metadata"]["uid"]] = change.object
            synced = synced or change.kind is ChangeKind.SYNCED
            if synced:
                yield list(known.values())


async def until(
    client: Client, resource: Resource, namespace: str, holds: Callable[[Items], Any]
) -> Items:
    """Wait until `holds` is true of all objects, and return them."""
    seen: Items = []
    try:
        async with (
            asyncio.timeout(SECONDS),
            aclosing(histories(client, resource, namespace)) as states,
        ):
            async for seen in states:
                if holds(seen):
                    return seen
    except TimeoutError as error:
        raise AssertionError(f"did not come true of {seen}") from error
    raise AssertionError("unreachable: a watch never ends")


async def until_deployment(
    client: Client, namespace: str, holds: Callable[[Manifest], Any]
) -> Manifest:
    """Wait for an up-to-date status of the Deployment for which `holds` is true."""

    def all_hold(items: Items) -> bool:
        return any(
            each.get("status", {}).get("observedGeneration") == each["metadata"]["generation"]
            and holds(each)
            for each in items
        )

    [found] = await until(client, DEPLOYMENTS, namespace, all_hold)
    return found


async def until_pods(client: Client, namespace: str, holds: Callable[[Items], Any]) -> Items:
    """Wait for pods."""
    return await until(client, PODS, namespace, holds)


async def until_endpoints(client: Client, namespace: str, holds: Callable[[Items], Any]) -> Items:
    """Wait for what all slices of the namespace list together."""

    def all_hold(items: Items) -> Any:
        return holds(endpoints(items))

    return endpoints(await until(client, ENDPOINT_SLICES, namespace, all_hold))


def endpoints(slices: Items) -> Items:
    """Return the endpoints of all slices."""
    return [each for item in slices for each in item.get("endpoints") or []]


def is_complete(replicas: int) -> Callable[[Manifest], bool]:
    """Return a check for a finished rollout."""

    def check(item: Manifest) -> bool:
        kinds = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        return all(item["status"].get(kind, 0) == replicas for kind in kinds)

    return check


def reason(item: Manifest, kind: str) -> tuple[str, str] | None:
    """Return status and reason of a condition."""
    conditions = item.get("status", {}).get("conditions") or []
    return next((((c["status"], c["reason"])) for c in conditions if c["type"] == kind), None)


def is_ready(pod: Manifest) -> bool:
    """Return whether a pod is ready."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def container(pod: Manifest) -> Manifest:
    """Return the status of a pod's only container."""
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    status: Manifest = statuses[0]
    return status


def waiting_reason(pod: Manifest) -> str:
    """Return why a pod's container waits."""
    reason: str = container(pod).get("state", {}).get("waiting", {}).get("reason", "")
    return reason
