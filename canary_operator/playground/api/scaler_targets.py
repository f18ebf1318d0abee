"""What `kubectl get hpa` shows below TARGETS: what was measured, beside what is aimed at."""

from collections.abc import Mapping, Sequence
from typing import Any

from canary_operator.playground.api.objects import Object

_MOST = 2
"""Metrics that are shown; the others are counted."""
_UNKNOWN = "<unknown>"
_PARTS = {
    "Pods": "pods",
    "Object": "object",
    "External": "external",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}


def targets_text(scaler: Object) -> str:
    """Return the column of an autoscaler."""
    wanted = scaler["spec"].get("metrics") or ()
    seen = (scaler.get("status") or {}).get("currentMetrics") or ()
    if not wanted:
        return "<none>"
    shown = [_of(metric, _at(seen, index)) for index, metric in enumerate(wanted)]
    more = len(shown) - _MOST
    text = ", ".join(shown[:_MOST])
    return f"{text} + {more} more..." if more > 0 else text


def _at(seen: Sequence[Object], index: int) -> Object:
    return seen[index] if index < len(seen) else {}


def _of(metric: Object, seen: Object) -> str:
    """Return one metric; those that are not of pods say where they count for each."""
    part = _PARTS.get(metric["type"])
    if part is None:
        return "<unknown type>"
    spec = metric[part]
    target, current = spec["target"], (seen.get(part) or {}).get("current") or {}
    if "name" in spec:
        return f"{spec['name']}: {_of_resource(target, current)}"
    if part == "pods":
        return _pair(target, current, "averageValue")
    if "averageValue" in target:
        return f"{_pair(target, current, 'averageValue')} (avg)"
    return _pair(target, current, "value")


def _of_resource(target: Mapping[str, Any], current: Mapping[str, Any]) -> str:
    if "averageValue" in target:
        return _pair(target, current, "averageValue")
    share = current.get("averageUtilization")
    known = _UNKNOWN if share is None else f"{share}%"
    aim = target.get("averageUtilization")
    return f"{known}/<auto>" if aim is None else f"{known}/{aim}%"


def _pair(target: Mapping[str, Any], current: Mapping[str, Any], field: str) -> str:
    return f"{current.get(field, _UNKNOWN)}/{target.get(field)}"
