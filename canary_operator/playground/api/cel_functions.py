"""The functions that Kubernetes adds to CEL and that rules commonly use."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from celpy import celtypes
from celpy.adapter import json_to_cel

from canary_operator.playground.api.quantity import QuantityError, parse_quantity


def _list(values: Any) -> Any:
    return json_to_cel([str(value) for value in values])


def _split(text: str, separator: str, limit: int = -1) -> Any:
    parts = list(text) if separator == "" else text.split(separator, max(limit - 1, -1))
    return _list(parts)


def _replace(text: str, old: str, new: str, limit: int = -1) -> Any:
    return celtypes.StringType(text.replace(old, new, limit))


def _substring(text: str, start: int, end: int | None = None) -> Any:
    return celtypes.StringType(text[start:end])


def _index_of(values: Any, wanted: Any) -> Any:
    if isinstance(values, str):
        return celtypes.IntType(values.find(wanted))
    return celtypes.IntType(next((i for i, value in enumerate(values) if value == wanted), -1))


def _is_sorted(values: Any) -> Any:
    return celtypes.BoolType(all(first <= second for first, second in pairwise(values)))


def _sum(values: Any) -> Any:
    return sum(values, start=celtypes.IntType(0)) if values else celtypes.IntType(0)


def _is_quantity(text: str) -> Any:
    try:
        parse_quantity(text)
    except QuantityError:
        return celtypes.BoolType(False)
    return celtypes.BoolType(True)


def _string(value: Any) -> Any:
    if isinstance(value, celtypes.BoolType):
        return celtypes.StringType("true" if value else "false")
    return celtypes.StringType(value)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "lowerAscii": lambda text: celtypes.StringType(text.lower()),
    "upperAscii": lambda text: celtypes.StringType(text.upper()),
    "trim": lambda text: celtypes.StringType(text.strip()),
    "string": _string,
    "split": _split,
    "join": lambda parts, separator="": celtypes.StringType(separator.join(parts)),
    "replace": _replace,
    "substring": _substring,
    "indexOf": _index_of,
    "isSorted": _is_sorted,
    "sum": _sum,
    "min": min,
    "max": max,
    "isQuantity": _is_quantity,
}
