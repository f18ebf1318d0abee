"""Label selectors, as Services and policies use them."""

from collections.abc import Mapping
from typing import Any


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a selector with `matchLabels` and `matchExpressions` selects `labels`.

    Example:
        >>> selects({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, {"app": "web"})
        True
    """
    exact = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or ()
    return carries(exact, labels) and all(_meets(one, labels) for one in expressions)


def carries(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether all of `wanted` are among `labels`."""
    return all(labels.get(key) == value for key, value in wanted.items())


def _meets(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression.get("key") or "", expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False


def shown(labels: Mapping[str, str]) -> str:
    """Return labels as kubectl writes them: `app=web,tier=front`."""
    return ",".join(f"{key}={value}" for key, value in labels.items()) or "none"
