"""A small asynchronous client for any Kubernetes API: the embedded one and a real one.

The playground speaks plain JSON over HTTP and wants nothing from a typed client but its start-up
time, so this is a thin layer over aiohttp.

    async with Client(api.url) as client:
        pod = await client.get(PODS, "web-0", "demo")
        async for change in client.watch(PODS, label_selector="app=web"):
            ...

Failures are the errors of `client_errors`.
"""

import json
import logging
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import aiohttp

from canary_operator.adapters.cluster.feed import Change, ChangeKind, Feed, Manifest
from canary_operator.playground.client_errors import (
    AlreadyExistsError,
    ApiError,
    ApiStatusError,
    ApiUnavailableError,
    ConflictError,
    ExpiredError,
    NotFoundError,
    status_error,
)

__all__ = [
    "APPLY",
    "DEPLOYMENTS",
    "ENDPOINTS",
    "ENDPOINT_SLICES",
    "EVENTS",
    "JSON_PATCH",
    "MERGE",
    "NAMESPACES",
    "NODES",
    "PODS",
    "REPLICA_SETS",
    "SERVICES",
    "STRATEGIC",
    "AlreadyExistsError",
    "ApiError",
    "ApiStatusError",
    "ApiUnavailableError",
    "Change",
    "ChangeKind",
    "Client",
    "ConflictError",
    "ExpiredError",
    "Manifest",
    "NotFoundError",
    "Resource",
]

logger = logging.getLogger(__name__)

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

REQUEST_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Resource:
    """A kind of object as URLs name it."""

    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """Return the URL path; no namespace means all namespaces, no name the collection."""
        parts = [f"apis/{self.group}" if self.group else "api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        return "/" + "/".join(part for part in (*parts, self.plural, name, subresource) if part)


NAMESPACES = Resource("namespaces", namespaced=False)
NODES = Resource("nodes", namespaced=False)
PODS = Resource("pods")
SERVICES = Resource("services")
ENDPOINTS = Resource("endpoints")
EVENTS = Resource("events")
ENDPOINT_SLICES = Resource("endpointslices", "discovery.k8s.io")
DEPLOYMENTS = Resource("deployments", "apps")
REPLICA_SETS = Resource("replicasets", "apps")


class Client:
    """Requests to one API server; use it as an asynchronous context manager."""

    def __init__(
        self, url: str, *, token: str | None = None, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        """Remember where the server is.

        Args:
            url: Address such as `http://127.0.0.1:8001`.
            token: Bearer token, where the server asks for one.
            ssl_context: Trust for `https`, e.g. `ssl.create_default_context(cafile=…)`.
        """
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._ssl = ssl_context
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._ssl or True)
        self._session = aiohttp.ClientSession(connector=connector, headers=self._headers)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session:
            await self._session.close()

    async def get(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        subresource: str | None = None,
    ) -> Manifest:
        """Return one object."""
        return await self.request("GET", resource.path(namespace, name, subresource))

    async def list(
        self, resource: Resource, namespace: str | None = None, **query: str
    ) -> Manifest:
        """Return the list object with `items`; `query` as in `labelSelector="app=web"`."""
        return await self.request("GET", resource.path(namespace), params=query)

    async def create(
        self,
        resource: Resource,
        body: Manifest,
        namespace: str | None = None,
        *,
        name: str | None = None,
        subresource: str | None = None,
    ) -> Manifest:
        """Create `body`; `name` and `subresource` are for the likes of `pods/web-0/binding`."""
        return await self.request("POST", resource.path(namespace, name, subresource), body)

    async def replace(
        self,
        resource: Resource,
        body: Manifest,
        *,
        subresource: str | None = None,
    ) -> Manifest:
        """Write the whole object; a `resourceVersion` in it guards against lost updates."""
        meta = body["metadata"]
        path = resource.path(meta.get("namespace"), meta["name"], subresource)
        return await self.request("PUT", path, body)

    async def patch(  # noqa: PLR0913 - mirrors the parts of the request
        self,
        resource: Resource,
        name: str,
        body: Any,
        namespace: str | None = None,
        *,
        ctype: str = MERGE,
        subresource: str | None = None,
        **query: str,
    ) -> Manifest:
        """Patch one object; `query` as in `fieldManager="kubelet", force="true"`."""
        path = resource.path(namespace, name, subresource)
        return await self.request("PATCH", path, body, ctype=ctype, params=query)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        grace_seconds: int | None = None,
    ) -> Manifest:
        """Delete one object, only the one with `uid` where given."""
        options: Manifest = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        return await self.request("DELETE", resource.path(namespace, name), options)

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        ctype: str = "application/json",
        params: Mapping[str, str] | None = None,
    ) -> Manifest:
        """Send one request and return the answer.

        Raises:
            ApiStatusError: the server said no.
            ApiUnavailableError: the server did not answer.
        """
        payload = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": ctype} if payload is not None else {}
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS)
        try:
            async with self._opened.request(
                method,
                self.url + path,
                data=payload,
                headers=headers,
                params=params,
                timeout=timeout,
            ) as response:
                return _checked(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnavailableError(f"{method} {path}: {error!r}") from error

    async def watch(
        self, resource: Resource, namespace: str | None = None, **query: str
    ) -> AsyncGenerator[Change, None]:
        """Report every object, then every change, for ever.

        Survives ended and broken connections, expired versions (410) and servers that are away:
        what was missed meanwhile is reported as the difference to what had been seen.
        """
        feed = Feed(self, resource.path(namespace), query)
        while True:
            try:
                async with aclosing(feed.until_interrupted()) as changes:
                    async for change in changes:
                        yield change
            except ExpiredError:
                feed.version = None
            except ApiError as error:
                logger.info("Watch interrupted: path=%s error=%s", feed.path, error)
            await feed.back_off()

    @property
    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("Open the client first: `async with Client(url) as client: …`")
        return self._session

    def watch_error(self, status: Manifest) -> Exception:
        """Return what a watch says instead of an object."""
        return status_error(status.get("code", 0), status)

    async def lines(self, path: str, params: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """Yield the lines of an endless answer as they arrive."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_TIMEOUT_SECONDS)
        try:
            async with self._opened.get(
                self.url + path, params=params, timeout=timeout
            ) as response:
                if response.status != HTTPStatus.OK:
                    _checked(response.status, await response.read())
                buffered = b""
                async for chunk in response.content.iter_any():
                    *complete, buffered = (buffered + chunk).split(b"\n")
                    for line in complete:
                        yield line
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnavailableError(f"watch {path}: {error!r}") from error


def _checked(code: int, body: bytes) -> Manifest:
    """Return the decoded answer, or raise what it says."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = body.decode(errors="replace")
    if code >= HTTPStatus.BAD_REQUEST:
        raise status_error(code, answer)
    if not isinstance(answer, dict):
        raise ApiStatusError(code, "NotJson", f"expected a JSON object, got {answer!r:.200}")
    return answer
