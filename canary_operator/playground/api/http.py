"""HTTP: from an aiohttp request to an operation and back."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import yaml
from aiohttp import web

from canary_operator.playground.api import admin, documents, protobuf
from canary_operator.playground.api.auth import User, attributes
from canary_operator.playground.api.cluster import Cluster
from canary_operator.playground.api.dispatch import Answer, Call, Dispatcher
from canary_operator.playground.api.errors import (
    PLAIN_NOT_FOUND,
    APIError,
    bad_request,
    unsupported_media_type,
)
from canary_operator.playground.api.faults import Fault
from canary_operator.playground.api.jsontypes import read_json
from canary_operator.playground.api.paths import Split, resolve, split
from canary_operator.playground.api.requests import Request
from canary_operator.playground.api.selectors import selected_name
from canary_operator.playground.api.watch import WatchRequest, stream
from canary_operator.playground.api.yamltext import read_yaml

READABLE = ("application/json", "application/yaml")
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}
MAX_BODY = 8 << 20


class Front:
    """The HTTP face of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._dispatcher = Dispatcher(cluster)

    def app(self) -> web.Application:
        """Return the aiohttp application."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        try:
            parts = [part for part in http.path.split("/") if part]
            path = split(parts)
            if path is not None and path.rest:
                return await self._resource(http, path)
            return await self._other(http, parts)
        except APIError as error:
            return refusal(error)

    async def _other(self, http: web.Request, parts: list[str]) -> web.StreamResponse:
        """Answer everything that is not a resource."""
        if parts and parts[0] == admin.PREFIX:
            return await admin.handle(self._cluster, http, parts[1:])
        accept = http.headers.get("Accept", "")
        found = documents.find(self._cluster.registry, parts, accept, http.host)
        if isinstance(found.body, str):
            return web.Response(text=found.body, content_type=found.content_type)
        return json_response(found.body, content_type=found.content_type)

    # ------------------------------------------------------------------ resources

    async def _resource(self, http: web.Request, path: Split) -> web.StreamResponse:
        request = described(http, path)
        fault = self._cluster.faults.hit(request)
        if fault is not None and fault.delay:
            await asyncio.sleep(fault.delay)
        try:
            if fault is not None and not fault.after:
                _break(fault, http)
            user = self._cluster.authorizer.user_of(http.headers.get("Authorization", ""))
            request = replace(request, user=user.name)
            response = await self._served(http, path, request, user, fault)
            if fault is not None and fault.after:
                _break(fault, http)
        except APIError as error:
            self._cluster.requests.add(replace(request, code=error.code))
            return refusal(error)
        except ConnectionResetError:
            self._cluster.requests.add(request)
            raise
        return response

    async def _served(
        self, http: web.Request, path: Split, request: Request, user: User, fault: Fault | None
    ) -> web.StreamResponse:
        self._cluster.authorizer.require(user, attributes(request))
        resolved = resolve(path, self._cluster.registry)
        call = Call(http.method, resolved, http.query, http.headers, await _body(http), user)
        answer = self._dispatcher.answer(call)
        code = 200 if isinstance(answer, WatchRequest) else answer.status
        self._cluster.requests.add(replace(request, code=code))
        if isinstance(answer, WatchRequest):
            return await self._stream(http, answer, fault)
        return _plain(answer)

    async def _stream(
        self, http: web.Request, wanted: WatchRequest, fault: Fault | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(http)
        if fault is not None and fault.expire_watch:
            await response.write(expired())
            return response
        limit = fault.drop_watch_after if fault is not None else None
        try:
            async with asyncio.timeout(limit):
                async for line in stream(self._cluster.store, wanted):
                    await response.write(line)
        except TimeoutError:
            _abort(http)
        except ConnectionResetError:  # the client went away, which is how watches end
            pass
        return response


def described(http: web.Request, path: Split) -> Request:
    """Return what a request asks for, in the words of RBAC; the resource need not exist."""
    rest, namespace = path.rest, ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        inside = len(rest) > 2 and rest[2] not in ("status", "finalize")  # noqa: PLR2004
        rest = rest[2:] if inside else rest
    resource, name, subresource = [*rest, "", ""][:3]
    verb = VERBS.get(http.method, http.method.lower())
    if not name:
        watching = http.query.get("watch") in ("true", "1")
        verb = {"get": "watch" if watching else "list", "delete": "deletecollection"}.get(
            verb, verb
        )
    return Request(
        user_agent=http.headers.get("User-Agent", ""),
        verb=verb,
        group=path.group,
        resource=resource,
        subresource=subresource,
        namespace=namespace,
        name=name or selected_name(http.query.get("fieldSelector", "")),
        dry_run=bool(http.query.get("dryRun")),
    )


async def _body(http: web.Request) -> Any:
    """Read a body as JSON or YAML.

    Raises:
        APIError: it is in another format (415), or cannot be read (400).
    """
    if http.method == "GET" or not http.can_read_body:
        return None
    kind = http.content_type
    data = await http.read()
    if not data:
        return None
    if "protobuf" in kind:
        if not protobuf.readable(data):
            raise unsupported_media_type(READABLE)
        return protobuf.decode(data)
    try:
        return read_yaml(data) if "yaml" in kind else read_json(data)
    except (ValueError, yaml.YAMLError) as error:
        if "yaml" in kind:
            message = f"error decoding patch: error converting YAML to JSON: yaml: {error}"
            raise bad_request(message) from error
        raise bad_request(f"error decoding JSON: {error}") from error


def json_response(
    body: Any, status: int = 200, content_type: str = "application/json"
) -> web.Response:
    """Return a response in JSON."""
    data = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    return web.Response(body=data, status=status, headers={"Content-Type": content_type})


def refusal(error: APIError) -> web.Response:
    """Return the Status of a refusal."""
    if error.message == PLAIN_NOT_FOUND:
        return web.Response(text=error.message, status=error.code)
    response = json_response(error.status(), error.code)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _plain(answer: Answer) -> web.Response:
    response = web.Response(
        body=answer.body, status=answer.status, headers={"Content-Type": answer.content_type}
    )
    for warning in answer.warnings:
        quoted = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{quoted}"')
    return response


def _break(fault: Fault, http: web.Request) -> None:
    """Carry out a fault that takes the answer away."""
    if fault.reset:
        _abort(http)
        raise ConnectionResetError("a fault closed the connection")
    error = fault.error()
    if error is not None:
        raise error


def _abort(http: web.Request) -> None:
    if http.transport is not None:
        http.transport.abort()


def expired() -> bytes:
    """Return the only event of a watch that goes on from what is forgotten."""
    error = APIError(410, "Expired", "The resourceVersion for the provided watch is too old.")
    return json.dumps({"type": "ERROR", "object": error.status()}).encode() + b"\n"
