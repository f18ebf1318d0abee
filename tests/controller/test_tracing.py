"""kopf's requests are counted as our own client's are."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from canary_operator.controller.tracing import Asked, read_request, trace

WATCH = {"watch": "true", "resourceVersion": "7"}


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/api/v1/pods", {}, Asked("list", "pods")),
        ("/api/v1/pods", WATCH, Asked("watch", "pods")),
        ("/api/v1/namespaces/demo/pods", WATCH, Asked("watch", "pods", "demo")),
        ("/api/v1/namespaces", {}, Asked("list", "namespaces")),
        ("/apis/apps/v1/deployments", {}, Asked("list", "deployments.apps")),
        (
            "/apis/apps/v1/namespaces/demo/deployments",
            {"limit": "500"},
            Asked("list", "deployments.apps", "demo"),
        ),
        ("/api", {}, Asked("get")),
        ("/apis", {}, Asked("get")),
        ("/api/v1", {}, Asked("get")),
        ("/apis/apps/v1", {}, Asked("get")),
        ("/version", {}, Asked("get")),
        ("/", {}, Asked("get")),
        ("/apis/apps/v1/namespaces/demo/deployments/web/status", {}, Asked("get")),
    ],
)
def test_what_a_request_is_about(path: str, query: Mapping[str, str], expected: Asked) -> None:
    assert read_request("GET", path, query) == expected


class Told:
    """What a session told of its requests."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str]] = []
        self.answers: list[tuple[str, str, int]] = []
        self.seconds: list[float] = []

    def requested(self, verb: str, resource: str, namespace: str) -> None:
        self.requests.append((verb, resource, namespace))

    def answered(self, verb: str, resource: str, code: int, seconds: float) -> None:
        self.answers.append((verb, resource, code))
        self.seconds.append(seconds)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[str]:
    over = asyncio.Event()

    async def pods(_: web.Request) -> web.Response:
        return web.Response(text="{}")

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await over.wait()
        return response

    app = web.Application()
    app.router.add_get("/api/v1/pods", pods)
    app.router.add_get("/api/v1/services", endless)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    over.set()
    await runner.cleanup()


async def test_every_answer_is_told(server: str) -> None:
    told = Told()
    config = trace(told.requested, told.answered)
    async with aiohttp.ClientSession(trace_configs=[config]) as session:
        async with session.get(f"{server}/api/v1/pods"):
            pass
        async with session.get(f"{server}/api/v1/secrets"):
            pass
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get("http://127.0.0.1:9/api/v1/pods")
    assert told.answers == [("list", "pods", 200), ("list", "secrets", 404), ("list", "pods", 0)]
    assert told.requests == [("list", what, "") for what in ("pods", "secrets", "pods")]
    assert all(0 <= seconds < 30 for seconds in told.seconds)


async def test_a_watch_is_told_when_it_begins(server: str) -> None:
    told = Told()
    config = trace(told.requested, told.answered)
    async with (
        aiohttp.ClientSession(trace_configs=[config]) as session,
        session.get(f"{server}/api/v1/services", params={"watch": "true"}),
    ):
        assert told.answers == [("watch", "services", 200)]
