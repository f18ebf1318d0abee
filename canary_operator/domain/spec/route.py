"""What a route does to requests, in the words of Istio's HTTPRoute."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from canary_operator.domain.spec.conditions import MOST_CONDITIONS, TextMatch
from canary_operator.domain.spec.http import (
    FEW,
    HEADER_NAME,
    MOST_ENTRIES,
    Words,
    header_value,
    is_host,
    removed_header,
    request_header,
    response_header,
    whole_seconds,
)
from canary_operator.domain.spec.kind import Kind
from canary_operator.domain.spec.kinds import duration, text, whole
from canary_operator.domain.spec.schema import HERE, Place, Rule, Written

Timeout = Annotated[timedelta, duration(timedelta(milliseconds=1))]

_RETRIED = (
    *("5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "retriable-4xx"),
    *("refused-stream", "retriable-status-codes", "retriable-headers", "envoy-ratelimited"),
    *("http3-post-connect-failure", "cancelled", "deadline-exceeded", "internal"),
    *("resource-exhausted", "unavailable"),
    *map(str, (*range(100, 104), *range(200, 209), 226, *range(300, 306), 307, 308)),
    *map(str, (*range(400, 419), *range(421, 427), 428, 429, 431, 451, *range(500, 509), 510, 511)),
)
"""Causes that Envoy knows, and status codes that have a name in Go: what Istio's webhook takes."""


def retried() -> Kind:
    """Return the kind of lists of what is sent again."""
    form = text(
        "causes as Envoy names them, such as 5xx or connect-failure, and status codes, with commas "
        "between and no blanks",
        500,
    )

    def read(value: Any) -> str:
        causes: str = form.read(value)
        if not set(causes.split(",")) <= set(_RETRIED):
            raise ValueError(value)
        return causes

    known = ", ".join(f"'{cause}'" for cause in _RETRIED)
    return replace(form, read=read, cel=f"self.split(',').all(cause, cause in [{known}])")


def _retries_of_nothing(retries: "Retries") -> Iterable[Place]:
    if retries.attempts == 0 and (retries.per_try_timeout or retries.retry_on):
        yield ("attempts",)


class Retries(Written):
    """How often a request is sent again."""

    rules = (
        Rule(
            "must be above 0 beside perTryTimeout or retryOn: 0 means no retries",
            "self.attempts > 0 || !(has(self.perTryTimeout) || has(self.retryOn))",
            _retries_of_nothing,
        ),
    )

    attempts: Annotated[int, whole(0, 100)]
    """Most retries of one request; 0 for none."""

    per_try_timeout: Timeout | None = None
    """How long one try may take; as long as the whole request when left out."""

    retry_on: Annotated[str, retried()] | None = None
    """What is sent again; Istio's own choice when left out."""


RequestChanges = Annotated[
    Mapping[Annotated[str, request_header()], Annotated[str, header_value()]], *FEW
]
ResponseChanges = Annotated[
    Mapping[Annotated[str, response_header()], Annotated[str, header_value()]], *FEW
]
Removed = Annotated[tuple[Annotated[str, removed_header()], ...], Field(max_length=MOST_ENTRIES)]


class RequestHeaders(Written):
    """Changes of a request's headers."""

    set: RequestChanges = Field(default_factory=dict)
    """Values in place of what is there."""

    add: RequestChanges = Field(default_factory=dict)
    """Values beside what is there."""

    remove: Removed = ()
    """Headers that are taken away."""


class ResponseHeaders(Written):
    """Changes of a response's headers."""

    set: ResponseChanges = Field(default_factory=dict)
    """Values in place of what is there."""

    add: ResponseChanges = Field(default_factory=dict)
    """Values beside what is there."""

    remove: Removed = ()
    """Headers that are taken away."""


class HeaderChanges(Written):
    """Changes of headers on the way."""

    request: RequestHeaders | None = None
    """Before a request is sent on."""

    response: ResponseHeaders | None = None
    """Before a response is given back."""

    @property
    def hosts(self) -> int:
        """How often the host of a request is changed."""
        request = self.request or RequestHeaders()
        return sum(is_host(name) for name in (*request.set, *request.add))


def _rewrites_nothing(rewrite: "Rewrite") -> Iterable[Place]:
    return [] if rewrite.uri or rewrite.authority else [HERE]


class Rewrite(Written):
    """What a request asks for, written anew."""

    rules = (
        Rule(
            "must have uri, authority, or both",
            "has(self.uri) || has(self.authority)",
            _rewrites_nothing,
        ),
    )

    uri: Words | None = None
    """In place of the path, or of the prefix that `match` asks for."""

    authority: Annotated[str, text("a host, with its port if needed", 259)] | None = None
    """In place of the host that was called."""


CorsHeader = Annotated[str, text("the name of a header, or *", 256, HEADER_NAME)]
CorsHeaders = Annotated[tuple[CorsHeader, ...], Field(max_length=MOST_ENTRIES)]
Method = Literal[
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"
]


class CorsPolicy(Written):
    """Which pages of other origins may call, answered by the proxy."""

    allow_origins: Annotated[tuple[TextMatch, ...], Field(max_length=MOST_CONDITIONS)] = ()
    """Origins that may call."""

    allow_methods: Annotated[tuple[Method, ...], Field(max_length=MOST_ENTRIES)] = ()
    """Methods that they may use."""

    allow_headers: CorsHeaders = ()
    """Headers that they may send."""

    expose_headers: CorsHeaders = ()
    """Headers of responses that they may read."""

    max_age: Annotated[timedelta, whole_seconds()] | None = None
    """How long a browser may remember the answer."""

    allow_credentials: Annotated[bool, Field(strict=True)] | None = None
    """Whether they may send cookies."""

    unmatched_preflights: Literal["UNSPECIFIED", "FORWARD", "IGNORE"] | None = None
    """Whether a preflight request of another origin is sent on; Istio's own choice when left
    out."""
