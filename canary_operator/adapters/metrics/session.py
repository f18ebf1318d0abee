"""HTTP towards Prometheus, suspicious of what comes back.

`PrometheusConnect` takes a session of ours and leaves the rest to it: queries travel as a form
(shared ones are longer than proxies allow a URL to be), no redirect is followed (it leads to a
login page), and an answer is read up to a size and a moment, whatever the server intends.
"""

import io
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
from requests import PreparedRequest, Request, Response
from urllib3.exceptions import HTTPError, ReadTimeoutError

from canary_operator.adapters.metrics.errors import (
    OverloadedSourceError,
    RejectedQueryError,
    UnavailableSourceError,
    UnreadableAnswerError,
)

LARGEST_ANSWER = 32 << 20
"""Bytes. The answer to a shared query over 50 rollouts was measured as 0.1 to 0.3 MB."""

LONGEST_LINE = 300
"""Characters of Prometheus' own error that are passed on."""

READ_SIZE = 1 << 16

MATRIX = frozenset({"matrix"})
COMPARABLE = frozenset({"vector", "scalar"})
"""Types of results that are numbers at one moment."""

TOO_LATE = "context deadline exceeded"
"""End of an error, with HTTP 422, of a query that ran into its timeout while it read series."""

RANGE_PATH = "/query_range"

LONGEST_PAUSE_SECONDS = 300
"""However long Prometheus asks to be left alone."""

OWN_TROUBLE = frozenset({"timeout", "canceled"})
"""Kinds of errors that come with HTTP 503 and are about one query, not about Prometheus."""


class BearerFile(requests.auth.AuthBase):
    """Sends the token of a file, read anew each time because Kubernetes rotates it."""

    def __init__(self, path: Path | None) -> None:
        """Prepare; without a path nothing is sent, and `.netrc` is not asked either."""
        self._path = path

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the token."""
        if self._path:
            request.headers["Authorization"] = f"Bearer {self._token(self._path)}"
        return request

    def _token(self, path: Path) -> str:
        try:
            return path.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            raise UnavailableSourceError(
                "the file with the bearer token for Prometheus cannot be read"
            ) from None


class QuerySession(requests.Session):
    """A session that returns answers of Prometheus and raises for everything else."""

    def __init__(self, timeout: float, ca_file: Path | None, token_file: Path | None) -> None:
        """Prepare.

        Args:
            timeout: Seconds until a whole answer must have arrived.
            ca_file: Certificates to trust instead of the usual ones.
            token_file: Holds the token to send with each query.
        """
        super().__init__()
        self._timeout = timeout
        self.auth = BearerFile(token_file)
        self.verify = str(ca_file) if ca_file else True

    def prepare_request(self, request: Request) -> PreparedRequest:
        """Move the parameters of a POST from the URL to its body."""
        if request.method == "POST":
            request.data, request.params = request.params, {}
        return super().prepare_request(request)

    def get_redirect_target(self, resp: Response) -> str | None:
        """Take a redirect for an answer; it is none that we can use."""
        del resp
        return None

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        """Return the answer to a query, complete and of a type that can be compared.

        Raises:
            MetricsError: there is none; the message says why.
        """
        deadline = time.monotonic() + self._timeout
        options.update(stream=True, timeout=self._timeout)
        with super().send(request, **options) as response:
            body = _read(response, deadline)
        kinds = MATRIX if str(request.url).endswith(RANGE_PATH) else COMPARABLE
        _check(response, body, kinds)
        response.raw = io.BytesIO(body)
        return response


def _read(response: Response, deadline: float) -> bytes:
    """Return the body, unless it is too long or too late."""
    body = bytearray()
    for chunk in _chunks(response):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise UnreadableAnswerError(
                f"Prometheus' answer is larger than {LARGEST_ANSWER >> 20} MB"
            )
        if time.monotonic() > deadline:
            raise requests.ReadTimeout
    return bytes(body)


def _chunks(response: Response) -> Iterator[bytes]:
    """Yield what has arrived, without waiting for full chunks."""
    try:
        while chunk := response.raw.read1(READ_SIZE, decode_content=True):
            yield chunk
    except ReadTimeoutError:
        raise requests.ReadTimeout from None
    except (HTTPError, OSError):
        raise UnavailableSourceError("Prometheus' answer broke off") from None


def _check(response: Response, body: bytes, kinds: frozenset[str]) -> None:
    document = _document(body)
    if response.status_code != HTTPStatus.OK:
        raise _refusal(response, document)
    match document:
        case {"status": "success", "data": {"resultType": str() as kind, "result": list()}}:
            if kind not in kinds:
                raise RejectedQueryError(f"the query gives a {kind} where a number is expected")
        case _:
            raise UnreadableAnswerError(
                "what answers at Prometheus' address does not speak Prometheus' API"
            )


def _refusal(response: Response, document: object) -> RejectedQueryError | UnavailableSourceError:
    status, line = response.status_code, _error_line(document)
    if line.endswith(TOO_LATE):
        return UnavailableSourceError(f"Prometheus did not finish the query in time ({line})")
    if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY} and line:
        malformed = status == HTTPStatus.BAD_REQUEST
        return RejectedQueryError(f"Prometheus rejected the query: {line}", malformed=malformed)
    words = f"Prometheus answered HTTP {status} ({line or _phrase(status)})"
    if status == HTTPStatus.TOO_MANY_REQUESTS or _is_overloaded(status, document):
        return OverloadedSourceError(words, _retry_after(response))
    return UnavailableSourceError(words)


def _is_overloaded(status: int, document: object) -> bool:
    if status != HTTPStatus.SERVICE_UNAVAILABLE:
        return False
    kind = document.get("errorType") if isinstance(document, dict) else None
    return kind not in OWN_TROUBLE


def _retry_after(response: Response) -> timedelta | None:
    text = response.headers.get("Retry-After", "")
    if not text.isascii() or not text.isdigit():
        return None
    return timedelta(seconds=min(int(text[:6]), LONGEST_PAUSE_SECONDS))


def _error_line(document: object) -> str:
    """Return the first line of the error in Prometheus' own format; empty for any other body."""
    match document:
        case {"status": "error", "error": str() as error}:
            lines = error.strip().splitlines() or [""]
            return "".join(filter(str.isprintable, lines[0]))[:LONGEST_LINE]
        case _:
            return ""


def _document(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _phrase(status: int) -> str:
    """Return the standard's words for a status; the server's own may be anything."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "unknown status"
