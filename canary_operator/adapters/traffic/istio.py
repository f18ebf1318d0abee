"""Istio: one VirtualService for each rollout, whose weights always sum to 100."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from canary_operator.adapters.cluster.cache import Caches
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.drift import Rules
from canary_operator.adapters.cluster.encoding import unpack
from canary_operator.adapters.cluster.errors import ApiError, NotFoundError
from canary_operator.adapters.cluster.owned import OwnedObjects, owner_of
from canary_operator.adapters.cluster.resources import VIRTUAL_SERVICES
from canary_operator.adapters.cluster.seen import SeenManifest
from canary_operator.adapters.traffic.istio_claims import MESH, Claims, full_host
from canary_operator.domain.errors import DriftConflictError, RouterUnavailableError
from canary_operator.domain.hosts import own_hosts
from canary_operator.domain.objects import CANARY, GROUP, STABLE, metadata, track_name
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import RouteState
from canary_operator.domain.spec import IstioTraffic, RolloutSpec, ServicePort
from canary_operator.domain.target import RouteTarget
from canary_operator.ports import Key, Rollout

REJECTED_ANNOTATION = f"{GROUP}/rejected"
"""Revision that a rollback took the traffic from; empty while there is none.

It is always written, so that taking it away takes it away from whoever wrote it too.
"""
REJECTED_BECAUSE_ANNOTATION = f"{GROUP}/rejected-because"

_WEBHOOK_PAUSE = timedelta(seconds=30)
_ALL = 100
_RULES = Rules(
    exact=frozenset({"spec.hosts", "spec.gateways", "spec.http", "spec.tcp", "spec.tls"})
)
"""Lists of a VirtualService are one value each for the API server."""

_ROUTE_KINDS = ("http", "tcp", "tls")
_OPAQUE = frozenset({"https", "mongo", "mysql", "redis", "tcp", "tls"})
"""Protocols that Istio does not read requests from; it balances their connections.

Istio's sidecars ignore TCP routes on ports named `https` or `tls`, so their callers stay on stable.
A weighted `tls` route would be matched by SNI and cut off callers that use a short name.
"""


class IstioRouter:
    """Port `TrafficRouter`."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        *,
        cluster_domain: str = "cluster.local",
        namespaces: tuple[str, ...] = (),
    ) -> None:
        """Remember where to write.

        Args:
            client: The API server.
            caches: Their `virtual_services` must be watched.
            cluster_domain: End of the names of Services.
            namespaces: Where to look for others that route the same hosts; none means everywhere.
        """
        self._domain = cluster_domain
        self._objects = OwnedObjects[SeenManifest](
            client, VIRTUAL_SERVICES, caches.virtual_services, _RULES
        )
        self._claims = Claims(client, cluster_domain, namespaces)

    def state(self, rollout: Rollout) -> RouteState:
        """Return what the router was told, as last seen."""
        held = self._objects.get(rollout, rollout.key.name)
        if held is None:
            return RouteState()
        manifest = unpack(held.content.manifest)
        annotations = manifest["metadata"]["annotations"]
        because = annotations.get(REJECTED_BECAUSE_ANNOTATION)
        return RouteState(
            exists=True,
            weight=canary_weight(manifest["spec"], rollout.key, self._domain),
            rejected=annotations.get(REJECTED_ANNOTATION) or None,
            rejected_because=Reason(because) if because in set(Reason) else None,
            hosts=frozenset(manifest["spec"].get("hosts") or ()),
        )

    async def claim(self, rollout: Rollout, spec: RolloutSpec) -> None:
        """Check, before a spec is accepted, that nobody else routes its hosts."""
        wanted = _spec(rollout.key, spec, 0, self._domain)
        held = self._objects.get(rollout, rollout.key.name)
        present = unpack(held.content.manifest)["spec"] if held is not None else {}
        await self._claims.check(rollout, wanted, present)

    async def set(self, rollout: Rollout, spec: RolloutSpec, target: RouteTarget) -> bool:
        """Give the canary the weight of `target`; return whether something was written."""
        wanted = virtual_service(rollout, spec, target, self._domain)
        try:
            written = await self._objects.ensure(rollout, wanted)
        except NotFoundError as error:
            raise _not_installed(error) from error
        except ApiError as error:
            raise RouterUnavailableError(
                f"The API server refuses VirtualService {rollout.key.name}: {error.message}"
            ) from error
        told = self.state(rollout).weight
        if told != target.weight and not rollout.deleting:
            raise DriftConflictError(
                f"VirtualService {rollout.key.name} was told {target.weight} % and does not have "
                "it: an admission webhook changes it. Exclude it from that webhook.",
                retry_after=_WEBHOOK_PAUSE,
            )
        return written


def _not_installed(error: NotFoundError) -> RouterUnavailableError:
    if not error.api_missing:
        return RouterUnavailableError(f"The VirtualService cannot be written: {error.message}")
    return RouterUnavailableError(
        "Istio's VirtualService (networking.istio.io/v1) is not installed, so requests cannot be "
        "split. Install Istio's CRDs. Meanwhile stable is served through its Service."
    )


def virtual_service(
    rollout: Rollout, spec: RolloutSpec, target: RouteTarget, cluster_domain: str
) -> dict[str, Any]:
    """Return the VirtualService of a rollout, with the mark of a rollback in the same write."""
    marks = {
        REJECTED_ANNOTATION: target.rejected or "",
        REJECTED_BECAUSE_ANNOTATION: str(target.rejected_because or ""),
    }
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": metadata(owner_of(rollout), rollout.key.name, annotations=marks),
        "spec": _spec(rollout.key, spec, target.weight, cluster_domain),
    }


def _spec(key: Key, spec: RolloutSpec, weight: int, cluster_domain: str) -> dict[str, Any]:
    istio = spec.traffic.istio or IstioTraffic()
    own = full_host(key.name, key.namespace, cluster_domain)
    # Istio serves every spelling of a Service from its full name. As hosts of their own they would
    # claim more: on a gateway, `web.dev` is what the whole world calls by that name.
    ours = own_hosts(key.name, key.namespace, cluster_domain)
    further = (
        full_host(host, key.namespace, cluster_domain) for host in istio.hosts if host not in ours
    )
    gateways = list(dict.fromkeys((MESH, *istio.gateways)))
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
        "hosts": list(dict.fromkeys((own, *further))),
        "gateways": gateways,
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
    for kind in _ROUTE_KINDS:
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
