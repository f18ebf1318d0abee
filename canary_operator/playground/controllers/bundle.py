"""All controllers of the playground, started and stopped together."""

import asyncio
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from canary_operator.playground.client import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    Client,
)
from canary_operator.playground.controllers.cache import Cache
from canary_operator.playground.controllers.deployment import DeploymentController
from canary_operator.playground.controllers.endpoints import EndpointsController
from canary_operator.playground.controllers.instant import InstantRuntime
from canary_operator.playground.controllers.kubelet import Kubelet
from canary_operator.playground.controllers.replica_set import ReplicaSetController
from canary_operator.playground.controllers.runtime import PodRuntime


class Controllers:
    """What makes an API server a cluster: Deployments, ReplicaSets, endpoints and one node.

    For the embedded API. A real control plane brings its own controllers and needs only the
    `Kubelet`.
    """

    def __init__(self, client: Client, *, runtime: PodRuntime | None = None) -> None:
        """Wire the controllers.

        Args:
            client: An open client of the API server.
            runtime: What really happens to pods; by default they are ready at once.
        """
        deployments, replica_sets = Cache(client, DEPLOYMENTS), Cache(client, REPLICA_SETS)
        services, slices = Cache(client, SERVICES), Cache(client, ENDPOINT_SLICES)
        pods = Cache(client, PODS)
        self.kubelet = Kubelet(client, runtime or InstantRuntime(), pods=pods)
        """The node, where tests let pods fail and heal."""
        self._caches = (deployments, replica_sets, services, slices, pods)
        self._workers = (
            DeploymentController(client, deployments, replica_sets, pods).worker,
            ReplicaSetController(client, replica_sets, pods).worker,
            EndpointsController(client, services, slices, pods).worker,
        )
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start; returns once everything that existed is known."""
        async with AsyncExitStack() as exits:
            await exits.enter_async_context(self.kubelet)
            for worker in self._workers:
                exits.push_async_callback(worker.stop)
            tasks = [asyncio.create_task(cache.run()) for cache in self._caches]
            exits.push_async_callback(_cancel, tasks)
            await asyncio.gather(*(cache.synced.wait() for cache in self._caches))
            for worker in self._workers:
                worker.start()
            self._exits = exits.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._exits.aclose()


async def _cancel(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
