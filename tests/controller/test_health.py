"""What the kubelet and Prometheus ask."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from canary_operator.controller.endpoints import serve
from canary_operator.controller.health import (
    LONGEST_TICK_SECONDS,
    Health,
    no_endless_tick,
    unless,
)
from canary_operator.ports import Key

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def health() -> Health:
    return Health()


def exposition(accept: str) -> tuple[bytes, str]:
    assert threading.current_thread() is not threading.main_thread()
    return f"{accept}\n".encode() * 1000, "text/plain; version=0.0.4; charset=utf-8"


@pytest_asyncio.fixture
async def url(health: Health) -> AsyncIterator[str]:
    runner = await serve("127.0.0.1", 0, health, exposition)
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_without_a_problem_it_lives(url: str, health: Health) -> None:
    health.alive["ticks"] = lambda: None
    assert await get(f"{url}/healthz") == (200, "ok\n")


async def test_what_is_wrong_is_named(url: str, health: Health) -> None:
    well = asyncio.Event()
    health.alive["ticks"] = lambda: None
    health.alive["leader election"] = unless(well.is_set, "has ended")
    health.alive["events"] = unless(lambda: False, "no Event is sent any more")
    expected = "leader election: has ended\nevents: no Event is sent any more\n"
    assert await get(f"{url}/healthz") == (503, expected)
    well.set()
    assert await get(f"{url}/healthz") == (503, "events: no Event is sent any more\n")


async def test_ready_when_everything_was_read(url: str, health: Health) -> None:
    filled = asyncio.Event()
    health.ready["caches"] = unless(filled.is_set, "lists not handled yet")
    assert await get(f"{url}/readyz") == (503, "caches: lists not handled yet\n")
    filled.set()
    assert await get(f"{url}/readyz") == (200, "ok\n")


async def test_what_is_ready_stays_so(url: str, health: Health) -> None:
    filled = asyncio.Event()
    filled.set()
    health.ready["caches"] = unless(filled.is_set, "lists not handled yet")
    assert (await get(f"{url}/readyz"))[0] == 200
    filled.clear()
    assert (await get(f"{url}/readyz"))[0] == 200


@pytest.mark.parametrize(
    ("longest", "problem"),
    [
        pytest.param(None, None, id="no tick"),
        pytest.param((Key("demo", "web"), 12.0), None, id="a tick that takes long"),
        pytest.param(
            (Key("demo", "web"), LONGEST_TICK_SECONDS + 0.6),
            "the tick of demo/web has not ended for 301 s",
            id="a tick that hangs",
        ),
    ],
)
def test_a_tick_that_never_ends(longest: tuple[Key, float] | None, problem: str | None) -> None:
    assert no_endless_tick(lambda: longest)() == problem


async def test_metrics_are_what_the_exposition_says(url: str) -> None:
    headers = {"Accept": OPENMETRICS, "Accept-Encoding": "gzip"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/metrics", headers=headers) as answer,
    ):
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert answer.headers["Content-Encoding"] == "gzip"
        assert int(answer.headers["Content-Length"]) < 1000
        assert await answer.text() == f"{OPENMETRICS}\n" * 1000


async def test_nothing_else_is_served(url: str) -> None:
    status, _ = await get(url)
    assert status == 404


async def test_without_a_host_every_address_is_served(health: Health) -> None:
    runner = await serve("", 0, health, exposition)
    try:
        hosts = {address[0] for address in runner.addresses}
        assert hosts & {"0.0.0.0", "::"}
    finally:
        await runner.cleanup()


async def test_a_port_that_is_taken_is_an_error(health: Health) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address already in use"):
            await serve("127.0.0.1", taken.getsockname()[1], health, exposition)
