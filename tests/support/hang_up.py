"""How a server leaves a client without an answer, and what a proxy does not pass on."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from canary_operator.playground.api.faults import Fault

NOT_PASSED_ON = frozenset(
    {"host", "connection", "transfer-encoding", "content-length", "keep-alive", "accept-encoding"}
)


class HungUpError(Exception):
    """The connection to the client was closed without an answer."""


def abort(http: web.Request) -> None:
    """Close the connection without an answer.

    Raises:
        HungUpError: always.
    """
    if http.transport is not None:
        http.transport.abort()
    raise HungUpError


def carry_out(fault: Fault, http: web.Request) -> None:
    """Carry out a fault that takes the answer away.

    Raises:
        HungUpError: the connection was closed.
        APIError: what to answer instead.
    """
    if fault.reset:
        abort(http)
    error = fault.error()
    if error is not None:
        raise error


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that concern not only this connection."""
    return {name: text for name, text in headers.items() if name.lower() not in NOT_PASSED_ON}


def decoded(body: bytes) -> Any:
    """Return a body as data; none of a request without one."""
    return json.loads(body) if body else None
