"""kopf's session reads lists and watches of objects that are nested without end."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from kopf._cogs.clients.api import iter_jsonlines

from canary_operator.adapters.cluster.nesting import DEEPEST
from canary_operator.controller import reading
from canary_operator.controller.reading import ShallowResponse

DEEP = b'{"type":"ADDED","object":' + b"[" * 5000 + b"]" * 5000 + b"}"
PLAIN = b'{"type":"MODIFIED","object":{}}'


async def lists(_: web.Request) -> web.Response:
    return web.Response(body=DEEP, content_type="application/json")


async def watches(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for part in (PLAIN + b"\n" + DEEP[:3000], DEEP[3000:] + b"\n" + PLAIN, b"\n"):
        await response.write(part)
    return response


async def breaks_off(request: web.Request) -> web.StreamResponse:
    code = int(request.query["code"])
    error = {"kind": "Status", "code": code, "message": "etcd has\nno leader"}
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(json.dumps({"type": "ERROR", "object": error}).encode() + b"\n")
    return response


@pytest_asyncio.fixture
async def address() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/list", lists)
    app.router.add_get("/watch", watches)
    app.router.add_get("/broken", breaks_off)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def levels(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value
    return 1 + max(map(levels, inside), default=0) if isinstance(value, dict | list) else 0


async def test_a_list(address: str) -> None:
    async with (
        aiohttp.ClientSession(response_class=ShallowResponse) as session,
        session.get(f"{address}/list") as response,
    ):
        assert levels(await response.json()) == DEEPEST


async def test_a_watch_as_kopf_reads_it(address: str) -> None:
    async with (
        aiohttp.ClientSession(response_class=ShallowResponse) as session,
        session.get(f"{address}/watch") as response,
    ):
        events = [json.loads(line) async for line in iter_jsonlines(response.content)]
    assert [event["type"] for event in events] == ["MODIFIED", "ADDED", "MODIFIED"]
    assert [levels(event) for event in events] == [2, DEEPEST, 2]


@pytest.mark.parametrize("code", [410, 500])
async def test_any_error_in_a_watch_is_to_kopf_the_one_that_it_can_take(
    address: str, code: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reading, "PAUSE_SECONDS", 0.01)
    async with (
        aiohttp.ClientSession(response_class=ShallowResponse) as session,
        session.get(f"{address}/broken?code={code}") as response,
    ):
        (line,) = [line async for line in iter_jsonlines(response.content)]
    event = json.loads(line)
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    told = [record.message for record in caplog.records if record.name == reading.__name__]
    words = "The API server broke off a watch, so all is listed again: etcd has no leader"
    assert told == ([] if code == 410 else [words])
