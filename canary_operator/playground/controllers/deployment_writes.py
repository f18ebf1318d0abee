"""What the Deployment controller writes; every write is remembered and skipped when in place."""

import asyncio
from collections.abc import Iterable, Mapping

from canary_operator.playground.client import (
    DEPLOYMENTS,
    REPLICA_SETS,
    AlreadyExistsError,
    Client,
    Manifest,
)
from canary_operator.playground.controllers.cache import Cache, Key, key_of
from canary_operator.playground.controllers.revisions import (
    REVISION,
    inherited,
    size_annotations,
    wanted_by,
)
from canary_operator.playground.controllers.sizes import Limits


class DeploymentWrites:
    """Writes Deployments' statuses and their ReplicaSets."""

    def __init__(self, client: Client, deployments: Cache, replica_sets: Cache) -> None:
        self._client = client
        self._deployments = deployments
        self._replica_sets = replica_sets

    async def status(
        self, deployment: Manifest, status: Manifest, revision: int | None = None
    ) -> Manifest:
        """Record a status; a Deployment that changed meanwhile is a conflict.

        The `revision` of the present template goes the same way, although it is an annotation:
        written as one, it would count as a new generation.
        """
        annotations = {} if revision is None else {REVISION: str(revision)}
        if status == deployment.get("status", {}) and not _lacks(deployment, annotations):
            return deployment
        meta = deployment["metadata"]
        present = meta.get("annotations") or {}
        body = {
            **deployment,
            "metadata": {**meta, "annotations": {**present, **annotations}},
            "status": status,
        }
        answer = await self._client.replace(DEPLOYMENTS, body, subresource="status")
        return self._deployments.remember(answer)

    async def create(self, deployment: Manifest, replica_set: Manifest) -> Manifest:
        """Create a ReplicaSet; a name taken by another template asks for another hash."""
        namespace, _ = key_of(deployment)
        try:
            made = await self._client.create(REPLICA_SETS, replica_set, namespace)
        except AlreadyExistsError:
            status = deployment.get("status", {})
            await self.status(
                deployment, {**status, "collisionCount": status.get("collisionCount", 0) + 1}
            )
            raise
        return self._replica_sets.remember(made)

    async def refresh(self, deployment: Manifest, replica_set: Manifest, revision: int) -> Manifest:
        """Carry over what a ReplicaSet of the present template shares with its Deployment."""
        annotations = {**inherited(deployment), REVISION: str(revision)}
        seconds = deployment["spec"].get("minReadySeconds") or 0
        same_delay = seconds == (replica_set["spec"].get("minReadySeconds") or 0)
        if same_delay and not _lacks(replica_set, annotations):
            return replica_set
        body = {"metadata": {"annotations": annotations}, "spec": {"minReadySeconds": seconds}}
        return await self._patched(key_of(replica_set), body)

    async def resize(self, namespace: str, limits: Limits, sizes: Mapping[str, int]) -> None:
        """Write new sizes, each with what proportional scaling must know later."""
        writes = (self._resized((namespace, name), limits, size) for name, size in sizes.items())
        await asyncio.gather(*writes)

    async def delete(self, replica_sets: Iterable[Manifest]) -> None:
        """Delete ReplicaSets that history has no place for."""
        await asyncio.gather(*(self._replica_sets.delete(each) for each in replica_sets))

    async def _resized(self, key: Key, limits: Limits, size: int) -> None:
        known = self._replica_sets.get(key)
        annotations = size_annotations(limits)
        if known and wanted_by(known) == size and not _lacks(known, annotations):
            return
        body = {"metadata": {"annotations": annotations}, "spec": {"replicas": size}}
        await self._patched(key, body)

    async def _patched(self, key: Key, body: Manifest) -> Manifest:
        namespace, name = key
        answer = await self._client.patch(REPLICA_SETS, name, body, namespace)
        return self._replica_sets.remember(answer)


def _lacks(item: Manifest, annotations: Mapping[str, str]) -> bool:
    present = item["metadata"].get("annotations") or {}
    return any(present.get(name) != value for name, value in annotations.items())
