"""kopf logs in with what our own client found."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import kopf
import pytest
import pytest_asyncio
from aiohttp import web
from kubernetes.aio.client.configuration import Configuration

from canary_operator.controller.login import (
    NotServedError,
    OutdatedError,
    RefusedError,
    login_with,
)
from canary_operator.controller.tracing import trace

REFUSED = "Bearer refused"


class Server:
    """An API server that knows every token but one, or a place that it redirects to."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []
        self.elsewhere = ""
        self.serves_pods = True
        self.remembers_pages = True

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append(request.headers.get("Authorization"))
        if self.elsewhere:
            raise web.HTTPTemporaryRedirect(self.elsewhere)
        if not self.serves_pods:
            raise web.HTTPNotFound
        if not self.remembers_pages:
            raise web.HTTPGone
        return web.Response(status=401 if self.seen[-1] == REFUSED else 200, text="{}")

    async def start(self) -> tuple[web.AppRunner, str]:
        app = web.Application()
        for path in ("/api/v1", "/api/v1/pods"):
            app.router.add_get(path, self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


class Bench:
    """A session of kopf's, its server, and what was told of its requests."""

    def __init__(self, server: Server, configuration: Any) -> None:
        self.server = server
        self.configuration = configuration
        self.codes: list[int] = []
        self.session: Any = None

    async def log_in(self) -> kopf.AiohttpSession:
        config = trace(lambda *_: None, lambda _, __, code, ___: self.codes.append(code))
        return await login_with(self.configuration, config)(logger=None, retry=0)

    async def get(self, path: str = "/api/v1/pods") -> int:
        async with self.session.get(f"{self.configuration.host}{path}") as response:
            return int(response.status)

    def token(self, token: str, prefix: str | None = "Bearer") -> None:
        self.configuration.api_key["BearerToken"] = token
        if prefix is not None:
            self.configuration.api_key_prefix["BearerToken"] = prefix


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    server = Server()
    runner, address = await server.start()
    bench = Bench(server, Configuration(host=address))  # type: ignore[no-untyped-call]
    logged_in = await bench.log_in()
    assert logged_in.server == address
    bench.session = logged_in.aiohttp_session
    yield bench
    await bench.session.close()
    await runner.cleanup()


async def test_nobody(bench: Bench) -> None:
    await bench.get()
    assert bench.server.seen == [None]


async def test_a_token_with_its_scheme(bench: Bench) -> None:
    bench.token("Bearer abc", prefix=None)
    await bench.get()
    assert bench.server.seen == ["Bearer abc"]


async def test_a_renewed_token_is_used_at_once(bench: Bench) -> None:
    for token in ("old", "new"):
        bench.token(token)
        await bench.get()
    assert bench.server.seen == ["Bearer old", "Bearer new"]


async def test_credentials_are_renewed_by_the_requests(bench: Bench) -> None:
    tokens = iter(("first", "second"))

    async def renew(_: Configuration) -> None:
        bench.token(next(tokens))

    bench.configuration.refresh_api_key_hook = renew
    bench.token("before")
    for _ in range(2):
        await bench.get()
    assert bench.server.seen == ["Bearer first", "Bearer second"]


async def test_a_refusal_is_a_lost_connection_to_kopf(bench: Bench) -> None:
    """kopf tries again after those; on a 401 it would close all watches, and end by that."""
    bench.token("refused")
    with pytest.raises(aiohttp.ClientConnectionError, match=r"401: .* its token valid") as caught:
        await bench.get()
    assert isinstance(caught.value, RefusedError)
    bench.token("good")
    assert await bench.get() == 200
    assert bench.codes == [401, 200]
    assert not bench.session.closed


@pytest.mark.parametrize("query", ["", "?watch=true"], ids=["list", "watch"])
async def test_a_kind_that_is_gone_is_a_lost_connection_to_kopf(bench: Bench, query: str) -> None:
    """kopf tries again after those; told 404, it would never watch that kind again."""
    bench.server.serves_pods = False
    with pytest.raises(aiohttp.ClientConnectionError, match=r"404: .* pods\. Is its CRD") as caught:
        await bench.get(f"/api/v1/pods{query}")
    assert isinstance(caught.value, NotServedError)
    bench.server.serves_pods = True
    assert await bench.get(f"/api/v1/pods{query}") == 200
    assert bench.codes == [404, 200]


async def test_a_list_that_took_too_long_is_an_answer_that_broke_off_to_kopf(bench: Bench) -> None:
    """kopf lists from the beginning after those; told 410, it would end."""
    bench.server.remembers_pages = False
    with pytest.raises(aiohttp.ClientPayloadError, match="410: listing pods") as caught:
        await bench.get("/api/v1/pods?limit=100&continue=abc")
    assert isinstance(caught.value, OutdatedError)
    assert not isinstance(caught.value, aiohttp.ClientConnectionError), (
        "the page would be asked for"
    )
    assert await bench.get("/api/v1/pods?watch=true") == 410
    assert bench.codes == [410, 410]


async def test_kopf_may_ask_what_is_served(bench: Bench) -> None:
    bench.server.serves_pods = False
    assert await bench.get("/api/v1") == 404


async def test_credentials_go_nowhere_else(bench: Bench) -> None:
    other = Server()
    runner, address = await other.start()
    bench.server.elsewhere = f"{address}/api/v1/pods"
    bench.token("abc")
    await bench.get()
    await runner.cleanup()
    assert (bench.server.seen, other.seen) == (["Bearer abc"], [None])


async def test_a_proxy_is_used(bench: Bench) -> None:
    proxy = Server()
    runner, address = await proxy.start()
    bench.configuration.proxy = address
    session = (await bench.log_in()).aiohttp_session
    async with session.get(f"{bench.configuration.host}/api/v1/pods") as response:
        await response.read()
    await session.close()
    await runner.cleanup()
    assert (bench.server.seen, proxy.seen) == ([], [None])


async def test_no_secret_is_in_the_words_for_a_session(bench: Bench) -> None:
    bench.token("secret")
    logged_in = await bench.log_in()
    assert "secret" not in repr(logged_in)
    await logged_in.aiohttp_session.close()
