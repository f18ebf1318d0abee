"""What the kubelet asks."""

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from canary_operator.controller.health import serve_health


class Flag:
    """Whether the operator is ready."""

    def __init__(self) -> None:
        self.value = False

    def __call__(self) -> bool:
        return self.value


@pytest.fixture
def ready() -> Flag:
    return Flag()


@pytest_asyncio.fixture
async def url(ready: Flag) -> AsyncIterator[str]:
    runner = await serve_health("127.0.0.1", 0, ready)
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_the_loop_turns(url: str) -> None:
    assert await get(f"{url}/healthz") == (200, "ok\n")


async def test_ready_when_the_watches_are(url: str, ready: Flag) -> None:
    assert await get(f"{url}/readyz") == (503, "watches are not established yet\n")
    ready.value = True
    assert await get(f"{url}/readyz") == (200, "ok\n")


async def test_nothing_else_is_served(url: str) -> None:
    status, _ = await get(url)
    assert status == 404


async def test_without_a_host_every_address_is_served(ready: Flag) -> None:
    runner = await serve_health("", 0, ready)
    try:
        hosts = {address[0] for address in runner.addresses}
        assert hosts & {"0.0.0.0", "::"}
    finally:
        await runner.cleanup()


async def test_a_port_that_is_taken_is_an_error(ready: Flag) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address already in use"):
            await serve_health("127.0.0.1", taken.getsockname()[1], ready)
