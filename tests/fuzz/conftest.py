from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.fuzz.planes import Planes, open_planes
from tests.support.bed import Bed, open_bed


@pytest.fixture(scope="session")
def planes() -> Iterator[Planes]:
    """The embedded API, and beside it the real one where `KUBEBUILDER_ASSETS` says so."""
    with open_planes() as planes:
        yield planes


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bed]:
    async with open_bed(tmp_path_factory.mktemp("bed")) as bed:
        yield bed
