"""What a kubelet is told while the operator starts, and while others are away."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.monitoring.probing import Probed, free_port
from tests.support.bed import bed_around, open_cluster, template
from tests.support.clusters import DEFINITION_FOLDERS, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("probes")]

SLOW_SECONDS = 2.0
KOPF_WAITS_SECONDS = 5.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def probed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Probed]:
    folder, address = tmp_path_factory.mktemp("probed"), f"127.0.0.1:{free_port()}"
    async with (
        open_cluster(folder, *DEFINITION_FOLDERS) as cluster,
        bed_around(cluster, folder, [f"--metrics-address={address}"]) as bed,
    ):
        yield Probed(bed, address)


async def test_an_empty_cluster_is_ready(probed: Probed) -> None:
    assert (await probed.until_ready())[-1] == (200, "ok\n")
    assert await probed.get("/healthz") == (200, "ok\n")


async def test_not_ready_before_everything_was_read(probed: Probed) -> None:
    probed.needs_faults()  # before anything is stopped
    await probed.bed.release()
    await probed.bed.operator.kill()
    async with probed.fault(verb="list", resource="pods", delay=SLOW_SECONDS, times=1):
        await probed.bed.operator.start()
        *before, last = await probed.until_ready()
    assert last == (200, "ok\n")
    assert before
    assert all(status == 503 for status, _ in before)
    assert (503, "caches: not read yet\n") in before
    assert await probed.get("/healthz") == (200, "ok\n")


async def test_ready_and_alive_while_the_api_server_fails(probed: Probed) -> None:
    await probed.until_ready()
    release = await probed.bed.release("later", wait=False)
    async with probed.fault(status=503, user_agent="canary-operator/"):
        await release.apply(template=template("v2"))
        failed = 'canary_operator_api_requests_total{code="503"'

        async def noticed() -> bool:
            answer = await probed.get("/metrics")
            return answer is not None and failed in answer[1]

        await eventually(noticed)
        for path in ("/readyz", "/healthz"):
            assert await probed.get(path) == (200, "ok\n")


async def test_an_open_connection_does_not_hold_up_the_end(probed: Probed) -> None:
    """Prometheus keeps its connection; kopf waits 5 seconds for whoever serves one."""
    await probed.until_ready()
    operator, loop = probed.bed.operator, asyncio.get_running_loop()
    async with aiohttp.ClientSession() as session:
        async with session.get(probed.url("/metrics")) as answer:
            await answer.read()
        began = loop.time()
        await operator.stop()
        assert loop.time() - began < KOPF_WAITS_SECONDS
    await operator.start()
