"""JSON as Go reads it, and the names of its types, as messages use them."""

import json
import math
import re
from typing import Any

INT64 = range(-(2**63), 2**63)
_UNUSUAL = re.compile(rb"[0-9]{19}|[eE][+]?[0-9]{3}|NaN|Infinity")


def read_json(data: bytes) -> Any:
    """Return what JSON says; a whole number beyond 64 bits is a fraction, as for the real server.

    Raises:
        ValueError: it is no JSON, or has a number that no float64 can hold.

    Example:
        >>> read_json(b"[9223372036854775807, 9223372036854775808]")
        [9223372036854775807, 9.223372036854776e+18]
    """
    if _UNUSUAL.search(data) is None:
        return json.loads(data)
    return json.loads(data, parse_int=_whole, parse_float=_finite, parse_constant=_finite)


def _whole(text: str) -> float:
    return number if (number := int(text)) in INT64 else _finite(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"cannot unmarshal number {text} into Go value of type float64")
    return number


def json_type(value: Any) -> str:
    """Return the JSON type of a value as messages name it."""
    if isinstance(value, bool):
        return "boolean"
    if value is None:
        return "null"
    names = {dict: "object", list: "array", str: "string", int: "integer", float: "number"}
    return names[type(value)]
