"""A namespace on a cluster, and the adapters under test in front of it."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kubernetes.aio.client.configuration import Configuration

import canary_operator.playground
from canary_operator.adapters.cluster.cache import Caches, ObjectCache
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.resources import (
    AUTOSCALERS,
    DEPLOYMENTS,
    DESTINATION_RULES,
    PODS,
    RECORDS,
    ROLLOUTS,
    SERVICES,
    VIRTUAL_SERVICES,
    Resource,
)
from canary_operator.adapters.cluster.rollouts import ClusterRollouts
from canary_operator.adapters.cluster.workloads import ClusterWorkloads
from canary_operator.domain.spec import RolloutSpec, parse_spec
from canary_operator.ports import Key, Rollout
from tests.support.clusters import Cluster, load_definitions

ISTIO_DEFINITIONS = Path(canary_operator.playground.__file__).parent / "crds"

TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "app", "image": "web:v1"}]},
}
SPEC = {"replicas": 2, "template": TEMPLATE, "service": {"port": 80, "targetPort": 8080}}


def template(image: str = "web:v1", **container: Any) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": image, **container}]},
    }


def spec_of(**changes: Any) -> RolloutSpec:
    fixed = {"replicas"} if "autoscaling" in changes else set()
    return parse_spec({name: one for name, one in SPEC.items() if name not in fixed} | changes)


class World:
    """What a test of the adapters needs: our client and caches, and hands of somebody else."""

    def __init__(self, cluster: Cluster, namespace: str, client: Client, calls: Counter) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.client = client
        self.calls = calls
        """Requests of our client, by verb and resource."""
        self.caches = Caches()
        self.rollouts = ClusterRollouts(client, self.caches)
        self.workloads = ClusterWorkloads(client, self.caches)

    async def rollout(self, name: str = "web", **changes: Any) -> Rollout:
        """Create a CanaryRollout and return it as our cache sees it."""
        body = {
            "apiVersion": "canary-operator.dev/v1alpha1",
            "kind": "CanaryRollout",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {**SPEC, **changes},
        }
        await self.cluster.client.request("POST", ROLLOUTS.path(self.namespace), body)
        await self.look(ROLLOUTS, name)
        return self.rollout_now(name)

    def rollout_now(self, name: str = "web") -> Rollout:
        rollout = self.rollouts.get(Key(self.namespace, name))
        assert rollout is not None
        return rollout

    def cache_of(self, resource: Resource) -> ObjectCache[Any]:
        caches = self.caches
        return {
            ROLLOUTS: caches.rollouts,
            DEPLOYMENTS: caches.deployments,
            AUTOSCALERS: caches.autoscalers,
            SERVICES: caches.services,
            RECORDS: caches.records,
            PODS: caches.pods,
            VIRTUAL_SERVICES: caches.virtual_services,
            DESTINATION_RULES: caches.destination_rules,
        }[resource]

    async def look(self, resource: Resource, name: str) -> dict[str, Any]:
        """Do what a watch would: bring the present state of one object into the cache."""
        body = await self.get(resource, name)
        self.cache_of(resource).saw("MODIFIED", body)
        return body

    async def get(self, resource: Resource, name: str) -> dict[str, Any]:
        return await self.cluster.client.request("GET", resource.path(self.namespace, name))

    async def edit(self, resource: Resource, name: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Change something by hand, and let the watch see it."""
        await self.cluster.client.request(
            "PATCH",
            resource.path(self.namespace, name),
            patch,
            ctype="application/merge-patch+json",
            params={"fieldManager": "by-hand"},
        )
        return await self.look(resource, name)

    async def scale(self, name: str, replicas: int) -> None:
        """Scale a Deployment as an autoscaler does, and let the watch see it."""
        await self.cluster.client.request(
            "PATCH",
            DEPLOYMENTS.path(self.namespace, name, "scale"),
            {"spec": {"replicas": replicas}},
            ctype="application/merge-patch+json",
            params={"fieldManager": "an-autoscaler"},
        )
        await self.look(DEPLOYMENTS, name)

    async def delete(self, resource: Resource, name: str, *, seen: bool = False) -> None:
        """Delete something by hand; the watch tells only when `seen`."""
        before = await self.get(resource, name)
        await self.cluster.client.request("DELETE", resource.path(self.namespace, name))
        if seen:
            version = int(before["metadata"]["resourceVersion"]) + 1
            meta = {**before["metadata"], "resourceVersion": str(version)}
            self.cache_of(resource).saw("DELETED", {**before, "metadata": meta})

    def writes(self) -> int:
        return sum(n for (verb, _), n in self.calls.items() if verb not in {"get", "list"})


@asynccontextmanager
async def world_in(cluster: Cluster) -> AsyncIterator[World]:
    await load_definitions(cluster.client, ISTIO_DEFINITIONS)
    calls: Counter = Counter()
    configuration = Configuration(host=cluster.url)
    if cluster.access.ca_file:
        configuration.ssl_ca_cert = str(cluster.access.ca_file)
    if cluster.token:
        configuration.api_key["BearerToken"] = f"Bearer {cluster.token}"

    def count(verb: str, resource: str, code: int, _: float) -> None:
        assert code >= 0
        calls[verb, resource] += 1

    async with Client(configuration, count) as client:
        yield World(cluster, await cluster.namespace(), client, calls)
