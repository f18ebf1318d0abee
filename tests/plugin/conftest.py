from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.bed import Bed, open_bed, open_cluster
from tests.support.clusters import DEFINITION_FOLDERS, Cluster


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bed]:
    """The real operator process against a Kubernetes API over HTTP."""
    async with open_bed(tmp_path_factory.mktemp("bed")) as bed:
        yield bed


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """A cluster without an operator: a status stays as a test writes it."""
    async with open_cluster(tmp_path_factory.mktemp("cluster"), *DEFINITION_FOLDERS) as cluster:
        yield cluster
