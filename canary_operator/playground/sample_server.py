"""The application of the demo: a small, fast HTTP server that misbehaves on request.

    python -m canary_operator.playground.sample_server --host 127.0.0.1 --port 8080

`sample_behaviour` lists the environment variables that choose how. At `/metrics` it says, as
Prometheus reads it, how many requests it answered with which status.

SIGTERM ends it gracefully: it stops accepting, answers what is under way with
`Connection: close`, gives idle connections a moment for one last request, and exits with code 0.

It imports nothing but the standard library, so that dozens of them start quickly. Headers and
body go out in one write: proxies take a split answer for two events and get the timing wrong.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, Final

from canary_operator.playground.sample_behaviour import Behaviour

LINGER_SECONDS: Final = 1.0
"""How long an idle connection may still bring a last request after SIGTERM."""

_LONGEST_HEAD: Final = 65536


class Server:
    """Listens, and knows its connections."""

    def __init__(self, behaviour: Behaviour, pod: str) -> None:
        self.behaviour = behaviour
        self.pod = pod
        self.is_draining = False
        self.connections: set[Connection] = set()
        self._answered = dict.fromkeys((HTTPStatus.OK, HTTPStatus.INTERNAL_SERVER_ERROR), 0)
        self._ended = asyncio.Event()
        self._deserted = asyncio.Event()

    async def run(self, host: str, port: int) -> None:
        """Serve until told to end."""
        if self.behaviour.refuses:
            await self._ended.wait()
            return
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: Connection(self), host, port, backlog=512)
        if self.behaviour.refuse_after_seconds is not None:
            loop.call_later(self.behaviour.refuse_after_seconds, self._refuse, listener)
        await self._ended.wait()
        self.is_draining = True
        listener.close()
        for connection in list(self.connections):
            connection.end_soon()
        if self.connections:
            await self._deserted.wait()

    def _refuse(self, listener: asyncio.Server) -> None:
        """Listen no more, as a server whose acceptor died; the process goes on."""
        listener.close()
        for connection in list(self.connections):
            connection.end_soon()

    def forget(self, connection: "Connection") -> None:
        """Note that a caller is gone; the last one lets the end come."""
        self.connections.discard(connection)
        if self.is_draining and not self.connections:
            self._deserted.set()

    def end(self) -> None:
        """Begin the graceful end, if it is to be one; may be called again."""
        if self.behaviour.ends_abruptly:
            os._exit(0)
        self._ended.set()

    def delay_seconds(self, path: bytes) -> float:
        """Return how long the answer to a request takes; probes and scrapes are never late."""
        quick = _is_probe(path) or _is_scrape(path)
        return 0.0 if quick else self.behaviour.delay_seconds()

    def answer(self, path: bytes, *, closing: bool) -> bytes:
        """Return the bytes of an answer."""
        if _is_scrape(path):
            return self._encoded(HTTPStatus.OK, self._metrics(), closing=closing, kind="text/plain")
        status = self._health() if _is_probe(path) else self._next_status()
        body = {
            "version": self.behaviour.version,
            "pod": self.pod,
            "path": path.decode("latin-1"),
            "status": status.value,
        }
        return self._encoded(status, json.dumps(body).encode() + b"\n", closing=closing)

    def _next_status(self) -> HTTPStatus:
        status = self.behaviour.next_status()
        self._answered[status] += 1
        return status

    def _metrics(self) -> bytes:
        lines = [
            f'http_requests_total{{code="{status.value}"}} {count}\n'
            for status, count in self._answered.items()
        ]
        return "".join(["# TYPE http_requests_total counter\n", *lines]).encode()

    def _health(self) -> HTTPStatus:
        healthy = self.behaviour.is_healthy
        return HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE

    def _encoded(
        self, status: HTTPStatus, body: bytes, *, closing: bool, kind: str = "application/json"
    ) -> bytes:
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            f"content-type: {kind}\r\n"
            f"x-version: {self.behaviour.version}\r\n"
            f"content-length: {len(body)}\r\n"
            f"connection: {'close' if closing else 'keep-alive'}\r\n\r\n"
        )
        return head.encode("latin-1", "replace") + body


class Connection(asyncio.Protocol):
    """One caller: answers its requests in order, one at a time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the caller."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP always is
        self._transport = transport
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Forget the caller, and what it was waiting for."""
        self._server.forget(self)
        self._transport = None
        if self._answer:
            self._answer.cancel()

    def data_received(self, data: bytes) -> None:
        """Take in what the caller sent."""
        self._received += data
        self._proceed()

    def end_soon(self) -> None:
        """Close after the answer under way, or after a moment for a last request."""
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._close_idle)

    def _close_idle(self) -> None:
        if self._transport and self._answer is None:
            self._transport.close()

    def _proceed(self) -> None:
        """Begin the next answer once its request is complete."""
        if self._answer is not None or self._transport is None:
            return
        request = taken_request(self._received)
        if request is None:
            return
        if request.is_bad:
            self._transport.close()
            return
        if delay := self._server.delay_seconds(request.path):
            loop = asyncio.get_running_loop()
            self._answer = loop.call_later(delay, self._send, request)
        else:
            self._send(request)

    def _send(self, request: "Request") -> None:
        self._answer = None
        if self._transport is None:
            return
        closing = request.closes or self._server.is_draining
        answer = self._server.answer(request.path, closing=closing)
        if request.method == b"HEAD":
            answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        self._transport.write(answer)
        if closing:
            self._transport.close()
        elif self._received:
            asyncio.get_running_loop().call_soon(self._proceed)


@dataclass(frozen=True)
class Request:
    """The parts of a request that an answer depends on."""

    method: bytes = b""
    path: bytes = b"/"
    closes: bool = False
    is_bad: bool = False
    """Not understood, chunked, or too long: the connection cannot be used any more."""


def taken_request(received: bytearray) -> Request | None:
    """Remove the first request from `received`; `None` while it is incomplete."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return Request(is_bad=True) if len(received) > _LONGEST_HEAD else None
    head = bytes(received[:end])
    parts = head.partition(b"\r\n")[0].split(b" ")
    headers = head.lower()
    length = _header(headers, b"content-length") or b"0"
    if len(parts) != 3 or not length.isdigit() or _header(headers, b"transfer-encoding"):  # noqa: PLR2004 - method, path, version
        return Request(is_bad=True)
    complete = end + 4 + int(length)
    if len(received) < complete:
        return None
    del received[:complete]
    method, path, version = parts
    wish = _header(headers, b"connection") or b""
    closes = b"close" in wish or (version == b"HTTP/1.0" and b"keep-alive" not in wish)
    return Request(method, path, closes)


