from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.install.installation import Installation, prepared


@pytest_asyncio.fixture
async def prepared_cluster(tmp_path: Path) -> AsyncIterator[Installation]:
    """A cluster without the operator."""
    async with prepared(tmp_path) as installation:
        yield installation


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """The chart with its default values; all tests of a module share it."""
    async with prepared(tmp_path_factory.mktemp("installed")) as installation:
        await installation.install()
        yield installation
        assert installation.denied() == set()
