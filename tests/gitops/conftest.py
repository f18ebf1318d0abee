from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.bed import Bed, open_bed
from tests.support.clusters import cluster, control_plane, pod_runtime
from tests.support.realplane import RealControlPlane

__all__ = ["bed", "cluster", "control_plane", "pod_runtime"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bed(
    control_plane: RealControlPlane | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Bed]:
    async with open_bed(control_plane, tmp_path_factory.mktemp("bed")) as bed:
        yield bed
