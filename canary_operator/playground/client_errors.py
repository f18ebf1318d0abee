"""What can go wrong between the playground and an API server.

Errors::

    ApiError
     ├─ ApiUnavailableError   no answer: refused, reset, timed out; worth a retry
     └─ ApiStatusError        an answer that says no; `code`, `reason`, `message`
         ├─ NotFoundError         404
         ├─ ConflictError         409, the object was changed by someone else
         │   └─ AlreadyExistsError    409, the name is taken
         └─ ExpiredError          410, the resourceVersion is too old: list again
"""

from http import HTTPStatus
from typing import Any


class ApiError(Exception):
    """Base of these errors; raised only as one of its subclasses."""


class ApiUnavailableError(ApiError):
    """The API server did not answer."""


class ApiStatusError(ApiError):
    """The API server answered with a failure."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message


class NotFoundError(ApiStatusError):
    """The object or its kind does not exist."""


class ConflictError(ApiStatusError):
    """The object changed since it was read, or a precondition does not hold."""


class AlreadyExistsError(ConflictError):
    """An object of this name exists."""


class ExpiredError(ApiStatusError):
    """The history no longer reaches back to this resourceVersion."""


def status_error(code: int, answer: Any) -> ApiStatusError:
    """Return the most specific error for a `Status` object, or for any other failure body."""
    status = answer if isinstance(answer, dict) else {"message": str(answer)[:200]}
    reason = status.get("reason", "Unknown")
    kinds: dict[int, type[ApiStatusError]] = {
        HTTPStatus.NOT_FOUND: NotFoundError,
        HTTPStatus.CONFLICT: AlreadyExistsError if reason == "AlreadyExists" else ConflictError,
        HTTPStatus.GONE: ExpiredError,
    }
    return kinds.get(code, ApiStatusError)(code, reason, status.get("message", ""))
