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
    group: str
    """Stable again, for requests of the group that the canary is for."""


def routes_by_kind(
    spec: RolloutSpec, weight: int, gateways: Sequence[str], hosts: Hosts
) -> dict[str, list[Json]]:
    """Return the routes of a rollout, as `spec.http` and `spec.tcp` of its VirtualService.

    Args:
        spec: The spec in force. A focused canary has two routes for each port: the first for its
            group, the second for everybody else.
        weight: Share of requests for the canary, in whole percent.
        gateways: Those of the VirtualService; the first one is the mesh.
        hosts: Where requests are sent to.
    """
    http = [port for port in spec.service.all_ports if not port.is_opaque]
    tcp = [port for port in spec.service.all_ports if port.is_opaque]
    istio = spec.traffic.istio or IstioTraffic()
    base = [as_written(condition) for condition in istio.match]
    group = [as_written(condition) for condition in spec.strategy.match or ()]
    settings = dict(_settings(istio))

    def http_routes(port: ServicePort) -> Iterator[Json]:
        everybody = _at_port(port, http, gateways), base
        if not group:
            split = _split(port, weight, hosts.stable, hosts.canary)
            yield {**_match(*everybody), **settings, "route": split}
            return
        split = _split(port, weight, hosts.group, hosts.canary)
        yield {**_match(*everybody, group), **settings, "route": split}
        yield {**_match(*everybody), **settings, "route": [_destination(hosts.stable, port, ALL)]}

    def tcp_route(port: ServicePort) -> Json:
        split = _split(port, weight, hosts.stable, hosts.canary)
        alone = [_destination(hosts.stable, port, ALL)]
        return {**_match(_at_port(port, tcp, gateways)), "route": alone if group else split}

    routes = {
        "http": [route for port in http for route in http_routes(port)],
        "tcp": [tcp_route(port) for port in tcp],
    }
    return {kind: listed for kind, listed in routes.items() if listed}


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


def _split(port: ServicePort, weight: int, stable: str, canary: str) -> list[Json]:
    shares = ((stable, ALL - weight), (canary, weight))
    return [_destination(host, port, share) for host, share in shares]


def _destination(host: str, port: ServicePort, share: int) -> Json:
    return {"destination": {"host": host, "port": {"number": port.port}}, "weight": share}
