"""The VirtualService of a rollout: what it looks like, and what one says."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from canary_operator.adapters.cluster.owned import owner_of
from canary_operator.adapters.traffic.istio_claims import MESH, full_host
from canary_operator.domain.hosts import own_hosts
from canary_operator.domain.objects import (
    CANARY,
    REJECTED_ANNOTATION,
    REJECTED_BECAUSE_ANNOTATION,
    STABLE,
    metadata,
    track_name,
)
from canary_operator.domain.spec import IstioTraffic, RolloutSpec, ServicePort
from canary_operator.domain.target import RouteTarget
from canary_operator.ports import Key, Rollout

_ALL = 100
ROUTE_KINDS = ("http", "tcp", "tls")
_OPAQUE = frozenset({"https", "mongo", "mysql", "redis", "tcp", "tls"})
"""Protocols that Istio does not read requests from; it balances their connections.

Istio's sidecars ignore TCP routes on ports named `https` or `tls`, so their callers stay on stable.
A weighted `tls` route would be matched by SNI and cut off callers that use a short name.
"""


def virtual_service(
    rollout: Rollout,
    spec: RolloutSpec,
    target: RouteTarget,
    cluster_domain: str,
    *,
    without: Collection[str] = (),
) -> dict[str, Any]:
    """Return the VirtualService of a rollout, with the mark of a rollback in the same write.

    Args:
        rollout: Whose it is.
        spec: Its spec in force.
        target: What the canary gets.
        cluster_domain: End of the names of Services.
        without: Hosts of the spec that are left out.
    """
    claimed = hosts_of(rollout.key, spec, cluster_domain)
    hosts = [host for host in claimed["hosts"] if host not in without]
    gateways = claimed["gateways"]
    marks = {
        REJECTED_ANNOTATION: target.rejected or "",
        REJECTED_BECAUSE_ANNOTATION: str(target.rejected_because or ""),
    }
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": metadata(owner_of(rollout), rollout.key.name, annotations=marks),
        "spec": {
            "hosts": hosts,
            "gateways": gateways,
            **_routes_by_kind(rollout.key, spec, target.weight, gateways, cluster_domain),
        },
    }


def hosts_of(key: Key, spec: RolloutSpec, cluster_domain: str) -> dict[str, list[str]]:
    """Return the hosts and gateways that a rollout asks for, as its VirtualService has them."""
    istio = spec.traffic.istio or IstioTraffic()
    own = full_host(key.name, key.namespace, cluster_domain)
    # Istio serves every spelling of a Service from its full name. As hosts of their own they would
    # claim more: on a gateway, `web.dev` is what the whole world calls by that name.
    ours = own_hosts(key.name, key.namespace, cluster_domain)
    further = (
        full_host(host, key.namespace, cluster_domain) for host in istio.hosts if host not in ours
    )
    return {
        "hosts": list(dict.fromkeys((own, *further))),
        "gateways": list(dict.fromkeys((MESH, *istio.gateways))),
    }


def _routes_by_kind(
    key: Key, spec: RolloutSpec, weight: int, gateways: list[str], cluster_domain: str
) -> dict[str, Any]:
    ports = spec.service.all_ports
    http = [port for port in ports if not _is_opaque(port)]
    tcp = [port for port in ports if _is_opaque(port)]

    def routes(chosen: list[ServicePort]) -> list[dict[str, Any]]:
        return [
            {
                **_match(port, chosen, gateways),
                "route": _destinations(key, port, weight, cluster_domain),
            }
            for port in chosen
        ]

    return {
        **({"http": routes(http)} if http else {}),
        **({"tcp": routes(tcp)} if tcp else {}),
    }


def _is_opaque(port: ServicePort) -> bool:
    protocol = port.app_protocol or port.name.partition("-")[0]
    return protocol in _OPAQUE


def _match(port: ServicePort, ports: list[ServicePort], gateways: list[str]) -> dict[str, Any]:
    """Match a port where there are several.

    A gateway listens on ports of its own, so there only the first port of the Service is served.
    """
    if len(ports) == 1:
        return {}
    if len(gateways) == 1:
        return {"match": [{"port": port.port}]}
    in_mesh = {"port": port.port, "gateways": [MESH]}
    outside = [{"gateways": gateways[1:]}] if port is ports[0] else []
    return {"match": [in_mesh, *outside]}


def _destinations(
    key: Key, port: ServicePort, weight: int, cluster_domain: str
) -> list[dict[str, Any]]:
    return [
        {
            "destination": {
                "host": full_host(track_name(key.name, track), key.namespace, cluster_domain),
                "port": {"number": port.port},
            },
            "weight": share,
        }
        for track, share in ((STABLE, _ALL - weight), (CANARY, weight))
    ]


def canary_weight(spec: Mapping[str, Any], key: Key, cluster_domain: str) -> int | None:
    """Return the canary's share that a VirtualService gives.

    None where a route has other destinations than ours or weights that do not sum to 100. Where
    routes differ, the highest one counts: whoever compares it will not think the canary idle.
    """
    weights = [_route_weight(route, key, cluster_domain) for route in _routes(spec)]
    known = [weight for weight in weights if weight is not None]
    return max(known) if known and len(known) == len(weights) else None


def _routes(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for kind in ROUTE_KINDS:
        yield from spec.get(kind) or ()


def _route_weight(route: Mapping[str, Any], key: Key, cluster_domain: str) -> int | None:
    shares = {
        full_host(
            entry.get("destination", {}).get("host", ""), key.namespace, cluster_domain
        ): entry.get("weight", 0)
        for entry in route.get("route") or ()
    }
    tracks = [
        full_host(track_name(key.name, track), key.namespace, cluster_domain)
        for track in (STABLE, CANARY)
    ]
    if set(shares) != set(tracks) or sum(shares.values()) != _ALL:
        return None
    weight = shares[tracks[1]]
    return weight if isinstance(weight, int) else None
