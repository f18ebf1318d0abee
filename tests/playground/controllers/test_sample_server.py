"""The sample application, as a process of its own."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from canary_operator.playground.controllers.addresses import Address, free_address
from canary_operator.playground.controllers.probes import Probe

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
SERVER = "canary_operator.playground.sample_server"
Start = Callable[..., Awaitable[tuple[Process, Address]]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    processes: list[Process] = []

    async def started(**environment: str) -> tuple[Process, Address]:
        address = free_address(8080)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", SERVER, "--exit-with-parent"),
            *("--host", address.ip, "--port", str(address.port)),
            env={**os.environ, **environment},
            stdin=PIPE,
            stderr=PIPE,
        )
        processes.append(process)
        if not environment.keys() & {"CRASH_AFTER", "REFUSE", "ERROR_RATE"}:
            async with asyncio.timeout(10):
                while not await Probe(address).passes():  # noqa: ASYNC110 - it sends no signal
                    await asyncio.sleep(0.02)
        return process, address

    yield started
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def answer(reader: Reader) -> tuple[int, bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.split(b": ") for line in head.split(b"\r\n")[1:-2])
    return int(head.split()[1]), head, await reader.readexactly(int(fields[b"content-length"]))


async def ask(reader: Reader, writer: Writer, path: str = "/", head: str = "") -> int:
    writer.write(f"GET {path} HTTP/1.1\r\nhost: a\r\n{head}\r\n".encode())
    status, _, _ = await answer(reader)
    return status


async def test_answers_on_a_connection_that_stays_open(start: Start) -> None:
    _, address = await start(VERSION="v7", HOSTNAME="web-0")
    reader, writer = await asyncio.open_connection(address.ip, address.port)
    writer.write(b"POST /cart?x=1 HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello")
    writer.write(b"GET /two HTTP/1.1\r\n\r\n")
    status, head, body = await answer(reader)
    assert status == 200
    assert b"x-version: v7\r\n" in head
    assert b'"version": "v7", "pod": "web-0", "path": "/cart?x=1"' in body
    assert (await answer(reader))[2].count(b'"path": "/two"') == 1
    writer.close()


async def test_head_has_no_body(start: Start) -> None:
    _, address = await start()
    reader, writer = await asyncio.open_connection(address.ip, address.port)
    writer.write(b"HEAD / HTTP/1.1\r\nconnection: close\r\n\r\n")
    assert (await reader.read()).endswith(b"connection: close\r\n\r\n")
    writer.close()


async def test_a_faulty_version_still_passes_its_probe(start: Start) -> None:
    _, address = await start(LATENCY="1ms")
    reader, writer = await asyncio.open_connection(address.ip, address.port)
    assert await ask(reader, writer, "/healthz") == 200
    writer.close()
    assert await Probe(address, "/healthz").passes()


async def test_it_counts_its_answers_for_prometheus(start: Start) -> None:
    _, address = await start(ERROR_RATE="0")
    while not await Probe(address).passes():  # noqa: ASYNC110 - it sends no signal
        await asyncio.sleep(0.02)
    reader, writer = await asyncio.open_connection(address.ip, address.port)
    for path in ("/", "/cart", "/healthz", "/metrics"):
        assert await ask(reader, writer, path) == 200
    writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
    _, head, body = await answer(reader)
    writer.close()
    assert b"content-type: text/plain\r\n" in head
    assert body.decode().splitlines() == [
        "# TYPE http_requests_total counter",
        'http_requests_total{code="200"} 2',
        'http_requests_total{code="500"} 0',
    ]


async def test_unhealthy(start: Start) -> None:
    _, address = await start(UNHEALTHY="1")
    assert not await Probe(address, "/healthz").passes()
    assert await Probe(address, "/").passes()


@pytest.mark.parametrize(
    "request_bytes", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"]
)
async def test_what_it_does_not_understand_ends_the_connection(
    start: Start, request_bytes: bytes
) -> None:
    _, address = await start()
    reader, writer = await asyncio.open_connection(address.ip, address.port)
    writer.write(request_bytes)
    assert await reader.read() == b""
    writer.close()


async def test_crashing_at_once(start: Start) -> None:
    process, _ = await start(CRASH_AFTER="0s")
    assert await asyncio.wait_for(process.wait(), 10) == 1


async def test_a_setting_that_makes_no_sense_is_named(start: Start) -> None:
    process, _ = await start(ERROR_RATE="8")
    _, complaint = await process.communicate()
    assert complaint.decode().strip() == "ERROR_RATE='8' is not a share; write 0.08 or 8%."


async def test_it_does_not_outlive_its_parent(start: Start) -> None:
    process, _ = await start()
    assert process.stdin
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_an_abrupt_end(start: Start) -> None:
    process, address = await start(LATENCY="5s", ABRUPT_END="1")
    reader, writer = await asyncio.open_connection(address.ip, address.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await Probe(address, "/healthz").passes(), "so the request before it has arrived"
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 10) == 0
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()


async def test_a_graceful_end(start: Start) -> None:
    process, address = await start(LATENCY="300ms")
    reader, writer = await asyncio.open_connection(address.ip, address.port)
    idle_reader, idle_writer = await asyncio.open_connection(address.ip, address.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await writer.drain()
    assert await Probe(address, "/healthz").passes(), "so the request before it has arrived"
    process.send_signal(signal.SIGTERM)
    status, head, _ = await answer(reader)
    assert status == 200
    assert b"connection: close" in head
    assert await reader.read() == b""
    assert await ask(idle_reader, idle_writer) == 200, "a last request is still answered"
    assert await asyncio.wait_for(process.wait(), 10) == 0
    assert not await Probe(address).passes()
    for each in (writer, idle_writer):
        each.close()
