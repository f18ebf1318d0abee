"""What keeps a configuration from being typed for server-side apply, beside unknown fields."""

from collections.abc import Iterator
from typing import Any

from canary_operator.playground.api.fields import field_schema, item_key
from canary_operator.playground.api.gotext import go_text
from canary_operator.playground.api.managed import shown_path
from canary_operator.playground.api.objects import Schema

NUMERIC = ("integer", "number")


def typed_problems(value: Any, schema: Schema, path: str) -> Iterator[str]:
    """Iterate over items that occur twice, and over values of the wrong type."""
    problem = _type_problem(value, schema)
    if problem:
        yield f"{path}: {problem}"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from typed_problems(item, field_schema(schema, key)[0], f"{path}.{key}")
    elif isinstance(value, list):
        yield from _list_problems(value, schema, path)


def _list_problems(value: list[Any], schema: Schema, path: str) -> Iterator[str]:
    seen = set()
    for index, item in enumerate(value):
        key = item_key(schema, item, index)
        shown = shown_path((key,))
        if key in seen:
            yield f"{path}: duplicate entries for key {shown}"
        seen.add(key)
        yield from typed_problems(item, schema.get("items") or {}, f"{path}{shown}")


def _type_problem(value: Any, schema: Schema) -> str:
    wanted = schema.get("type")
    if value is None or wanted is None:
        return ""
    if wanted in NUMERIC:
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        kinds = {bool: "boolean", str: "string", dict: "map", list: "list"}
        return "" if numeric else f"expected numeric (int or float), got {kinds[type(value)]}"
    types = {"string": str, "boolean": bool, "object": dict, "array": list}
    if isinstance(value, types[wanted]) or schema.get("format") == "quantity":
        return ""
    shown = f'"{value}"' if isinstance(value, str) else go_text(value)
    if wanted in ("object", "array"):
        return f"expected {'map' if wanted == 'object' else 'list'}, got &{{{shown}}}"
    return f"expected {wanted}, got &value.valueUnstructured{{Value:{shown}}}"
