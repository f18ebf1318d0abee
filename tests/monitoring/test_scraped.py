"""What a real Prometheus knows of a real operator after one promotion and one rollback."""

import pytest
from tests.monitoring.conftest import Watched

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("monitoring")]


async def test_smoke(watched: Watched) -> None:
    print((await watched.get("/metrics"))[2])
    print(await watched.get("/healthz"), await watched.get("/readyz"))
    for l in watched.log(): print(l)
