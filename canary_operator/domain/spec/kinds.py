"""Kinds of values in a spec: each states once what it allows, for the models and for the CRD.

A kind stands in an annotation, `Annotated[int, whole(1, 100)]`. It reads what a user wrote
without guessing: text is no number and a number is no text, as the API server sees it too.
"""

import json
import re
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from canary_operator.domain.durations import (
    DURATION_LENGTH,
    DURATION_PATTERN,
    format_duration,
    parse_duration,
    suggest_duration,
)
from canary_operator.domain.spec.kind import Kind

MONTH = timedelta(days=30)
ALL = 100
"""A hundred percent."""
MOST_PORT = 65535
LONGEST_PORT_NAME = 15
PORT_NAME = "^[a-z0-9]+(-[a-z0-9]+)*$"


def whole(least: int, most: int) -> Kind:
    """Return the kind of whole numbers between two bounds."""

    def read(value: Any) -> int:
        number = _finite(value)
        return int(_within(number, int(number) == number and least <= number <= most))

    return Kind(
        message=f"must be a whole number from {least} to {most}",
        read=read,
        schema={"type": "integer", "minimum": least, "maximum": most},
    )


def number() -> Kind:
    """Return the kind of all finite numbers."""
    return Kind(
        message="must be a number",
        read=lambda value: float(_finite(value)),
        schema={"type": "number"},
    )


def percent(*, with_hundred: bool) -> Kind:
    """Return the kind of percents above 0, up to 100 or below."""

    def read(value: Any) -> float:
        number = _finite(value)
        return float(_within(number, 0 < number < ALL or (with_hundred and number == ALL)))

    return Kind(
        message=f"must be a percentage above 0 and {'at most' if with_hundred else 'below'} {ALL}",
        read=read,
        schema={
            "type": "number",
            "minimum": 0,
            "exclusiveMinimum": True,
            "maximum": ALL,
            **({} if with_hundred else {"exclusiveMaximum": True}),
        },
    )


PERCENTAGE = "^[0-9]{1,3}([.][0-9]{1,6})?%$"


def percentage(*, with_zero: bool = False, with_hundred: bool = False) -> Kind:
    """Return the kind of percentages with their sign, such as `0.5%`; read as a fraction."""

    def read(value: Any) -> float:
        written = _text(value)
        number = float(_within(written, matches(PERCENTAGE, written))[:-1])
        low = number > 0 or (with_zero and number == 0)
        high = number < ALL or (with_hundred and number == ALL)
        return float(_within(number, low and high)) / ALL

    def advice(value: Any) -> str | None:
        number = value.strip().rstrip("%").strip() if isinstance(value, str) else value
        try:
            meant = f"{float(number):g}%"
            read(meant)
        except (TypeError, ValueError):
            return None
        return None if meant == value else f"did you mean {meant}?"

    lower, upper = ("at least" if with_zero else "above"), ("at most" if with_hundred else "below")
    least, most = (">=" if with_zero else ">"), ("<=" if with_hundred else "<")
    digits = "double(self.substring(0, self.size() - 1))"
    return Kind(
        message=f"must be a percentage such as 1% or 0.5%, {lower} 0% and {upper} {ALL}%",
        read=read,
        schema={"type": "string", "maxLength": 11, "pattern": PERCENTAGE},
        cel=f"self.matches('{PERCENTAGE}') && {digits} {least} 0.0 && {digits} {most} {ALL}.0",
        advice=advice,
        write=lambda value: f"{value * ALL:g}%",
    )


AUTO = "auto"
CLUMPING = "^(auto|[1-9][0-9]{0,2}([.][0-9]{1,3})?)$"


def clumping() -> Kind:
    """Return the kind of clump sizes: a number from 1, or `auto`, which is read as None."""

    def read(value: Any) -> float | None:
        if isinstance(value, str):
            known = _within(value, matches(CLUMPING, value))
            return None if known == AUTO else float(known)
        whole_number = whole(1, 999).read(value)
        return float(whole_number)

    return Kind(
        message="must be auto or a number of requests from 1 to 999 (in quotes unless it is "
        'whole, such as "1.5")',
        read=read,
        schema={"x-kubernetes-int-or-string": True, "maxLength": 7},
        cel=f"type(self) == int ? self >= 1 && self <= 999 : self.matches('{CLUMPING}')",
        write=lambda value: AUTO if value is None else f"{value:g}",
    )


