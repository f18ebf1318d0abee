from collections.abc import AsyncIterator

import pytest_asyncio

from tests.adapters.cluster.world import World, world_in
from tests.support.clusters import Cluster, cluster, control_plane, pod_runtime

__all__ = ["cluster", "control_plane", "pod_runtime", "world"]


@pytest_asyncio.fixture
async def world(cluster: Cluster) -> AsyncIterator[World]:
    async with world_in(cluster) as world:
        yield world
