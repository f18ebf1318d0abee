"""Stands between a client and an API server, and lets happen what happens between them.

    async with Gate(cluster.access) as gate:
        kubeconfig = gate.seen_from(account.access).write_kubeconfig(path)
        gate.faults.add(Fault(verb="patch", resource="virtualservices", status=503))

Faults are those of the embedded API, so the same ones can be had with a real control plane. Beyond
them a gate can hold requests, call a test before a write goes on and before its answer comes back,
change what watches tell, and answer lists as they were.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Self

import aiohttp
from aiohttp import web

from canary_operator.adapters.cluster.answers import lines_of
from canary_operator.playground.api.errors import APIError
from canary_operator.playground.api.faults import Fault, Faults
from canary_operator.playground.api.http import described, expired, refusal
from canary_operator.playground.api.paths import split
from canary_operator.playground.api.requests import Request, RequestLog
from canary_operator.playground.client import Manifest
from tests.support.counting import READS
from tests.support.hang_up import HungUpError, abort, carry_out, decoded, passed_on
from tests.support.realplane import Access

LARGEST_BODY = 8 << 20
DISCOVERY = "discovery"
"""Stands for the resource where a client asks which resources there are, or for the version."""


@dataclass(frozen=True)
class Write:
    """A request that changes something, dry runs included."""

    number: int
    """From 0, in the order of arrival."""
    request: Request
    body: Any


Hook = Callable[[Write], Awaitable[bool]]
"""Called with a write; returns whether it goes on. If not, its connection is closed."""

Telling = Callable[[Request, Manifest], list[Manifest]]
"""Called with each event of a watch; returns what is told instead."""

Fits = Callable[[Request], bool]


async def _goes_on(_: Write) -> bool:
    return True


@dataclass
class _Passing:
    """One request on its way."""

    http: web.Request
    request: Request
    body: bytes
    fault: Fault | None = None
    write: Write | None = None


@dataclass
class Gate:
    """A reverse proxy on loopback; use it as an async context manager."""

    upstream: Access
    faults: Faults = field(default_factory=Faults)
    requests: RequestLog = field(default_factory=RequestLog)
    """What was asked and how it was answered; 0 for a request that got no answer."""
    writes: list[Write] = field(default_factory=list)
    before: Hook = _goes_on
    """Called before a write is passed on."""
    after: Hook = _goes_on
    """Called when a write is done and its answer not yet given."""
    telling: Telling | None = None
    lists: Mapping[str, bytes] = field(default_factory=dict)
    """Answers to lists, by path and query, that are given instead of new ones."""

    _frozen: dict[asyncio.Event, Fits] = field(default_factory=dict)
    _watches: dict[asyncio.Task[None], Request] = field(default_factory=dict)
    _asked_lists: dict[str, dict[str, str]] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self.upstream.ssl_context() or True),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *_: object) -> None:
        for thawed in self._frozen:
            thawed.set()
        self.end_watches()
        await self._runner.cleanup()
        await self._session.close()

    @property
    def url(self) -> str:
        """Address of the gate."""
        return f"http://127.0.0.1:{self.port}"

    def seen_from(self, access: Access) -> Access:
        """Return the same user's access, by way of the gate."""
        return replace(access, url=self.url, ca_file=None)

    @contextmanager
    def frozen(self, fits: Fits = lambda _: True) -> Iterator[None]:
        """Hold requests and watches; afterwards they go on, even if nobody waits any more."""
        thawed = asyncio.Event()
        self._frozen[thawed] = fits
        try:
            yield
        finally:
            del self._frozen[thawed]
            thawed.set()

    def let_pass(self) -> None:
        """Only pass on from here."""
        self.faults = Faults()
        self.before = self.after = _goes_on
        self.telling, self.lists = None, {}

    def end_watches(self) -> None:
        """End every watch in good order, as a server does after some minutes."""
        for watch in self._watches:
            watch.cancel()

    def watched(self) -> Counter[str]:
        """Return the resources that are watched now, each with the number of its watches."""
        return Counter(request.resource for request in self._watches.values())

    async def lists_of_now(self) -> dict[str, bytes]:
        """Return the present answers to every list that was asked for through the gate."""
        taken = {}
        for path, headers in self._asked_lists.items():
            async with self._session.get(self.upstream.url + path, headers=headers) as answer:
                taken[path] = await answer.read()
        return taken

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        path = split([part for part in http.path.split("/") if part])
        body = await http.read()
        request = described(http, path) if path and path.rest else _discovering(http)
        passing = _Passing(http, request, body, self.faults.hit(request))
        if request.verb not in READS:
            passing.write = Write(len(self.writes), request, decoded(body))
            self.writes.append(passing.write)
        try:
            response = await self._passed(passing)
        except APIError as error:
            response = refusal(error)
        except HungUpError:
            self.requests.add(request)
            return web.Response()  # that nobody gets
        if request.verb != "watch" or response.status >= HTTPStatus.BAD_REQUEST:
            self.requests.add(replace(request, code=response.status))
        return response

    async def _passed(self, passing: _Passing) -> web.StreamResponse:
        fault = passing.fault
        await self.until_thawed(passing.request)
        if fault is not None and fault.delay:
            await asyncio.sleep(fault.delay)
        if fault is not None and not fault.after:
            carry_out(fault, passing.http)
        if passing.write and not await self.before(passing.write):
            abort(passing.http)
        response = await self._served(passing)
        if passing.write and not await self.after(passing.write):
            abort(passing.http)
        if fault is not None and fault.after:
            carry_out(fault, passing.http)
        return response

    async def _served(self, passing: _Passing) -> web.StreamResponse:
        http, request = passing.http, passing.request
        if request.verb == "watch":
            return await self._watched(passing)
        if request.verb == "list":
            self._asked_lists[http.path_qs] = passed_on(http.headers)
            if http.path_qs in self.lists:
                content = self.lists[http.path_qs]
                return web.Response(body=content, content_type="application/json")
        return await self._forwarded(http, passing.body)

    async def _forwarded(self, http: web.Request, body: bytes) -> web.StreamResponse:
        async with self._asked(http, body) as answer:
            content = await answer.read()
            headers = passed_on(answer.headers)
            headers.pop("Content-Encoding", None)
            return web.Response(body=content, status=answer.status, headers=headers)

    @asynccontextmanager
    async def _asked(self, http: web.Request, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask the API server; nobody there is for the client a connection that breaks."""
        try:
            async with self._session.request(
                http.method,
                self.upstream.url + http.path_qs,
                headers=passed_on(http.headers),
                data=body or None,
            ) as answer:
                yield answer
        except aiohttp.ClientError:
            abort(http)

    async def _watched(self, passing: _Passing) -> web.StreamResponse:
        """Pass on a watch, line by line."""
        http, fault = passing.http, passing.fault
        if fault is not None and fault.expire_watch:
            return web.Response(body=expired(), content_type="application/json")
        async with self._asked(http, passing.body) as answer:
            if answer.status != HTTPStatus.OK:
                content = await answer.read()
                return web.Response(
                    body=content, status=answer.status, content_type="application/json"
                )
            self.requests.add(replace(passing.request, code=answer.status))
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            response.enable_chunked_encoding()
            await response.prepare(http)
            limit = fault.drop_watch_after if fault is not None else None
            copying = asyncio.create_task(self._copy(answer, response, passing))
            self._watches[copying] = passing.request
            copying.add_done_callback(self._watches.pop)
            _, going_on = await asyncio.wait({copying}, timeout=limit)
            if going_on:
                copying.cancel()
                abort(http)
            return response

    async def _copy(
        self, answer: aiohttp.ClientResponse, response: web.StreamResponse, passing: _Passing
    ) -> None:
        try:
            async for line in lines_of(answer.content):
                await self.until_thawed(passing.request)
                if passing.http.transport is None:
                    return
                await response.write(self._told(passing.request, line))
        except (ConnectionResetError, aiohttp.ClientError):
            pass  # an end went away, which is how watches end

    def _told(self, request: Request, line: bytes) -> bytes:
        if self.telling is None:
            return line + b"\n"
        events = self.telling(request, json.loads(line))
        return b"".join(json.dumps(event).encode() + b"\n" for event in events)

    async def until_thawed(self, request: Request) -> None:
        """Wait while a request is to be held."""
        for thawed, fits in list(self._frozen.items()):
            if fits(request):
                await thawed.wait()


def _discovering(http: web.Request) -> Request:
    """Return what a request asks for that is about no resource."""
    agent = http.headers.get("User-Agent", "")
    return Request(agent, http.method.lower(), "", DISCOVERY, "", "", "", dry_run=False)
