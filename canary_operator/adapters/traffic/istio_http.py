"""The routes of a VirtualService: for each port of a rollout, which requests go where, and how."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from canary_operator.adapters.traffic.istio_claims import MESH
from canary_operator.domain.spec import IstioTraffic, RolloutSpec, ServicePort
from canary_operator.domain.spec.schema import Written

Json = dict[str, Any]

ALL = 100
_MAPS = frozenset({"headers", "withoutHeaders", "queryParams", "sourceLabels"})
"""Parts of a condition that ask about several things."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """Full names of the Services that requests are sent to."""

    stable: str
    canary: str


def routes_by_kind(
    spec: RolloutSpec, weight: int, gateways: Sequence[str], hosts: Hosts
) -> dict[str, list[Json]]:
    """Return the routes of a rollout, as `spec.http` and `spec.tcp` of its VirtualService.

    Args:
        spec: The spec in force.
        weight: Share of requests for the canary, in whole percent.
        gateways: Those of the VirtualService; the first one is the mesh.
        hosts: Where requests are sent to.
    """
    http = [port for port in spec.service.all_ports if not port.is_opaque]
    tcp = [port for port in spec.service.all_ports if port.is_opaque]
    istio = spec.traffic.istio or IstioTraffic()
    routes: dict[str, list[Json]] = {
        "http": [
            {
                **_match(_at_port(port, http, gateways), conditions_of(istio)),
                **dict(_settings(istio)),
                "route": _split(port, weight, hosts),
            }
            for port in http
        ],
        "tcp": [
            {**_match(_at_port(port, tcp, gateways)), "route": _split(port, weight, hosts)}
            for port in tcp
        ],
    }
    return {kind: listed for kind, listed in routes.items() if listed}


def conditions_of(istio: IstioTraffic) -> list[Json]:
    """Return which requests are routed at all; nothing for all of them."""
    return [as_written(condition) for condition in istio.match]


def as_written(part: Written) -> Json:
    """Return a part of the spec as the user wrote it, without what is null."""
    return part.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _settings(istio: IstioTraffic) -> Iterator[tuple[str, Any]]:
    """Yield what is done to every request, in Istio's words."""
    names = {"timeout", "retries", "headers", "rewrite", "cors_policy"}
    written = istio.model_dump(mode="json", by_alias=True, exclude_unset=True, include=names)
    yield from written.items()


def _at_port(
    port: ServicePort, ports: Sequence[ServicePort], gateways: Sequence[str]
) -> list[Json]:
    """Match a port where there are several.

    A gateway listens on ports of its own, so there only the first port of the Service is served.
    """
    if len(ports) == 1:
        return []
    if len(gateways) == 1:
        return [{"port": port.port}]
    in_mesh = {"port": port.port, "gateways": [MESH]}
    outside = [{"gateways": list(gateways[1:])}] if port is ports[0] else []
    return [in_mesh, *outside]


def _match(*groups: Iterable[Json]) -> Json:
    """Return conditions of which one must hold; of each group one that is in it."""
    given = [list(group) for group in groups]
    chosen = product(*(group for group in given if group))
    conditions = [_together(parts) for parts in chosen] if any(given) else []
    return {"match": conditions} if conditions else {}


def _together(parts: Iterable[Mapping[str, Any]]) -> Json:
    """Return one condition that asks for all of several; they ask about different things."""
    whole: Json = {}
    for part in parts:
        for name, asked in part.items():
            whole[name] = {**whole.get(name, {}), **asked} if name in _MAPS else asked
    return whole


def _split(port: ServicePort, weight: int, hosts: Hosts) -> list[Json]:
    shares = ((hosts.stable, ALL - weight), (hosts.canary, weight))
    return [_destination(host, port, share) for host, share in shares]


def _destination(host: str, port: ServicePort, share: int) -> Json:
    return {"destination": {"host": host, "port": {"number": port.port}}, "weight": share}