def _is_probe(path: bytes) -> bool:
    return path.partition(b"?")[0] == b"/healthz"


def _is_scrape(path: bytes) -> bool:
    return path.partition(b"?")[0] == b"/metrics"


def _header(head: bytes, name: bytes) -> bytes | None:
    """Return the value of a header in a head that is all lower case."""
    start = head.find(b"\r\n" + name + b":")
    if start < 0:
        return None
    start += len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else None].strip()


async def serve(behaviour: Behaviour, host: str, port: int, parent: IO[bytes] | None) -> None:
    """Serve until SIGTERM, SIGINT, or until `parent`, the reading end of a pipe, is closed."""
    server = Server(behaviour, os.environ.get("HOSTNAME", ""))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.end)
    if behaviour.crash_after_seconds is not None:
        loop.call_later(behaviour.crash_after_seconds, os._exit, 1)
    if parent:
        await loop.connect_read_pipe(lambda: _Orphaned(server), parent)
    await server.run(host, port)


class _Orphaned(asyncio.Protocol):
    """Ends the server when nobody is left who could stop it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._server.end()


def main() -> None:
    """Run the server from the command line."""
    parser = argparse.ArgumentParser(description="A sample application; see the module's text.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument(
        "--exit-with-parent", action="store_true", help="end when standard input is closed"
    )
    arguments = parser.parse_args()
    try:
        behaviour = Behaviour.of(os.environ)
    except ValueError as error:
        sys.exit(str(error))
    if behaviour.crash_after_seconds == 0:
        sys.exit(1)
    parent = sys.stdin.buffer if arguments.exit_with_parent else None
    asyncio.run(serve(behaviour, arguments.host, arguments.port, parent))


if __name__ == "__main__":
    main()
