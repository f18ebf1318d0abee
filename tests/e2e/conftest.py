from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.bed import Bed, open_bed


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bed]:
    async with open_bed(tmp_path_factory.mktemp("bed")) as bed:
        yield bed