def _finite(value: Any) -> int | float:
    """Return a finite number as it is; neither text nor true or false is one."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) <= sys.float_info.max:
        raise ValueError(value)
    return value  # type: ignore[no-any-return]


def _within(value: Any, allowed: bool) -> Any:
    if not allowed:
        raise ValueError(value)
    return value


def duration(least: timedelta, most: timedelta = MONTH) -> Kind:
    """Return the kind of durations between two bounds, written such as 1m30s."""

    def read(value: Any) -> timedelta:
        length = value if isinstance(value, timedelta) else parse_duration(_text(value))
        _within(length, least <= length <= most)
        return length

    def advice(value: Any) -> str | None:
        meant = suggest_duration(value)
        return None if meant is None or meant == value else f"did you mean {meant}?"

    lower, upper = format_duration(least), format_duration(most)
    return Kind(
        message=f"must be a duration such as 30s, 1m30s or 2h, from {lower} to {upper}",
        read=read,
        schema={"type": "string", "maxLength": DURATION_LENGTH, "pattern": DURATION_PATTERN},
        cel=f"self.matches('{DURATION_PATTERN}') && duration(self) >= duration('{lower}') && "
        f"duration(self) <= duration('{upper}')",
        advice=advice,
        write=format_duration,
    )


def text(form: str, most: int, pattern: str | None = None) -> Kind:
    """Return the kind of texts of a certain form.

    Args:
        form: What is allowed, for people.
        most: Longest allowed text, in characters.
        pattern: Regular expression that must match; it also is RE2 and has no backslash.
    """

    def read(value: Any) -> str:
        fits = 0 < len(_text(value)) <= most and (pattern is None or matches(pattern, value))
        return str(_within(value, fits))

    schema = {"type": "string", "minLength": 1, "maxLength": most}
    return Kind(
        message=f"must be {form} (at most {most} characters)",
        read=read,
        schema={**schema, "pattern": pattern} if pattern else schema,
        cel=f"self.matches('{pattern}')" if pattern else None,
    )


def dns_label() -> Kind:
    """Return the kind of names that may be one part of a DNS name."""
    form = "a name of lower-case letters, digits and inner hyphens"
    return text(form, 63, "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")


def matches(pattern: str, value: str) -> bool:
    """Whether `value` matches as in RE2, where `$` is the end and not a line break before it."""
    return re.search(pattern.replace("$", r"\Z"), value) is not None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004 - pydantic collects ValueError
    return value


def port_reference() -> Kind:
    """Return the kind of references to a container's port, by number or by name."""
    port = whole(1, MOST_PORT)

    def read(value: Any) -> int | str:
        if not isinstance(value, str):
            return int(port.read(value))
        fits = len(value) <= LONGEST_PORT_NAME and matches(PORT_NAME, value)
        return str(_within(value, fits and matches("[a-z]", value)))

    return Kind(
        message=f"must be a port number from 1 to {MOST_PORT}, or the name of a container port "
        f"(at most {LONGEST_PORT_NAME} characters of a-z, 0-9 and -, with a letter)",
        read=read,
        schema={"x-kubernetes-int-or-string": True, "maxLength": LONGEST_PORT_NAME},
        cel=f"type(self) == int ? self >= 1 && self <= {MOST_PORT} : "
        f"self.matches('{PORT_NAME}') && self.matches('[a-z]')",
    )


def labels(reserved: str | None = None) -> Kind:
    """Return the kind of maps from text to text.

    Args:
        reserved: Keys may not begin with it.
    """

    def wrong(value: Mapping[Any, Any]) -> list[str]:
        pairs = _without_nulls(value).items()
        of_ours = [
            f"remove {key}" for key, _ in pairs if reserved and str(key).startswith(reserved)
        ]
        return of_ours + [
            f"quote {key}: {json.dumps(item, default=str)}"
            for key, item in pairs
            if not _is_text(key, item)
        ]

    def read(value: Any) -> Mapping[str, str]:
        return _without_nulls(_within(value, isinstance(value, Mapping) and not wrong(value)))

    return Kind(
        message="must be a map of text to text"
        + (f", with no key that begins with {reserved}" if reserved else ""),
        read=read,
        schema={"type": "object", "additionalProperties": {"type": "string"}},
        cel=f"self.all(key, !key.startsWith('{reserved}'))" if reserved else None,
        advice=lambda value: ", ".join(wrong(value)) if isinstance(value, Mapping) else None,
    )


def _is_text(*values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def _without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None}
