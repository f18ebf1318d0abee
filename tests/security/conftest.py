from collections.abc import AsyncIterator

import pytest_asyncio

from tests.adapters.cluster.world import World, world_in
from tests.support.clusters import (
    DEFINITION_FOLDERS,
    Cluster,
    cluster,
    load_definitions,
    pod_runtime,
)
from tests.support.realplane import RealControlPlane, assets_folder

__all__ = ["cluster", "pod_runtime", "world"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def control_plane() -> AsyncIterator[RealControlPlane | None]:
    """A control plane without the operator of other tests, which would serve the rollouts here."""
    folder = assets_folder()
    if folder is None:
        yield None
        return
    async with RealControlPlane(folder) as plane:
        async with plane.admin.client() as client:
            await load_definitions(client, *DEFINITION_FOLDERS)
        yield plane


@pytest_asyncio.fixture
async def world(cluster: Cluster) -> AsyncIterator[World]:
    async with world_in(cluster) as world:
        yield world
