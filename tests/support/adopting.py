"""Somebody's Deployment behind a Service, and a CanaryRollout that takes their place, on a bed."""

from collections.abc import Callable
from typing import Any

from canary_operator.playground.client import (
    APPLY,
    DEPLOYMENTS,
    SERVICES,
    Manifest,
    NotFoundError,
    Resource,
)
from canary_operator.playground.local import ROLLOUTS
from tests.support.bed import Bed, Release, quick_spec, template
from tests.support.clusters import READY_SECONDS, eventually

RECORDS = Resource("controllerrevisions", "apps")
COLLECTOR_SECONDS = 30.0
"""How often Kubernetes' garbage collector asks which kinds there are."""
ADOPT = "canary-operator.dev/adopt"
ROLLOUT = "canary-operator.dev/rollout"
BEFORE = "canary-operator.dev/replicas-before"
OURS = {ROLLOUT: "web", "canary-operator.dev/track": "stable"}


class Shop:
    """A namespace where somebody runs a Deployment behind a Service."""

    def __init__(self, bed: Bed, namespace: str, name: str = "web") -> None:
        self.bed = bed
        self.namespace = namespace
        self.name = name

    async def apply_deployment(self, version: str = "v1", replicas: int | None = 3) -> None:
        """Apply the Deployment as `kubectl apply --server-side` does."""
        counted = {} if replicas is None else {"replicas": replicas}
        selector = {"matchLabels": {"app": "web"}}
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {**counted, "selector": selector, "template": template(version)},
        }
        await self.bed.client.patch(
            DEPLOYMENTS,
            self.name,
            body,
            self.namespace,
            ctype=APPLY,
            fieldManager="gitops",
            force="true",
        )

    async def apply_service(self, *, given: bool = True, **port: Any) -> None:
        """Apply the Service, which its owner may give to the rollout."""
        entry = {"name": "http", "port": 80, "targetPort": "http", **port}
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "annotations": {ADOPT: self.name} if given else {},
            },
            "spec": {"selector": {"app": "web"}, "ports": [entry]},
        }
        await self.bed.client.patch(
            SERVICES,
            self.name,
            body,
            self.namespace,
            ctype=APPLY,
            fieldManager="gitops",
            force="true",
        )

    async def adopt(self, *, wait: bool = True, **changes: Any) -> Release:
        """Apply a CanaryRollout that takes its pods from the Deployment."""
        release = await self.rollout(self.name, **changes)
        if wait:
            await self.until_deployment(lambda found: found["spec"]["replicas"] == 0)
        return release

    async def rollout(self, name: str, **changes: Any) -> Release:
        """Apply a CanaryRollout of that name that takes its pods from the Deployment."""
        traffic = self.bed.telemetry.traffic(
            self.namespace, name, weight=self.bed.weights.of(self.namespace, name)
        )
        spec = adopting_spec(workloadRef={"name": self.name}, **changes)
        release = Release(self.bed, self.namespace, name, spec, traffic)
        await release.apply()
        return release

    async def deployment(self) -> Manifest:
        """Return the Deployment."""
        found: Manifest = await self.bed.client.get(DEPLOYMENTS, self.name, self.namespace)
        return found

    async def service(self) -> Manifest:
        """Return the Service."""
        found: Manifest = await self.bed.client.get(SERVICES, self.name, self.namespace)
        return found

    async def until_deployment(self, met: Callable[[Manifest], Any]) -> Manifest:
        """Wait until the Deployment meets a condition, and return it."""

        async def look() -> Manifest | None:
            found = await self.deployment()
            return found if met(found) else None

        return await eventually(look)

    async def delete(self, policy: str) -> None:
        """Delete the CanaryRollout as `kubectl delete --cascade` does."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy}
        path = ROLLOUTS.path(self.namespace, self.name)
        await self.bed.client.request("DELETE", path, options)

    async def anchor(self) -> Manifest:
        """Return what the rollout's objects stay with while it is deleted."""
        rollout = await self.bed.client.get(ROLLOUTS, self.name, self.namespace)
        name = f"{self.name}-{rollout['metadata']['uid']}"

        async def made() -> Manifest | None:
            try:
                found: Manifest = await self.bed.client.get(RECORDS, name, self.namespace)
            except NotFoundError:
                return None
            return found

        return await eventually(made)

    async def lose_anchor(self) -> None:
        """Delete the anchor, and wait until stable has another one."""
        before = (await self.anchor())["metadata"]
        await self.bed.client.delete(RECORDS, before["name"], self.namespace)

        async def anchored_anew() -> bool:
            name = f"{self.name}-stable"
            stable = await self.bed.client.get(DEPLOYMENTS, name, self.namespace)
            owners = {one["uid"] for one in stable["metadata"]["ownerReferences"]}
            return (await self.anchor())["metadata"]["uid"] in owners - {before["uid"]}

        await eventually(anchored_anew)

    async def until_nothing_is_left(self, but: Resource | None = None) -> None:
        """Wait until nothing is there any more that the operator made, but for one kind."""
        selector = "app.kubernetes.io/managed-by=canary-operator"

        async def none_left() -> bool:
            for resource in (DEPLOYMENTS, SERVICES, RECORDS):
                found = await self.bed.client.list(resource, self.namespace, labelSelector=selector)
                if found["items"] and resource != but:
                    return False
            return True

        await eventually(none_left, READY_SECONDS + COLLECTOR_SECONDS)

    async def until_gone(self) -> None:
        """Wait until there is no CanaryRollout any more.

        A garbage collector that is to orphan its objects may have to learn of the kind first.
        """

        async def gone() -> bool:
            try:
                await self.bed.client.get(ROLLOUTS, self.name, self.namespace)
            except NotFoundError:
                return True
            return False

        await eventually(gone, READY_SECONDS + COLLECTOR_SECONDS)


def adopting_spec(**changes: Any) -> dict[str, Any]:
    """Return what a user writes."""
    spec = quick_spec(**changes)
    return {field: value for field, value in spec.items() if field not in {"template", "replicas"}}
