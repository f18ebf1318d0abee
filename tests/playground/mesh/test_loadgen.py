import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from canary_operator.playground.loadgen import Failure, LoadGenerator


@pytest.fixture
async def pod(start_pod: Callable[..., Any]) -> Any:
    return await start_pod("web-0", "web", "v1")


async def finished(load: LoadGenerator, amount: int) -> None:
    async with asyncio.timeout(10):
        while load.counts.finished < amount:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_the_rate_is_kept_and_every_answer_counted(pod: Any) -> None:
    async with LoadGenerator(f"http://{pod.address}:{pod.port}/", rate=200) as load:
        begun = time.monotonic()
        await finished(load, 300)
        took = time.monotonic() - begun
        counts = await load.stop()
    assert took > 1.2  # 300 requests at 200 per second; how much more is up to the machine
    assert counts.sent == counts.finished == counts.by_version["v1"] == counts.by_status[200]
    assert counts.failed == 0
    assert pod.served == counts.sent
    assert 0 < sum(sample.requests for sample in load.samples) <= counts.finished


@pytest.mark.parametrize(
    ("path", "failure", "version"),
    [
        pytest.param("/503", Failure.APPLICATION, "v1", id="a pod's own error"),
        pytest.param("/hang-up", Failure.CONNECTION, None, id="a broken connection"),
    ],
)
async def test_whose_fault_a_failure_is(
    pod: Any, path: str, failure: Failure, version: str | None
) -> None:
    async with LoadGenerator(f"http://{pod.address}:{pod.port}{path}", rate=100) as load:
        await finished(load, 20)
        counts = await load.stop()
    assert set(counts.failures) == {failure}
    assert counts.failed == counts.sent
    assert counts.failed_by_version[str(version)] == (counts.sent if version else 0)


async def test_further_headers_are_sent_beside_the_host() -> None:
    heads: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        cookie = {"Cookie": "company=acme"}
        async with LoadGenerator(url, host="web.demo", headers=cookie), asyncio.timeout(10):
            head = await heads.get()
    assert b"\r\nHost: web.demo\r\n" in head
    assert b"\r\nCookie: company=acme\r\n" in head


async def test_nobody_listening_does_not_stop_the_load(pod: Any) -> None:
    await pod.refuse()
    async with LoadGenerator(f"http://{pod.address}:{pod.port}/", rate=200) as load:
        await finished(load, 50)
        counts = await load.stop()
    assert counts.failures[Failure.CONNECTION] == counts.sent >= 50


async def test_slow_answers_do_not_slow_the_load(pod: Any) -> None:
    async with LoadGenerator(
        f"http://{pod.address}:{pod.port}/slow", rate=100, timeout_seconds=0.5
    ) as load:
        async with asyncio.timeout(10):
            while load.counts.sent < 100:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert load.elapsed < 8  # a load that waits for answers would take 50 s
        counts = await load.stop()
    assert counts.failures[Failure.CONNECTION] == counts.sent
