"""Which host names lead where: the virtual hosts of both listeners.

Callers in the mesh reach every Service under the names that Kubernetes gives it, with or without
a port, and under `web.demo.localhost`, which curl and browsers send to the loopback address. A
host without a port, or with a port that the Service does not have (such as the listener's own),
is the Service's first port. In Istio each port has a listener of its own; here one serves all.

An ingress gateway knows only what VirtualServices offer on it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from canary_operator.adapters.cluster.feed import Manifest
from canary_operator.playground.mesh.catalog import Catalog, PortProtocol, Service, ServicePort
from canary_operator.playground.mesh.matching import MESH, Caller, serves
from canary_operator.playground.mesh.routes import plain_route, virtual_service_routes

ANY_GATEWAY = "*"


@dataclass
class _Names:
    """Host names that are taken: Envoy refuses a configuration that lists one twice."""

    taken: set[str] = field(default_factory=set)

    def take(self, names: Iterable[str]) -> list[str]:
        """Return those of `names` that were free."""
        free = [name for name in dict.fromkeys(names) if name.lower() not in self.taken]
        self.taken.update(name.lower() for name in free)
        return free


def mesh_hosts(catalog: Catalog, caller: Caller) -> list[Manifest]:
    """Return the virtual hosts for callers inside the mesh."""
    names = _Names()
    claimed = claims(catalog, caller)
    hosts = [
        host
        for service in _nearest_first(catalog, caller.namespace)
        for host in _service_hosts(service, claimed, catalog, caller, names)
    ]
    for manifest in catalog.virtual_services:
        if serves(_gateways(manifest), caller):
            foreign = [name for name in _hosts(manifest, catalog) if name not in catalog.services]
            routes = [*virtual_service_routes(manifest, caller, catalog)]
            hosts.extend(_virtual_host(names.take(_with_any_port(foreign)), routes))
    return hosts


def gateway_hosts(catalog: Catalog) -> list[Manifest]:
    """Return the virtual hosts of the ingress gateway, which stands for every gateway.

    Its route configuration ignores ports, so that `*.example.com` needs no second form.
    """
    caller = Caller(gateway=ANY_GATEWAY)
    routes: dict[str, list[Manifest]] = {}
    for manifest in catalog.virtual_services:
        if serves(_gateways(manifest), caller):
            for name in _hosts(manifest, catalog):
                offered = virtual_service_routes(manifest, caller, catalog)
                routes.setdefault(name, []).extend(offered)
    return [host for name, offered in routes.items() for host in _virtual_host([name], offered)]


def claims(catalog: Catalog, caller: Caller) -> Mapping[str, Manifest]:
    """Return the VirtualService in force for each host; the oldest claim wins."""
    found: dict[str, Manifest] = {}
    for manifest in catalog.virtual_services:
        if serves(_gateways(manifest), caller):
            for name in _hosts(manifest, catalog):
                found.setdefault(name, manifest)
    return found


def _service_hosts(
    service: Service,
    claimed: Mapping[str, Manifest],
    catalog: Catalog,
    caller: Caller,
    names: _Names,
) -> Iterator[Manifest]:
    claim = claimed.get(service.identity.host)
    usable = [port for port in service.ports if port.protocol is not PortProtocol.OTHER]
    for port in usable:
        domains = names.take(_domains(service, port, is_first=port is usable[0]))
        yield from _virtual_host(domains, _routes(service, port, claim, catalog, caller))


def _routes(
    service: Service, port: ServicePort, claim: Manifest | None, catalog: Catalog, caller: Caller
) -> list[Manifest]:
    if claim is None or not claim["spec"].get("http"):
        return [plain_route(service.identity.host, port.number)]
    return [*virtual_service_routes(claim, replace(caller, port=port.number), catalog)]


def _domains(service: Service, port: ServicePort, *, is_first: bool) -> Iterator[str]:
    identity = service.identity
    within = f"{identity.name}.{identity.namespace}"
    names = [identity.host, f"{within}.svc", within, f"{within}.localhost", identity.name]
    if is_first:
        yield from _with_any_port(names)
    for name in names:
        yield f"{name}:{port.number}"


def _with_any_port(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield name
        if "*" not in name:  # Envoy takes one wildcard, at one end
            yield f"{name}:*"


def _virtual_host(domains: list[str], routes: list[Manifest]) -> Iterator[Manifest]:
    if domains:
        yield {"name": domains[0], "domains": domains, "routes": routes}


def _nearest_first(catalog: Catalog, namespace: str) -> list[Service]:
    """Order Services so that a bare name means the caller's namespace, else the first one."""
    return sorted(
        catalog.services.values(),
        key=lambda service: (service.identity.namespace != namespace, service.identity.namespace),
    )


def _gateways(manifest: Manifest) -> list[str]:
    return manifest["spec"].get("gateways") or [MESH]


def _hosts(manifest: Manifest, catalog: Catalog) -> list[str]:
    namespace = manifest["metadata"]["namespace"]
    return [
        name if "*" in name else catalog.host(name, namespace)
        for name in manifest["spec"].get("hosts") or ()
    ]
