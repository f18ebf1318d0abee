"""Label selectors: as objects (`matchLabels`), as maps (Services), as text (`app=web,tier!=db`)."""

import re
from collections.abc import Mapping
from typing import Any

Labels = Mapping[str, str]

_TERM = re.compile(r",(?![^(]*\))")
_SET = re.compile(r"(?P<key>\S+)\s+(?P<operator>in|notin)\s+\((?P<values>[^)]*)\)")
_EQUALITY = re.compile(r"(?P<key>[^=!\s]+)\s*(?P<operator>!=|==?)\s*(?P<value>\S*)")


def matches(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Return whether a LabelSelector object selects `labels`; an empty one selects all."""
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    return contains(labels, wanted) and all(_holds(each, labels) for each in expressions)


def contains(labels: Labels, wanted: Labels) -> bool:
    """Return whether `labels` has every pair of `wanted`."""
    return all(labels.get(key) == value for key, value in wanted.items())


def parsed(text: str) -> Mapping[str, Any]:
    """Return the LabelSelector object for text as `kubectl -l` takes it.

    Example:
        >>> matches(parsed("app=web,track in (stable, canary)"), {"app": "web", "track": "stable"})
        True
    """
    terms = (term.strip() for term in _TERM.split(text))
    return {"matchExpressions": [_expression(term) for term in terms if term]}


def _expression(term: str) -> Mapping[str, Any]:
    if found := _SET.fullmatch(term):
        operator = "In" if found["operator"] == "in" else "NotIn"
        values = [value.strip() for value in found["values"].split(",")]
        return {"key": found["key"], "operator": operator, "values": values}
    if found := _EQUALITY.fullmatch(term):
        operator = "NotIn" if found["operator"] == "!=" else "In"
        return {"key": found["key"], "operator": operator, "values": [found["value"]]}
    if term.startswith("!"):
        return {"key": term[1:].strip(), "operator": "DoesNotExist"}
    return {"key": term, "operator": "Exists"}


def _holds(expression: Mapping[str, Any], labels: Labels) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case operator:
            raise ValueError(
                f"Unknown operator {operator!r}; use In, NotIn, Exists or DoesNotExist."
            )
