"""Check a value against an OpenAPI v3 schema, in the words of the real server.

On an update, a part that did not change is not judged again, so that a stricter definition does
not lock users out of their old objects (Kubernetes calls it ratcheting).
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from canary_operator.playground.api.errors import (
    NOWHERE,
    Cause,
    duplicate,
    invalid,
    required,
    shown,
    unsupported,
    wrong_type,
)
from canary_operator.playground.api.fields import item_key, keyed_items
from canary_operator.playground.api.formats import is_of_format
from canary_operator.playground.api.jsontypes import json_type
from canary_operator.playground.api.objects import Schema, same

ABSENT = object()
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


def validate(value: Any, schema: Schema, path: str = "", old: Any = ABSENT) -> Iterator[Cause]:
    """Iterate over everything that is wrong with `value`."""
    if old is not ABSENT and same(value, old):
        return
    if value is None and schema.get("nullable"):
        return
    problem = _type_problem(value, schema, path)
    if problem is not None:
        yield problem
        return
    yield from _check_enum(value, schema, path)
    yield from _check_combinations(value, schema, path)
    if isinstance(value, dict):
        yield from _check_object(value, schema, path, old)
    elif isinstance(value, list):
        yield from _check_array(value, schema, path, old)
    elif isinstance(value, str):
        yield from _check_string(value, schema, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _check_number(value, schema, path)


def _type_problem(value: Any, schema: Schema, path: str) -> Cause | None:
    found = json_type(value)
    if schema.get("x-kubernetes-int-or-string"):
        wanted, fits = "integer,string", found in ("integer", "string")
    elif "type" in schema:
        wanted = schema["type"]
        whole = wanted == "integer" and isinstance(value, float) and value.is_integer()
        fits = found == wanted or (wanted, found) == ("number", "integer") or whole
    else:
        return None
    if fits:
        return None
    detail = f'{path or "<nil>"} in body must be of type {wanted}: "{found}"'
    return wrong_type(path, found, detail)


def _check_enum(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    allowed = schema.get("enum")
    if allowed is not None and not any(same(value, item) for item in allowed):
        names = [item if isinstance(item, str) else shown(item) for item in allowed]
        yield unsupported(path, value, names)


def _check_combinations(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    any_of = _attempts(value, schema.get("anyOf"), path)
    if any_of and all(any_of):
        yield _unmatched(path, "at least one schema (anyOf)")
        yield from any_of[0]
    one_of = _attempts(value, schema.get("oneOf"), path)
    valid = sum(not causes for causes in one_of)
    if one_of and valid != 1:
        found = f"Found {valid} valid alternatives" if valid else "Found none valid"
        yield _unmatched(path, f"one and only one schema (oneOf). {found}")
        yield from () if valid else one_of[0]
    for part in schema.get("allOf") or ():
        yield from validate(value, part, path)
    if schema.get("not") and not any(True for _ in validate(value, schema["not"], path)):
        detail = f'"{path}" must not validate the schema (not)'
        yield Cause("FieldValueInvalid", NOWHERE, f'Invalid value: "": {detail}')


def _attempts(value: Any, parts: list[Schema] | None, path: str) -> list[list[Cause]]:
    return [list(validate(value, part, path)) for part in parts or ()]


def _unmatched(path: str, what: str) -> Cause:
    return Cause("FieldValueInvalid", NOWHERE, f'Invalid value: "": "{path}" must validate {what}')


def _check_object(value: dict[str, Any], schema: Schema, path: str, old: Any) -> Iterator[Cause]:
    for name in schema.get("required") or ():
        if name not in value:
            yield required(f"{path}.{name}" if path else name)
    count = len(value)
    if count < schema.get("minProperties", 0):
        detail = f"{path} in body should have at least {schema['minProperties']} properties"
        yield invalid(path, count, detail)
    if count > schema.get("maxProperties", count):
        limit = schema["maxProperties"]
        yield Cause(
            "FieldValueTooMany", path, f"Too many: {count}: must have at most {limit} items"
        )
    properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
    for key, item in value.items():
        sub = properties.get(key, extra)
        if isinstance(sub, dict):
            before = old.get(key, ABSENT) if isinstance(old, dict) else ABSENT
            yield from validate(item, sub, f"{path}.{key}" if path else key, before)


def _check_array(value: list[Any], schema: Schema, path: str, old: Any) -> Iterator[Cause]:
    count = len(value)
    if count < schema.get("minItems", 0):
        detail = f"{path} in body should have at least {schema['minItems']} items"
        yield invalid(path, count, detail)
    if count > schema.get("maxItems", count):
        limit = schema["maxItems"]
        yield Cause(
            "FieldValueTooMany", path, f"Too many: {count}: must have at most {limit} items"
        )
    items = schema.get("items")
    if isinstance(items, dict):
        before = _old_items(old, schema)
        for index, item in enumerate(value):
            was = before.get(item_key(schema, item, index), ABSENT)
            yield from validate(item, items, f"{path}[{index}]", was)
    yield from _check_identity(value, schema, path)


def _old_items(old: Any, schema: Schema) -> dict[str, Any]:
    correlates = schema.get("x-kubernetes-list-type") == "map"
    return keyed_items(schema, old) if correlates and isinstance(old, list) else {}


def _check_identity(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    """Refuse two items of the same identity in a set or a map list."""
    kind = schema.get("x-kubernetes-list-type")
    if kind not in ("set", "map"):
        return
    seen = set()
    for index, item in enumerate(value):
        identity = item_key(schema, item, index)
        if identity in seen:
            keys = schema.get("x-kubernetes-list-map-keys") or ()
            shown_item = {k: item[k] for k in keys if k in item} if kind == "map" else item
            yield duplicate(f"{path}[{index}]", shown_item)
        seen.add(identity)


def _check_string(value: str, schema: Schema, path: str) -> Iterator[Cause]:
    yield from _check_text(value, schema, path)
    name = schema.get("format")
    if name is not None and not is_of_format(value, name):
        yield wrong_type(path, value, f"{path} in body must be of type {name}: {shown(value)}")


def _check_text(value: str, schema: Schema, path: str) -> Iterator[Cause]:
    """Judge length and pattern; the real server stops at the first of them."""
    pattern = schema.get("pattern")
    if len(value) > schema.get("maxLength", len(value)):
        limit = schema["maxLength"]
        yield Cause("FieldValueTooLong", path, f"Too long: may not be more than {limit} bytes")
    elif len(value) < schema.get("minLength", 0):
        detail = f"{path} in body should be at least {schema['minLength']} chars long"
        yield invalid(path, value, detail)
    elif pattern is not None and not _compiled(pattern).search(value):
        yield invalid(path, value, f"{path} in body should match '{pattern}'")


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace(r"\z", r"\Z"))


def _check_number(value: float, schema: Schema, path: str) -> Iterator[Cause]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and (value < low or (schema.get("exclusiveMinimum") and value == low)):
        relation = "than" if schema.get("exclusiveMinimum") else "than or equal to"
        yield invalid(path, value, f"{path} in body should be greater {relation} {low:g}")
    if high is not None and (value > high or (schema.get("exclusiveMaximum") and value == high)):
        relation = "than" if schema.get("exclusiveMaximum") else "than or equal to"
        yield invalid(path, value, f"{path} in body should be less {relation} {high:g}")
    step = schema.get("multipleOf")
    if step and value % step:
        yield invalid(path, value, f"{path} in body should be a multiple of {step:g}")
