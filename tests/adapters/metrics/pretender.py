"""A server that pretends to be Prometheus and does as a test says."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Asked:
    """One request, as it arrived."""

    line: str
    headers: Mapping[str, str]
    form: Mapping[str, str]

    @property
    def promql(self) -> str:
        return self.form["query"]


Reply = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


class Pretender:
    """Answers every request with `reply`; use it as an async context manager."""

    def __init__(self, reply: Reply, tls: ssl.SSLContext | None = None) -> None:
        self.reply = reply
        self._tls = tls
        self.asked: list[Asked] = []
        self._news = asyncio.Event()
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def until_asked(self, promql: str) -> None:
        """Wait until a query has arrived."""
        async with asyncio.timeout(5):
            while not any(asked.promql == promql for asked in self.asked):
                self._news.clear()
                await self._news.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await _read(reader)
            self.asked.append(asked)
            self._news.set()
            await _first([self.reply(asked, writer), _gone(reader)])
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client gave up
        finally:
            writer.close()


async def _first(several: Iterable[Awaitable[None]]) -> None:
    """Wait for the first of `several` and cancel the others."""
    tasks = [asyncio.ensure_future(one) for one in several]
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for task in done:
        task.result()


async def _gone(reader: asyncio.StreamReader) -> None:
    """Wait until the client has closed the connection."""
    await reader.read()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    line, *rest = head.strip().split("\r\n")
    headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in rest)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    return Asked(line, headers, form)


def http(status: str, body: str, **headers: str) -> Reply:
    """Reply with a complete response."""
    fields = {"Content-Length": str(len(body.encode())), "Connection": "close", **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return raw(f"HTTP/1.1 {status}\r\n{head}\r\n{body}")


def raw(text: str) -> Reply:
    """Reply with exactly this, then close."""

    async def reply(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(text.encode())

    return reply


def success(result: Any, kind: str = "vector", connection: str = "close") -> Reply:
    """Reply as Prometheus does."""
    data = {"resultType": kind, "result": result}
    body = json.dumps({"status": "success", "data": data})
    return http("200 OK", body, Connection=connection)


def failure(status: str, error: str, kind: str = "x", **headers: str) -> Reply:
    """Reply with an error as Prometheus does."""
    body = json.dumps({"status": "error", "errorType": kind, "error": error})
    return http(status, body, **headers)


def by_promql(special: Mapping[str, Reply], usual: Reply) -> Reply:
    """Reply to queries that contain a word in another way than to the rest."""

    async def reply(asked: Asked, writer: asyncio.StreamWriter) -> None:
        matching = (one for word, one in special.items() if word in asked.promql)
        await next(matching, usual)(asked, writer)

    return reply


def with_past(ranges: Reply, usual: Reply) -> Reply:
    """Reply to queries over a range in another way than to the rest."""

    async def reply(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await (ranges if "/query_range" in asked.line else usual)(asked, writer)

    return reply


def by_metric(requests: Reply, durations: Reply) -> Reply:
    """Reply to the two kinds of shared queries."""
    return by_promql({"_milliseconds_bucket": durations}, requests)


def sample(value: str, **labels: str) -> dict[str, Any]:
    return {"metric": labels, "value": [1772366400, value]}


async def silence(_: Asked, __: asyncio.StreamWriter) -> None:
    """Accept and never answer."""
    await asyncio.Event().wait()
