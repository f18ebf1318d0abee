"""Makes and deletes pods until each ReplicaSet has as many as it wants."""

import asyncio
from collections.abc import Sequence

from canary_operator.playground.client import (
    PODS,
    REPLICA_SETS,
    ApiStatusError,
    Change,
    ChangeKind,
    Client,
    Manifest,
    NotFoundError,
)
from canary_operator.playground.controllers import timestamps
from canary_operator.playground.controllers.cache import (
    Cache,
    Key,
    controller_of,
    is_terminating,
    key_of,
)
from canary_operator.playground.controllers.replica_set_status import (
    is_active,
    new_pod,
    next_available,
    replica_set_status,
    surplus,
)
from canary_operator.playground.controllers.revisions import wanted_by
from canary_operator.playground.controllers.worker import Worker

RETRY_SECONDS = 1.0
"""How soon pods that the API server refused are tried again."""


class ReplicaSetController:
    """Reconciles a ReplicaSet whenever it or a pod of it changes."""

    def __init__(self, client: Client, replica_sets: Cache, pods: Cache) -> None:
        self.worker = Worker("replicaset", self._reconcile)
        self._client = client
        self._replica_sets = replica_sets
        self._pods = pods
        replica_sets.subscribe(self._replica_set_changed)
        pods.subscribe(self._pod_changed)

    def _replica_set_changed(self, change: Change) -> None:
        if change.kind is not ChangeKind.SYNCED:
            self.worker.wake(key_of(change.object))

    def _pod_changed(self, change: Change) -> None:
        if change.kind is not ChangeKind.SYNCED and (owner := controller_of(change.object)):
            self.worker.wake((key_of(change.object)[0], owner["name"]))

    async def _reconcile(self, key: Key) -> float | None:
        replica_set = self._replica_sets.get(key)
        if replica_set is None:
            return None
        failure = None
        if not is_terminating(replica_set):
            failure = await self._make_pods(replica_set)
            await self._delete_pods(surplus(replica_set, self._active_pods(replica_set)))
        pods, at = self._pods.controlled_by(replica_set), timestamps.now()
        await self._record(replica_set, replica_set_status(replica_set, pods, failure, at))
        active = self._active_pods(replica_set)
        return RETRY_SECONDS if failure else next_available(replica_set, active, at)

    async def _make_pods(self, replica_set: Manifest) -> str | None:
        """Make the missing pods; return the API server's words where it refuses."""
        missing = wanted_by(replica_set) - len(self._active_pods(replica_set))
        namespace, _ = key_of(replica_set)
        for _ in range(missing):
            try:
                made = await self._client.create(PODS, new_pod(replica_set), namespace)
            except ApiStatusError as error:
                return error.message
            self._pods.remember(made)
        return None

    async def _delete_pods(self, pods: Sequence[Manifest]) -> None:
        await asyncio.gather(*(self._pods.delete(pod) for pod in pods))

    async def _record(self, replica_set: Manifest, status: Manifest) -> None:
        if status == replica_set.get("status"):
            return
        body = {**replica_set, "status": status}
        try:
            answer = await self._client.replace(REPLICA_SETS, body, subresource="status")
        except NotFoundError:
            return  # deleted meanwhile
        self._replica_sets.remember(answer)

    def _active_pods(self, replica_set: Manifest) -> list[Manifest]:
        return [pod for pod in self._pods.controlled_by(replica_set) if is_active(pod)]
