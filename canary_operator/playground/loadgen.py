"""Steady load, counted: what the users of a Service would have seen.

Requests start at a fixed rate whatever the answers take (an open loop), so a slow version does not
hide behind fewer requests. No error stops the load. Most requests share kept-alive connections,
some open a new one, as a mix of services and browsers does.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import aiohttp

VERSION_HEADER = "x-version"
"""Sample servers say in it who they are; an answer without it was made by the mesh."""

TICK_SECONDS = 0.02
SAMPLE_SECONDS = 1.0
MAX_IN_FLIGHT = 2000


class Failure(StrEnum):
    """Whose fault a failed request is."""

    APPLICATION = "application"
    """A pod answered with a 5xx."""
    MESH = "mesh"
    """A 5xx without a pod: nobody there, connection refused, timeout."""
    CONNECTION = "connection"
    """No complete answer came at all."""


@dataclass(frozen=True)
class Sample:
    """What was finished within one second of the load."""

    at: float
    """Seconds since the load began, end of the sample."""
    by_version: Mapping[str, int]
    """Answers of pods, by version, failed ones included."""
    failures: Mapping[Failure, int]
    failed_by_version: Mapping[str, int]

    @property
    def requests(self) -> int:
        """All requests of the sample."""
        made_without_pod = self.failures.get(Failure.MESH, 0)
        made_without_pod += self.failures.get(Failure.CONNECTION, 0)
        return sum(self.by_version.values()) + made_without_pod


@dataclass
class Counts:
    """Requests so far."""

    by_version: Counter[str] = field(default_factory=Counter)
    by_status: Counter[int] = field(default_factory=Counter)
    failures: Counter[Failure] = field(default_factory=Counter)
    failed_by_version: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    finished: int = 0
    skipped: int = 0
    """Not sent, because too many were waiting for an answer."""

    @property
    def failed(self) -> int:
        """Requests that a user would call failed."""
        return self.failures.total()

    def answered(self, status: int, version: str | None) -> None:
        """Record a complete answer; one without a version comes from the mesh."""
        self.finished += 1
        self.by_status[status] += 1
        is_error = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if version is not None:
            self.by_version[version] += 1
            if is_error:
                self.failed_by_version[version] += 1
        if is_error:
            self.failures[Failure.MESH if version is None else Failure.APPLICATION] += 1

    def broken(self) -> None:
        """Record that no complete answer came."""
        self.finished += 1
        self.failures[Failure.CONNECTION] += 1


def on_loopback(url: str) -> tuple[str, str | None]:
    """Return where to send a request for `url`, and the Host header if it must be said.

    Names under `.localhost` are this machine (RFC 6761). Browsers and curl know; the resolver
    that Python asks often does not.

    Example:
        >>> on_loopback("http://web.demo.localhost:8080/a")
        ('http://127.0.0.1:8080/a', 'web.demo.localhost:8080')
        >>> on_loopback("http://127.0.0.1:8080/a")
        ('http://127.0.0.1:8080/a', None)
    """
    parts = urlsplit(url)
    if not (parts.hostname or "").endswith(".localhost"):
        return url, None
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit(parts._replace(netloc=f"127.0.0.1{port}")), parts.netloc


class LoadGenerator:
    """Sends requests in the background; use it as an async context manager."""

    def __init__(  # noqa: PLR0913 - each has a default that a demo keeps
        self,
        url: str,
        *,
        host: str | None = None,
        headers: Mapping[str, str] | None = None,
        rate: float = 50.0,
        new_connection_every: int = 10,
        timeout_seconds: float = 10.0,
        keep_samples: int = 3600,
    ) -> None:
        """Remember what to send, send nothing yet.

        Args:
            url: Where to send to.
            host: Host header, if it is not the one in `url`.
            headers: Further headers, such as a cookie.
            rate: Requests per second; may be changed while running.
            new_connection_every: Each so many-th request opens a connection of its own.
            timeout_seconds: When a user would give up.
            keep_samples: How many seconds of the timeline to remember.
        """
        self.rate = rate
        self.counts = Counts()
        self.samples: deque[Sample] = deque(maxlen=keep_samples)
        self._url, named = on_loopback(url)
        self._headers = dict(headers or {})
        if called := host or named:
            self._headers["Host"] = called
        self._new_connection_every = new_connection_every
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._in_flight: set[asyncio.Task[None]] = set()
        self._stack = AsyncExitStack()
        self._kept_alive: aiohttp.ClientSession
        self._one_off: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._kept_alive = await stack.enter_async_context(self._session(once=False))
            self._one_off = await stack.enter_async_context(self._session(once=True))
            self._begun = time.monotonic()
            self._work = [asyncio.create_task(self._send()), asyncio.create_task(self._sample())]
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        await self._stack.aclose()

    @property
    def elapsed(self) -> float:
        """Seconds since the load began: the clock of the samples."""
        return time.monotonic() - self._begun

    async def stop(self) -> Counts:
        """Send nothing more, wait for the answers still due, and return the counts."""
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await asyncio.gather(*self._in_flight, return_exceptions=True)
        return self.counts

    async def _send(self) -> None:
        """Start as many requests in each tick as are due, with fractions carried over."""
        due, last = 0.0, time.monotonic()
        while True:
            now = time.monotonic()
            due = min(due + (now - last) * self.rate, self.rate)
            last = now
            while due >= 1.0:
                due -= 1.0
                self._start_request()
            await asyncio.sleep(TICK_SECONDS)

    def _start_request(self) -> None:
        if len(self._in_flight) >= MAX_IN_FLIGHT:
            self.counts.skipped += 1
            return
        self.counts.sent += 1
        alone = self.counts.sent % self._new_connection_every == 0
        task = asyncio.create_task(self._request(self._one_off if alone else self._kept_alive))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _request(self, session: aiohttp.ClientSession) -> None:
        try:
            async with session.get(self._url) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            self.counts.broken()
        else:
            self.counts.answered(response.status, response.headers.get(VERSION_HEADER))

    async def _sample(self) -> None:
        """Take the difference of the counts each second, for the timeline."""
        before = _Snapshot.of(self.counts)
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            now = _Snapshot.of(self.counts)
            self.samples.append(now.since(before, self.elapsed))
            before = now

    def _session(self, *, once: bool) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=once),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            timeout=self._timeout,
        )


@dataclass(frozen=True)
class _Snapshot:
    by_version: Counter[str]
    failures: Counter[Failure]
    failed_by_version: Counter[str]

    @classmethod
    def of(cls, counts: Counts) -> Self:
        return cls(
            counts.by_version.copy(), counts.failures.copy(), counts.failed_by_version.copy()
        )

    def since(self, before: Self, at: float) -> Sample:
        return Sample(
            at,
            dict(self.by_version - before.by_version),
            dict(self.failures - before.failures),
            dict(self.failed_by_version - before.failed_by_version),
        )
