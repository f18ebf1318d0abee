"""Prune and default custom objects by their structural schema."""

from typing import Any

from canary_operator.playground.api.objects import Object, Schema, copied

PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
OBJECT_FIELDS = ("apiVersion", "kind", "metadata")


def prune(value: Any, schema: Schema, path: str, unknown: list[str]) -> Any:
    """Return `value` without the fields that `schema` does not know; note their paths."""
    if isinstance(value, dict):
        return _prune_object(value, schema, path, unknown)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [
            prune(item, schema["items"], f"{path}[{index}]", unknown)
            for index, item in enumerate(value)
        ]
    return value


def _prune_object(value: Object, schema: Schema, path: str, unknown: list[str]) -> Object:
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    open_ended = bool(schema.get(PRESERVE)) or extra is True
    known = OBJECT_FIELDS if schema.get(EMBEDDED) or not path else ()
    out = {}
    for key, item in value.items():
        at = f"{path}.{key}" if path else key
        if key in known:
            out[key] = item
        elif key in properties:
            out[key] = prune(item, properties[key], at, unknown)
        elif isinstance(extra, dict):
            out[key] = prune(item, extra, at, unknown)
        elif open_ended:
            out[key] = item
        else:
            unknown.append(at)
    return out


def with_defaults(value: Any, schema: Schema, *, keep_nulls: bool = False) -> Any:
    """Return `value` with the defaults of `schema`.

    A null that may not be is as good as absent. Applying keeps it where there is no default: the
    real server does not prune after a merge, and refuses the object for it.
    """
    if isinstance(value, dict):
        return _object_with_defaults(value, schema, keep_nulls)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [with_defaults(item, schema["items"], keep_nulls=keep_nulls) for item in value]
    return value


def _object_with_defaults(value: Object, schema: Schema, keep_nulls: bool) -> Object:
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    out = {}
    for key, item in value.items():
        sub = properties.get(key, extra if isinstance(extra, dict) else {})
        forbidden = item is None and sub and not sub.get("nullable")
        if forbidden and not (keep_nulls and "default" not in sub):
            continue
        out[key] = with_defaults(item, sub, keep_nulls=keep_nulls)
    for key, sub in properties.items():
        if key not in out and "default" in sub and key not in OBJECT_FIELDS:
            out[key] = with_defaults(copied(sub["default"]), sub)
    return out
