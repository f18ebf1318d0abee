"""The `match` of a VirtualService's http route, in Envoy's words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from canary_operator.adapters.cluster.feed import Manifest

MESH = "mesh"
"""Istio's reserved gateway name for all sidecars."""

_PSEUDO_HEADERS = (("method", ":method"), ("authority", ":authority"), ("scheme", ":scheme"))


@dataclass(frozen=True)
class Caller:
    """Where routes are for: some conditions are decided before any request comes."""

    gateway: str = MESH
    """`mesh`, or `namespace/name` of a gateway; `*` stands for any gateway but the mesh."""
    port: int | None = None
    """The Service port that was called; unknown at a gateway."""
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def matches_of(route: Manifest, caller: Caller) -> Iterator[Manifest]:
    """Yield an Envoy match for each alternative of `route` that `caller` can ever meet."""
    alternatives = route.get("match") or ()
    if not alternatives:
        yield {"prefix": "/"}
    for alternative in alternatives:
        if _reachable(alternative, caller):
            yield envoy_match(alternative)


def envoy_match(condition: Manifest) -> Manifest:
    """Return one HTTPMatchRequest as an Envoy RouteMatch; all its parts must hold."""
    match = _path(condition)
    headers = [
        *(
            _header(name, condition[key])
            for key, name in _PSEUDO_HEADERS
            if condition.get(key) is not None
        ),
        *(_header(name, value) for name, value in (condition.get("headers") or {}).items()),
        *(
            {**_header(name, value), "invert_match": True}
            for name, value in (condition.get("withoutHeaders") or {}).items()
        ),
    ]
    parameters = [
        _query_parameter(name, value)
        for name, value in (condition.get("queryParams") or {}).items()
    ]
    if headers:
        match["headers"] = headers
    if parameters:
        match["query_parameters"] = parameters
    return match


def _reachable(condition: Manifest, caller: Caller) -> bool:
    wanted_labels = condition.get("sourceLabels") or {}
    if caller.gateway != MESH and (wanted_labels or condition.get("sourceNamespace")):
        return False
    return (
        condition.get("port") in (None, caller.port)
        and condition.get("sourceNamespace") in (None, "", caller.namespace)
        and all(caller.labels.get(name) == value for name, value in wanted_labels.items())
        and serves(condition.get("gateways"), caller)
    )


def serves(gateways: list[str] | None, caller: Caller) -> bool:
    """Whether a list of gateways includes the caller's; an empty list includes every one."""
    if not gateways:
        return True
    if caller.gateway == "*":
        return any(gateway != MESH for gateway in gateways)
    return caller.gateway in gateways


def _path(condition: Manifest) -> Manifest:
    match = _path_specifier(condition.get("uri") or {})
    if condition.get("ignoreUriCase") and "safe_regex" not in match:
        match["case_sensitive"] = False
    return match


def _path_specifier(uri: Mapping[str, Any]) -> Manifest:
    match uri:
        case {"exact": value}:
            return {"path": value}
        case {"regex": value}:
            return {"safe_regex": {"regex": value}}
        case {"prefix": value}:
            return {"prefix": value}
        case _:
            return {"prefix": "/"}


def _header(name: str, condition: Manifest) -> Manifest:
    """Match a header; an empty condition asks only that it is present."""
    text = _string_match(condition)
    value = {"present_match": True} if text is None else {"string_match": text}
    return {"name": name.lower(), **value}


def _query_parameter(name: str, condition: Manifest) -> Manifest:
    text = _string_match(condition)
    return {"name": name, **({"present_match": True} if text is None else {"string_match": text})}


def _string_match(condition: Mapping[str, Any]) -> Manifest | None:
    match condition:
        case {"exact": value}:
            return {"exact": value}
        case {"prefix": value}:
            return {"prefix": value}
        case {"regex": value}:
            return {"safe_regex": {"regex": value}}
        case _:
            return None
