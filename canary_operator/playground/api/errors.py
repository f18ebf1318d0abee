"""Refusals in the words of the real API server: a Status with reason, code, details and causes.

Tools decide by these words (kubectl, client-go and kopf read `reason` and `details`), and people
search for the messages, so both are kept as the real server writes them.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from canary_operator.playground.api.objects import Object, compact_json


@dataclass(frozen=True)
class Cause:
    """One field that is wrong, as in `field.Error` of apimachinery."""

    reason: str
    field: str
    message: str

    def body(self) -> Object:
        """Return the entry for `details.causes`."""
        entry = {"reason": self.reason, "message": self.message}
        return {**entry, "field": self.field} if self.field else entry


def shown(value: Any) -> str:
    """Write a bad value as the real server quotes it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if isinstance(value, dict | list):  # Go escapes what HTML would read
        for character in "<>&":
            text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def required(field: str, detail: str = "") -> Cause:
    """A field that must be there is missing or empty."""
    return Cause("FieldValueRequired", field, "Required value" + (f": {detail}" if detail else ""))


def invalid(field: str, value: Any, detail: str) -> Cause:
    """A value breaks a rule that `detail` states."""
    return Cause("FieldValueInvalid", field, f"Invalid value: {shown(value)}: {detail}")


def wrong_type(field: str, value: Any, detail: str) -> Cause:
    """A value has another JSON type than its schema asks for."""
    return Cause("FieldValueTypeInvalid", field, f"Invalid value: {shown(value)}: {detail}")


def unsupported(field: str, value: Any, supported: Iterable[str]) -> Cause:
    """A value is not one of a fixed set."""
    names = ", ".join(compact_json(name) for name in supported)
    text = f"Unsupported value: {shown(value)}" + (f": supported values: {names}" if names else "")
    return Cause("FieldValueNotSupported", field, text)


def duplicate(field: str, value: Any) -> Cause:
    """Two items of a set or map list have the same identity."""
    return Cause("FieldValueDuplicate", field, f"Duplicate value: {shown(value)}")


def forbidden_field(field: str, detail: str) -> Cause:
    """A value is well formed but not allowed here or now."""
    return Cause("FieldValueForbidden", field, f"Forbidden: {detail}")


NOWHERE = "<nil>"
"""The field of a cause that concerns the whole object."""


class APIError(Exception):
    """Base of every refusal; it knows the Status body that the client gets."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Object | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.retry_after = retry_after

    def status(self) -> Object:
        """Return the `Status` object of this refusal."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            **({"reason": self.reason} if self.reason else {}),
            **({"details": self.details} if self.details is not None else {}),
            "code": self.code,
        }


def qualified(name: str, group: str) -> str:
    """Return `name.group`, or the bare name in the core group."""
    return f"{name}.{group}" if group else name


def _details(name: str, group: str, kind: str) -> Object:
    pairs = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in pairs.items() if value}


def not_found(group: str, plural: str, name: str) -> APIError:
    """The object does not exist."""
    message = f'{qualified(plural, group)} "{name}" not found'
    return APIError(404, "NotFound", message, _details(name, group, plural))


def no_such_path() -> APIError:
    """The path names no resource that is served."""
    return APIError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(group: str, plural: str, name: str, going: bool = False) -> APIError:
    """An object of that name exists, or has not gone yet."""
    prefix = "object is being deleted: " if going else ""
    message = f'{prefix}{qualified(plural, group)} "{name}" already exists'
    return APIError(409, "AlreadyExists", message, _details(name, group, plural))


def conflict(group: str, plural: str, name: str, detail: str) -> APIError:
    """The write was decided on something that is not true any more."""
    message = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {detail}'
    return APIError(409, "Conflict", message, _details(name, group, plural))


STALE = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def unprocessable(group: str, kind: str, name: str, causes: Sequence[Cause]) -> APIError:
    """One or several fields are wrong."""
    lines = list(dict.fromkeys(f"{cause.field or '<nil>'}: {cause.message}" for cause in causes))
    text = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    details = _details(name, group, kind) | {"causes": [cause.body() for cause in causes]}
    subject = f'{qualified(kind, group)} "{name}" is invalid'
    return APIError(422, "Invalid", f"{subject}: {text}" if lines else subject, details)


def bad_request(message: str) -> APIError:
    """The request cannot be read."""
    return APIError(400, "BadRequest", message)


def forbidden(group: str, plural: str, name: str, detail: str) -> APIError:
    """Who asks may not do this."""
    subject = f"{qualified(plural, group)} " + (f'"{name}" ' if name else "")
    message = f"{subject}is forbidden: {detail}"
    return APIError(403, "Forbidden", message, _details(name, group, plural))


def unauthorized() -> APIError:
    """Nobody knows the token."""
    return APIError(401, "Unauthorized", "Unauthorized")


def no_such_group() -> APIError:
    """The path names no group and version that is served; the real server answers in plain text."""
    return APIError(404, "", PLAIN_NOT_FOUND)


PLAIN_NOT_FOUND = "404 page not found\n"


def method_not_allowed() -> APIError:
    """The path exists, but not for this method."""
    message = "the server does not allow this method on the requested resource"
    return APIError(405, "MethodNotAllowed", message, {})


def unsupported_media_type(accepted: Iterable[str]) -> APIError:
    """The body is in a format that this resource does not read."""
    names = ", ".join(accepted)
    message = (
        f"the body of the request was in an unknown format - accepted media types include: {names}"
    )
    return APIError(415, "UnsupportedMediaType", message)


def expired(rv: int, oldest: int) -> APIError:
    """The history before `oldest` is gone; the client must list again."""
    return APIError(410, "Expired", f"too old resource version: {rv} ({oldest})")
