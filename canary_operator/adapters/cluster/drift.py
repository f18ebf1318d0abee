"""Does a live object differ from the wanted one, in the fields that are ours?

Others may add fields, list items, labels and sidecars; that is not drift. So the live object is
first cut down to the shape of the wanted one, and then the two are compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_KEYS: Mapping[str, tuple[str, ...]] = {
    "claims": ("name",),
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ports": ("containerPort", "port", "protocol"),  # of containers and of Services
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""Lists whose items have names: the map keys of server-side apply. Other lists are one value."""
_DEFAULTS: Mapping[str, Any] = {"protocol": "TCP"}


@dataclass(frozen=True, slots=True)
class Rules:
    """Fields where what others add is drift too, as dotted paths."""

    exact: frozenset[str] = frozenset()
    """The whole value is ours, to the last field."""
    complete: frozenset[str] = frozenset()
    """A list of named items that has no further items."""


def projection(wanted: Any, live: Any, rules: Rules, path: str = "") -> Any:
    """Return the part of `live` that `wanted` speaks of; equal to `wanted` if nothing drifted.

    Example:
        >>> wanted = {"ports": [{"port": 80}]}
        >>> live = {"ports": [{"port": 80, "nodePort": 30000}], "type": "ClusterIP"}
        >>> projection(wanted, live, Rules())
        {'ports': [{'port': 80}]}
    """
    if path in rules.exact:
        return live
    match wanted, live:
        case dict(), dict():  # JSON: nothing else is a mapping, and asking for one is slow
            return _of_mapping(wanted, live, rules, path)
        case (list(), list()) if _names_items(path, wanted):
            return _of_named_items(wanted, live, rules, path)
        case (list(), list()) if len(wanted) == len(live):
            return [projection(*pair, rules, path) for pair in zip(wanted, live, strict=True)]
        case _:
            return live


def _of_mapping(
    wanted: Mapping[str, Any], live: Mapping[str, Any], rules: Rules, path: str
) -> dict[str, Any]:
    part = {}
    for field, value in wanted.items():
        if field in live:
            part[field] = projection(value, live[field], rules, f"{path}.{field}".lstrip("."))
        elif value in ({}, [], ""):
            part[field] = value  # the server leaves out what is empty
    return part


def _names_items(path: str, items: Sequence[Any]) -> bool:
    names = _KEYS.get(path.rpartition(".")[2])
    return names is not None and all(
        isinstance(item, Mapping) and any(name in item for name in names) for item in items
    )


def _of_named_items(
    wanted: Sequence[Mapping[str, Any]], live: Sequence[Any], rules: Rules, path: str
) -> list[Any]:
    there = {_key_of(item, path): item for item in live}
    keys = [_key_of(item, path) for item in wanted]
    part = [
        projection(item, there[key], rules, path)
        for item, key in zip(wanted, keys, strict=True)
        if key in there
    ]
    if path in rules.complete:
        part += [item for key, item in there.items() if key not in keys]
    return part


def _key_of(item: Any, path: str) -> tuple[Any, ...]:
    names = _KEYS[path.rpartition(".")[2]]
    return tuple(item.get(name, _DEFAULTS.get(name)) for name in names)
