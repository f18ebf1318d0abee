"""The part of JSONPath that printer columns use: fields, indexes, wildcards and filters."""

import json
import operator
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

STEP = re.compile(
    r"\.(?P<field>[\w-]+(?:\\\.[\w-]+)*)"
    r"|\[(?P<quote>['\"])(?P<quoted>.*?)(?P=quote)\]"
    r"|\[(?P<index>-?\d+)\]"
    r"|(?P<every>\[\*\]|\.\*)"
    r"|\[\?\(@(?P<filter>[^=!<>)]*)\s*(?P<op>==|!=|<=|>=|<|>)?\s*(?P<value>[^)]*)\)\]"
)


OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


class JSONPathError(ValueError):
    """The text is no JSONPath that printer columns may use."""


@lru_cache(maxsize=512)
def parse(text: str) -> tuple[re.Match[str], ...]:
    """Return the steps of a path.

    Raises:
        JSONPathError: the path cannot be read.
    """
    rest, steps = text.strip().strip("{}"), []
    while rest:
        match = STEP.match(rest)
        if match is None:
            raise JSONPathError(f"{text!r} is not a JSONPath of fields, indexes and filters")
        steps.append(match)
        rest = rest[match.end() :]
    return tuple(steps)


def find(value: Any, text: str) -> list[Any]:
    """Return everything that a path finds; gaps are not errors.

    Example:
        >>> find({"a": [{"t": "x", "s": 1}, {"t": "y", "s": 2}]}, '.a[?(@.t=="y")].s')
        [2]
    """
    found = [value]
    for step in parse(text):
        found = [item for one in found for item in _follow(one, step)]
    return found


def _follow(value: Any, step: re.Match[str]) -> Iterator[Any]:
    name = step["field"] or step["quoted"]
    if name is not None:
        name = name.replace("\\.", ".")
        if isinstance(value, dict) and name in value:
            yield value[name]
    elif step["index"] is not None:
        index = int(step["index"])
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]
    elif step["every"]:
        yield from value.values() if isinstance(value, dict) else value or ()
    elif isinstance(value, list):
        yield from (item for item in value if _passes(item, step))


def _passes(item: Any, step: re.Match[str]) -> bool:
    found = find(item, step["filter"].strip())
    if not found or step["op"] is None:
        return bool(found)
    left, wanted = found[0], _literal(step["value"].strip())
    comparable = step["op"] in ("==", "!=") or type(left) is type(wanted)
    return comparable and bool(OPERATORS[step["op"]](left, wanted))


def _literal(text: str) -> Any:
    if text[:1] in ("'", '"'):
        return text[1:-1]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
