"""A thin asynchronous client: JSON in, JSON out, errors in our own words.

It uses the configuration of `kubernetes.aio` (service account, kubeconfig, renewal of tokens) and
none of its typed models: those cost seconds to import and validate what the server validates
anyway.

    async with Client(await load_configuration()) as client:
        web = await client.get(DEPLOYMENTS, "demo", "web-stable")

Every request may be repeated: a write says which object it means (`uid`, `resourceVersion`, `test`)
or describes the end state.
"""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import aiohttp
from kubernetes.aio.client.configuration import Configuration

from canary_operator.adapters.cluster.answers import Manifest, content_of, hang_up, lines_of
from canary_operator.adapters.cluster.connection import (
    JSON,
    Connection,
    OnAnswer,
    credentials_of,
)
from canary_operator.adapters.cluster.encoding import encode
from canary_operator.adapters.cluster.errors import Call, ExpiredError, Refusal, error_of
from canary_operator.adapters.cluster.resources import Resource
from canary_operator.domain.errors import NotLeaderError, UnavailableError
from canary_operator.domain.foreign_text import one_line
from canary_operator.domain.objects import MANAGER

Query = Mapping[str, str]
SecondsToWrite = Callable[[], float]
"""How long a write that begins now may take; 0 or less: none may begin."""

_PAGE = 200
_FIRST_FAILURE = 400
_LONGEST_WORDS = 200
"""Characters of why no answer came; the library quotes what it could not read."""
_WRITES = frozenset({"POST", "PATCH"})

_MERGE_PATCH = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML

_STRICT: Query = {"fieldValidation": "Strict"}
_LENIENT: Query = {"fieldValidation": "Ignore"}
"""For status: a CRD that is older than the operator drops what it does not know."""


