"""What the API server answers when it does not do as asked, in our own words.

Exception
├── ApiError                 stays inside the adapters: each gives it a meaning
│   ├── NotFoundError        404, of the object or of its whole API
│   ├── AlreadyExistsError   409 of a create
│   ├── ExpiredError         410: the version or page is gone
│   └── RejectedError        400, 422, admission: the content is refused, a retry is in vain
└── CanaryOperatorError      leaves the adapters as it is
    ├── ConflictError        409: the object is another one by now
    ├── ForbiddenError       403 of RBAC
    └── UnavailableError     401, 429, 5xx, no answer
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from canary_operator.adapters.cluster.resources import Resource
from canary_operator.domain.errors import ConflictError, ForbiddenError, UnavailableError
from canary_operator.domain.foreign_text import one_line

NOT_KNOWN = (
    "the API server does not accept the operator's credentials. If this goes on: "
    "does its ServiceAccount still exist, and is its token valid?"
)

_LONGEST_MESSAGE = 1000

_NO_RIGHT = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)"'
)
_MALFORMED = re.compile(
    r"failed to (create typed patch|convert new) object|unable to convert unstructured object"
)
"""Server-side apply reports a malformed object as 500, without a reason (Kubernetes 1.36)."""

_PREFIXES = re.compile(
    r"^(failed to create typed patch object \([^)]*\): \.?"
    r"|failed to convert new object \([^)]*\) to proper version: "
    r'|[\w.]+ "[^"]*" is invalid: )'
)
_GO_VALUE = re.compile(r"&value\.valueUnstructured\{Value:(.*?)\}")


@dataclass(frozen=True, slots=True)
class Call:
    """A request, as far as messages speak of it."""

    verb: str
    resource: Resource
    namespace: str | None
    name: str | None
    subresource: str | None = None

    def __str__(self) -> str:
        where = "/".join(filter(None, (self.namespace, self.name)))
        return f"{self.verb} {self.counted} {where}".rstrip()

    @property
    def counted(self) -> str:
        """Resource and subresource, as RBAC rules write them."""
        return "/".join(filter(None, (self.resource.full_name, self.subresource)))

    @property
    def path(self) -> str:
        """The path of the URL; an object that is created goes to its collection."""
        name = None if self.verb == "create" else self.name
        return self.resource.path(self.namespace, name, self.subresource)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer with a status code of 400 or more."""

    code: int
    body: Mapping[str, Any] | str
    """A `Status` object, or plain text where not even the API exists."""
    retry_after: str | None = None

    @property
    def message(self) -> str:
        """The server's sentence, on one line, without what only the server's authors need.

        Only a `Status` has one. Any other body is of whatever stands before the API server and may
        be a whole page, which is nobody's business in a status.
        """
        is_status = not isinstance(self.body, str) and self.body.get("kind") == "Status"
        text = self.raw_message.strip() if is_status else ""
        text = text or _phrase(self.code)
        return one_line(_GO_VALUE.sub(r"\1", _PREFIXES.sub("", text)), _LONGEST_MESSAGE)

    @property
    def raw_message(self) -> str:
        """What was said, as it came: of any length, and by anybody."""
        return self.body if isinstance(self.body, str) else str(self.body.get("message") or "")

    @property
    def reason(self) -> str | None:
        """The server's word for the problem."""
        return None if isinstance(self.body, str) else self.body.get("reason")

    @property
    def details(self) -> Mapping[str, Any]:
        """Which object and which fields it is about."""
        return {} if isinstance(self.body, str) else self.body.get("details") or {}

    @property
    def fields(self) -> frozenset[str]:
        """Fields that are to blame."""
        return frozenset(cause.get("field", "") for cause in self.details.get("causes") or ())


class ApiError(Exception):
    """The server refused; what that means depends on what was asked."""

    def __init__(self, call: Call, refusal: Refusal) -> None:
        super().__init__(f"{call}: {refusal.code} {refusal.message}")
        self.call = call
        self.message = refusal.message
        self.fields = refusal.fields


class NotFoundError(ApiError):
    """There is no such object, or no such API."""

    def __init__(self, call: Call, refusal: Refusal) -> None:
        super().__init__(call, refusal)
        self.api_missing = "name" not in refusal.details
        """Whether the server does not know the kind: its CRD is not installed."""


class AlreadyExistsError(ApiError):
    """An object of that name is there already."""


class ExpiredError(ApiError):
    """What the request goes on from is forgotten; start over."""


class RejectedError(ApiError):
    """The server does not take this content."""


def error_of(call: Call, refusal: Refusal) -> Exception:
    """Return what to raise for an answer that is not a success."""
    known = _BY_CODE.get(refusal.code)
    if known is not None:
        return known(call, refusal)
    malformed = _MALFORMED.search(refusal.raw_message)
    if refusal.code < HTTPStatus.INTERNAL_SERVER_ERROR or malformed:
        return RejectedError(call, refusal)
    return _unavailable(call, refusal)


def _conflict(call: Call, refusal: Refusal) -> Exception:
    if refusal.reason == "AlreadyExists":
        return AlreadyExistsError(call, refusal)
    return ConflictError(f"{call}: {refusal.message}")


def _unprocessable(call: Call, refusal: Refusal) -> Exception:
    if "metadata.uid" in refusal.fields:
        return ConflictError(f"{call}: another object has this name by now")
    return RejectedError(call, refusal)


def _unauthorized(call: Call, _: Refusal) -> Exception:
    """Wait, as for a server that is away: it may be starting, or a new token on its way."""
    return UnavailableError(f"The API server answered 401 to {call}: {NOT_KNOWN}")


def _forbidden(call: Call, refusal: Refusal) -> Exception:
    """Tell apart a missing right, an admission plugin that says no, and a dying namespace."""
    lacking = _NO_RIGHT.search(refusal.message)
    if lacking:
        where = f" in namespace {call.namespace}" if call.namespace else ""
        return ForbiddenError(
            f"The operator may not {lacking['verb']} {call.counted}{where}. "
            f'Give its user "{lacking["user"]}" this right.'
        )
    if "cannot set blockOwnerDeletion" in refusal.raw_message:
        return ForbiddenError(
            f"The operator may not own {call.counted}: it lacks the right to update "
            "canaryrollouts/finalizers, which this cluster asks of owners."
        )
    if "cannot set an ownerRef" in refusal.raw_message:
        return ForbiddenError(
            f"The operator may not change who owns {call.counted}: it lacks the right to delete "
            f"{call.counted}, which this cluster asks of whoever does."
        )
    causes = refusal.details.get("causes") or ()
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return _unavailable(call, refusal)
    return RejectedError(call, refusal)


def _unavailable(call: Call, refusal: Refusal) -> UnavailableError:
    text = f"The API server answered {refusal.code} to {call}: {refusal.message}"
    return UnavailableError(text, _seconds(refusal.retry_after))


def _seconds(retry_after: str | None) -> timedelta | None:
    if retry_after is None or not retry_after.isdecimal():
        return None
    return timedelta(seconds=int(retry_after))


def _phrase(code: int) -> str:
    """Return the standard's words for a status code."""
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "unknown status"


_BY_CODE: Mapping[int, Callable[[Call, Refusal], Exception]] = {
    HTTPStatus.UNAUTHORIZED: _unauthorized,
    HTTPStatus.FORBIDDEN: _forbidden,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: _conflict,
    HTTPStatus.GONE: ExpiredError,
    HTTPStatus.UNPROCESSABLE_ENTITY: _unprocessable,
    HTTPStatus.TOO_MANY_REQUESTS: _unavailable,
}
