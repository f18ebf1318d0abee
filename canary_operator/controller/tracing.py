"""What kopf asks of the API server, as our own client would name it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp

from canary_operator.adapters.cluster.connection import OnAnswer

DISCOVERY = "discovery"
"""Stands for the resource where kopf asks which resources there are."""

OnRequest = Callable[[str, str, str], None]
"""Told of every request that is sent: verb, resource, namespace (empty for all)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request of kopf is about."""

    verb: str
    resource: str = DISCOVERY
    namespace: str = ""


def read_request(method: str, path: str, query: Mapping[str, str]) -> Asked:
    """Return what a request is about: kopf only reads, whole collections.

    Example:
        >>> read_request("GET", "/apis/apps/v1/namespaces/demo/deployments", {"watch": "true"})
        Asked(verb='watch', resource='deployments.apps', namespace='demo')
    """
    verb = method.lower()
    match path.strip("/").split("/"):
        case ["api", _, *rest]:
            group = ""
        case ["apis", group, _, *rest]:
            pass
        case _:
            return Asked(verb)
    match rest:
        case [plural]:
            namespace = ""
        case ["namespaces", namespace, plural]:
            pass
        case _:
            return Asked(verb)
    if verb == "get":
        verb = "watch" if query.get("watch") in {"true", "1"} else "list"
    return Asked(verb, f"{plural}.{group}" if group else plural, namespace)


def trace(on_request: OnRequest, on_answer: OnAnswer) -> aiohttp.TraceConfig:
    """Return what an aiohttp session needs to tell of its requests."""
    config = aiohttp.TraceConfig()

    async def start(
        _: Any, context: SimpleNamespace, params: aiohttp.TraceRequestStartParams
    ) -> None:
        context.asked = read_request(params.method, params.url.path, params.url.query)
        context.began = asyncio.get_running_loop().time()
        on_request(context.asked.verb, context.asked.resource, context.asked.namespace)

    def told(context: SimpleNamespace, code: int) -> None:
        seconds = asyncio.get_running_loop().time() - context.began
        on_answer(context.asked.verb, context.asked.resource, code, seconds)

    async def end(_: Any, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams) -> None:
        told(context, params.response.status)

    async def fail(
        _: Any, context: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams
    ) -> None:
        told(context, getattr(params.exception, "status", 0))

    config.on_request_start.append(start)
    config.on_request_end.append(end)
    config.on_request_exception.append(fail)
    return config
