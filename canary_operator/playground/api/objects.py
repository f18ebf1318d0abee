"""Words that every module shares: what an object is, paths into it, and timestamps."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Object = dict[str, Any]
"""A Kubernetes object as JSON. Objects in the store are never changed in place."""

Schema = Mapping[str, Any]
"""An OpenAPI v3 schema with the `x-kubernetes-` extensions, for built-in and custom kinds alike."""

Predicate = Callable[[Object], bool]


def group_version(group: str, version: str) -> str:
    """Return the value of `apiVersion`: the core group has no name."""
    return f"{group}/{version}" if group else version


def timestamp(seconds_ahead: int = 0) -> str:
    """Return the present time as `metav1.Time` writes it, in whole seconds."""
    at = datetime.now(UTC) + timedelta(seconds=seconds_ahead)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time.

    Raises:
        ValueError: `text` is no time.
    """
    return datetime.fromisoformat(text)


def dig(value: Any, *path: str | int, default: Any = None) -> Any:
    """Follow `path` into nested objects and lists; a gap anywhere gives `default`."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return default
    return default if value is None else value


def with_value(obj: Object, path: tuple[str, ...], value: Any) -> Object:
    """Return `obj` with `value` at `path`, sharing everything that did not change."""
    head, *rest = path
    if not rest:
        return {**obj, head: value}
    inner = obj.get(head)
    return {**obj, head: with_value(inner if isinstance(inner, dict) else {}, tuple(rest), value)}


def without(obj: Object, *names: str) -> Object:
    """Return `obj` without the top-level fields `names`."""
    return {key: value for key, value in obj.items() if key not in names}


def copied(value: Any) -> Any:
    """Copy JSON data; several times faster than `copy.deepcopy`, which must handle any type."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def compact_json(value: Any) -> str:
    """Write JSON as Go does inside messages and keys: no spaces, sorted keys."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def same(left: Any, right: Any) -> bool:
    """Compare as Go does: `1`, `1.0` and `True` are equal in Python, but not in an object.

    Example:
        >>> same({"a": 1}, {"a": True}), same([1, 2], [1, 2]), same(1, 1.0)
        (False, True, False)
    """
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and bool(left == right)
