import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults.scenes import Gated
from tests.support.bed import bed_around, open_cluster
from tests.support.clusters import DEFINITION_FOLDERS
from tests.support.gate import Gate


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gated]:
    folder = tmp_path_factory.mktemp("gated")
    async with (
        open_cluster(folder, *DEFINITION_FOLDERS) as cluster,
        Gate(cluster.access) as gate,
        bed_around(cluster, folder, gate=gate) as bed,
    ):
        yield Gated(bed, gate)


@pytest_asyncio.fixture(loop_scope="session")
async def gated(shared: Gated) -> AsyncIterator[Gated]:
    """A bed behind a gate; whatever happens at it, the operator loses no composure."""
    start = shared.bed.operator.log.stat().st_size
    yield shared
    shared.gate.let_pass()
    shared.bed.operator.check()
    with shared.bed.operator.log.open() as log:
        log.seek(start)
        said = log.read()
    assert not re.search("Traceback|unexpectedly", said), said
