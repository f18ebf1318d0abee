"""The three patch formats that compute a new object from the old one.

Server-side apply, the fourth, needs to know who owns which field and lives in `apply.py`.
"""

from typing import Any

from canary_operator.playground.api.errors import (
    APIError,
    bad_request,
    unsupported_media_type,
)
from canary_operator.playground.api.gotext import go_text
from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.objects import Object, compact_json, copied, same
from canary_operator.playground.api.strategic import strategic_merge

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def merge(old: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7386): `null` removes, lists are replaced."""
    if not isinstance(patch, dict):
        return patch
    out = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge(out.get(key), value)
    return out


def rejected() -> APIError:
    """Return how the real server answers a JSON patch that cannot be applied."""
    message = "the server rejected our request due to an error in our request"
    return APIError(422, "Invalid", message, {})


class _CannotApplyError(Exception):
    """A path that does not exist, or a failed test."""


def json_patch(old: Any, operations: Any) -> Any:
    """Apply a JSON patch (RFC 6902).

    Raises:
        APIError: the patch is malformed (400), or cannot be applied (422).
    """
    if not isinstance(operations, list) or not all(isinstance(op, dict) for op in operations):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type "
            "[]handlers.jsonPatchOp"
        )
    out = copied(old)
    try:
        for operation in operations:
            out = _operate(out, operation)
    except (_CannotApplyError, KeyError, ValueError, IndexError, TypeError) as error:
        raise rejected() from error
    return out


def _operate(document: Any, operation: dict[str, Any]) -> Any:
    path = _pointer(operation["path"])
    match operation["op"]:
        case "add":
            return _put(document, path, copied(operation["value"]), insert=True)
        case "replace":
            _read(document, path)
            return _put(document, path, copied(operation["value"]), insert=False)
        case "remove":
            return _remove(document, path)
        case "test":
            if not same(_read(document, path, missing=None), operation.get("value")):
                raise _CannotApplyError(operation["path"])
            return document
        case "copy":
            return _put(
                document, path, copied(_read(document, _pointer(operation["from"]))), insert=True
            )
        case "move":
            value = _read(document, _pointer(operation["from"]))
            document = _remove(document, _pointer(operation["from"]))
            return _put(document, path, value, insert=True)
        case other:
            raise _CannotApplyError(other)


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise _CannotApplyError(text)
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


_RAISE = object()


def _read(document: Any, path: list[str], missing: Any = _RAISE) -> Any:
    for depth, part in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(document, list):
            document = document[int(part)]
        elif isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, dict) and last and missing is not _RAISE:
            return missing
        else:
            raise _CannotApplyError("/".join(path))
    return document


def _put(document: Any, path: list[str], value: Any, *, insert: bool) -> Any:
    if not path:
        return value
    parent, last = _read(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list) and not insert:
        parent[int(last)] = value
    elif isinstance(parent, list):
        index = len(parent) if last == "-" else int(last)
        if not 0 <= index <= len(parent):
            raise _CannotApplyError("/".join(path))
        parent.insert(index, value)
    else:
        raise _CannotApplyError("/".join(path))
    return document


def _remove(document: Any, path: list[str]) -> Any:
    parent, last = _read(document, path[:-1]), path[-1]
    del parent[int(last) if isinstance(parent, list) else last]
    return document


def quoted(kind: str, result: Object, patch: Any) -> str:
    """Return what a refusal quotes: the patched object, or a strategic patch as Go prints maps."""
    return go_text(patch) if kind == STRATEGIC else compact_json(result)


def apply(kind: str, old: Object, patch: Any, resource: Resource) -> Any:
    """Apply a patch of the media type `kind`.

    Raises:
        APIError: the resource does not take this type (415), or the patch is wrong (400, 422).
    """
    if kind == JSON:
        return json_patch(old, patch)
    if not isinstance(patch, dict):
        raise bad_request(
            "json: cannot unmarshal array into Go value of type map[string]interface {}"
        )
    if kind == MERGE:
        return merge(old, patch)
    if kind == STRATEGIC and not resource.custom:
        return strategic_merge(old, patch, resource.schema)
    raise unsupported_media_type([JSON, MERGE, APPLY])
