"""Names of JSON types, as messages use them."""

from typing import Any


def json_type(value: Any) -> str:
    """Return the JSON type of a value as messages name it."""
    if isinstance(value, bool):
        return "boolean"
    if value is None:
        return "null"
    names = {dict: "object", list: "array", str: "string", int: "integer", float: "number"}
    return names[type(value)]