class Client(Connection):
    """Requests to one API server; close it at the end, or use it as a context manager."""

    manager = MANAGER
    """Who is said to have set the fields that are written."""

    def __init__(
        self,
        configuration: Configuration,
        on_answer: OnAnswer | None = None,
        seconds_to_write: SecondsToWrite = lambda: math.inf,
    ) -> None:
        """Remember where the server is; nothing is sent yet.

        Args:
            configuration: From `load_configuration`, or `Configuration(host=…)`.
            on_answer: Counts requests.
            seconds_to_write: Bounds every write, so that none outlives a term as leader.
        """
        super().__init__(configuration)
        self._seconds_to_write = seconds_to_write
        self._on_answer = on_answer or (lambda *_: None)

    async def get(self, resource: Resource, namespace: str, name: str) -> Manifest:
        """Return one object."""
        return await self._send("GET", Call("get", resource, namespace, name))

    async def list(
        self, resource: Resource, namespace: str | None, **selectors: str
    ) -> AsyncIterator[Manifest]:
        """Yield all objects of a namespace, or of the cluster, page by page.

        Args:
            resource: Their kind.
            namespace: None for all namespaces.
            selectors: `labelSelector` and `fieldSelector`.
        """
        call = Call("list", resource, namespace, None)
        query = {"limit": str(_PAGE), **selectors}
        while True:
            try:
                page = await self._send("GET", call, query=query)
            except ExpiredError:
                if "continue" not in query:
                    raise
                query.pop("continue")  # listing took too long: from the beginning again
                continue
            for item in page.get("items") or ():
                yield item
            following = page["metadata"].get("continue")
            if not following:
                return
            query["continue"] = following

    async def page(self, call: Call, query: Query) -> Manifest:
        """Return one answer to a list, with its `resourceVersion`, where a watch can go on."""
        return await self._send("GET", call, query=query)

    async def create(self, resource: Resource, body: Mapping[str, Any]) -> Manifest:
        """Create an object; its name must not be taken."""
        meta = body["metadata"]
        call = Call("create", resource, meta["namespace"], meta["name"])
        return await self._send("POST", call, body, JSON, _STRICT)

    async def apply(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        *,
        dry_run: bool = False,
        force: bool = True,
        manager: str | None = None,
    ) -> Manifest:
        """Make the object have the fields of `body`, whoever set them before.

        Args:
            resource: Its kind.
            body: What it must have.
            dry_run: Whether the server only says what it would do.
            force: Whether fields are taken from others; else a difference is a conflict.
            manager: Who is said to have set them; what the same one applied before goes.
        """
        meta = body["metadata"]
        call = Call("patch", resource, meta["namespace"], meta["name"])
        query = {**_STRICT, "force": str(force).lower(), **({"dryRun": "All"} if dry_run else {})}
        query |= {"fieldManager": manager} if manager else {}
        return await self._send("PATCH", call, body, _APPLY_PATCH, query)

    async def merge(
        self, resource: Resource, namespace: str, name: str, patch: Mapping[str, Any]
    ) -> Manifest:
        """Change the fields of `patch`; a `uid` or `resourceVersion` in it is a condition."""
        call = Call("patch", resource, namespace, name)
        return await self._send("PATCH", call, patch, _MERGE_PATCH, _STRICT)

    async def merge_status(
        self, resource: Resource, namespace: str, name: str, patch: Mapping[str, Any]
    ) -> Manifest:
        """Change the fields of `patch` in the status."""
        call = Call("patch", resource, namespace, name, "status")
        return await self._send("PATCH", call, patch, _MERGE_PATCH, _LENIENT)

    async def patch(
        self, resource: Resource, namespace: str, name: str, operations: Sequence[Manifest]
    ) -> Manifest:
        """Carry out JSON Patch operations, all or none."""
        call = Call("patch", resource, namespace, name)
        return await self._send("PATCH", call, operations, _JSON_PATCH, {})

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Delete one object, if it is still the one with `uid`."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}}
        await self._send("DELETE", Call("delete", resource, namespace, name), options, JSON)

    async def _send(
        self,
        method: str,
        call: Call,
        body: Any = None,
        content_type: str | None = None,
        query: Query | None = None,
    ) -> Manifest:
        headers = {"Content-Type": content_type} if content_type else {}
        data = None if body is None else encode(body)
        if method in _WRITES and query is not None:
            query = {"fieldManager": self.manager, **query}
        seconds = None if method == "GET" else self._bound(call)
        started = time.monotonic()

        def answered(code: int) -> None:
            self._on_answer(call.verb, call.counted, code, time.monotonic() - started)

        try:
            async with asyncio.timeout(seconds):
                code, retry_after, text = await self._exchange(
                    method, call.path, params=query, headers=headers, data=data
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            answered(0)
            raise self.unanswered(call, error) from error
        answered(code)
        content = content_of(text)
        if code >= _FIRST_FAILURE:
            raise self.refused(call, Refusal(code, content, retry_after))
        if isinstance(content, str):
            raise UnavailableError(f"The API server answered {call} with something else than JSON.")
        return content

    def _bound(self, call: Call) -> float | None:
        """Return how long a write may take; None for as long as any request."""
        seconds = self._seconds_to_write()
        if seconds <= 0:
            raise NotLeaderError(f"Not sent, since this operator does not lead: {call}")
        return None if math.isinf(seconds) else seconds

    def refused(self, call: Call, refusal: Refusal) -> Exception:
        """Return what to raise for an answer that is not a success."""
        return error_of(call, refusal)

    def unanswered(self, call: Call, error: Exception) -> Exception:
        """Return what to raise where no answer came."""
        words = one_line(str(error), _LONGEST_WORDS) or type(error).__name__
        return UnavailableError(f"The API server did not answer {call}: {words}")

    async def lines(
        self, call: Call, query: Query, idle_seconds: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the lines of an endless answer, such as a watch, as they arrive.

        Args:
            call: What is asked for.
            query: Parameters.
            idle_seconds: Longest silence; None waits for ever.
        """
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self.timeout_seconds, sock_read=idle_seconds
        )
        headers = await credentials_of(self._configuration)
        name, url = self._configuration.tls_server_name, self._url(call.path)
        request: dict[str, Any] = {"params": query, "headers": headers, "timeout": timeout}
        code, started = 0, time.monotonic()
        try:
            async with self._open_session().get(url, server_hostname=name, **request) as response:
                code = response.status
                self._on_answer(call.verb, call.counted, code, time.monotonic() - started)
                if response.status >= _FIRST_FAILURE:
                    content = content_of(await response.read())
                    raise self.refused(call, Refusal(response.status, content))
                try:
                    async for line in lines_of(response.content):
                        yield line
                finally:
                    hang_up(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if not code:
                self._on_answer(call.verb, call.counted, code, time.monotonic() - started)
            raise self.unanswered(call, error) from error
