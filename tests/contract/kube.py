"""Plain HTTP against one API server, so that tests see exact status codes and bodies."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

CONTENT_TYPES = {
    "json": "application/json",
    "merge": "application/merge-patch+json",
    "json-patch": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
    "protobuf": "application/vnd.kubernetes.protobuf",
}
USER_AGENT = "contract/1"
WAIT_SECONDS = 20.0
POLL_SECONDS = 0.02
NOT_YET = (404, 429)
"""What a server says of a resource that it has just begun to serve."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    warnings: tuple[str, ...] = ()

    @property
    def summary(self) -> tuple[int, str, str]:
        """Return status, reason and message of a refusal."""
        return (self.status, self.body.get("reason", ""), self.body["message"])

    @property
    def causes(self) -> list[tuple[str, str, str]]:
        """Return field, reason and message of every cause."""
        found = self.body["details"].get("causes", [])
        return [(c.get("field", ""), c["reason"], c["message"]) for c in found]

    @property
    def version(self) -> str:
        """Return the resource version of the object or the list."""
        return str(self.body["metadata"]["resourceVersion"])


@dataclass(frozen=True)
class Kube:
    """One user of an API server, with a namespace of its own."""

    session: aiohttp.ClientSession
    url: str
    kubeconfig: Path
    real: bool
    has_controllers: bool = True
    token: str | None = None
    ssl_context: ssl.SSLContext | None = None
    namespace: str = ""
    group: str = "contract.example.com"
    """Of the custom resources; tests that take the definition away choose another one."""

    def _filled(self, text: str) -> str:
        return text.replace("$NS", self.namespace).replace("$GROUP", self.group)

    def _written(self, body: Any) -> bytes:
        text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
        return self._filled(text).encode()

    def _request(self, method: str, path: str, **options: Any) -> Any:
        headers = {"User-Agent": USER_AGENT, **options.pop("headers", {})}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        url = self.url + self._filled(path)
        trust = self.ssl_context or True
        return self.session.request(method, url, headers=headers, ssl=trust, **options)

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        kind: str = "json",
        headers: Mapping[str, str] | None = None,
        **params: str,
    ) -> Answer:
        """Send a request; `$NS` and `$GROUP` in path and body stand for the test's own."""
        options: dict[str, Any] = {"params": params, "headers": dict(headers or {})}
        if body is not None:
            options["data"] = body if isinstance(body, bytes) else self._written(body)
            options["headers"]["Content-Type"] = CONTENT_TYPES[kind]
        async with self._request(method, path, **options) as response:
            data = await response.read()
            found = tuple(response.headers.getall("Warning", []))
            return Answer(response.status, _read(data), found)

    async def get(self, path: str, **params: str) -> Answer:
        """Read an object or a list."""
        return await self.send("GET", path, **params)

    async def create(self, path: str, body: Any, **params: str) -> Answer:
        """Create an object."""
        return await self.send("POST", path, body, **params)

    async def patch(self, path: str, body: Any, kind: str = "merge", **params: str) -> Answer:
        """Patch an object."""
        return await self.send("PATCH", path, body, kind, **params)

    async def apply(self, path: str, body: Any, manager: str = "one", **params: str) -> Answer:
        """Apply a configuration on the server."""
        return await self.patch(path, body, "apply", fieldManager=manager, **params)

    async def delete(self, path: str, body: Any = None, **params: str) -> Answer:
        """Delete an object."""
        return await self.send("DELETE", path, body, **params)

    @asynccontextmanager
    async def watch(self, path: str, **params: str) -> AsyncIterator["Watch"]:
        """Open a watch."""
        options = {"params": {"watch": "1", **params}}
        async with self._request("GET", path, **options) as response:
            try:
                yield Watch(response)
            finally:
                _hang_up(response)
        await asyncio.sleep(0)  # lets the transport close its socket

    def with_token(self, token: str) -> "Kube":
        """Return the same server as another user sees it."""
        return replace(self, token=token)

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait until a condition holds."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not await holds():  # noqa: ASYNC110 - what it waits for is another process
                await asyncio.sleep(POLL_SECONDS)

    async def until_gone(self, path: str) -> None:
        """Wait until an object is gone."""

        async def gone() -> bool:
            return (await self.get(path)).status == 404

        await self.until(gone)

    async def until_served(self, path: str) -> None:
        """Wait until a resource is served."""

        async def served() -> bool:
            return (await self.get(path)).status not in NOT_YET

        await self.until(served)


class Watch:
    """The events of one watch."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status

    async def next(self, *, bookmarks: bool = False) -> tuple[str, Any] | None:
        """Return type and object of the next event, `None` at the end."""
        async with asyncio.timeout(WAIT_SECONDS):
            while line := await self._response.content.readline():
                event = json.loads(line)
                if bookmarks or event["type"] != "BOOKMARK":
                    return event["type"], event["object"]
        return None

    async def seen(self, count: int) -> list[tuple[str, str]]:
        """Return type and name of the next events."""
        events = [await self.next() for _ in range(count)]
        return [(event[0], event[1]["metadata"]["name"]) for event in events if event]


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """Close without TLS's goodbye, which the end of a test would not wait for."""
    transport = response.connection.transport if response.connection else None
    if transport is not None:
        transport.abort()


def _read(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode()
