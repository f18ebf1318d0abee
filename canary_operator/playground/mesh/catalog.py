"""What the mesh knows of the cluster: Services with their ready pods, and VirtualServices.

Read from plain manifests, so that tests are tables and any API server will do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from canary_operator.adapters.cluster.feed import Manifest
from canary_operator.playground.mesh.series import UNKNOWN, ServiceIdentity, Workload

ObjectKey: TypeAlias = tuple[str, str]
"""Namespace and name."""

HTTP_PORT = 80


class PortProtocol(StrEnum):
    """How Istio speaks to a port, by the prefix of its name or its `appProtocol`."""

    HTTP = "http"
    HTTP2 = "http2"
    AUTO = "auto"
    """No known prefix: Istio looks at the bytes, and so the protocol is the caller's."""
    OTHER = "other"
    """Not HTTP; the playground's mesh leaves it alone."""


@dataclass(frozen=True)
class Endpoint:
    """One ready pod behind one port."""

    address: str
    port: int
    workload: Workload


@dataclass(frozen=True)
class ServicePort:
    """A port of a Service and the ready pods behind it."""

    number: int
    protocol: PortProtocol = PortProtocol.HTTP
    endpoints: tuple[Endpoint, ...] = ()


@dataclass(frozen=True)
class Service:
    """A Service as callers know it."""

    identity: ServiceIdentity
    ports: tuple[ServicePort, ...]

    def port(self, number: int | None) -> ServicePort | None:
        """Return the port with this number, or without a number the only or first one."""
        if number is None:
            return self.ports[0] if self.ports else None
        return next((port for port in self.ports if port.number == number), None)


@dataclass
class ClusterObjects:
    """The manifests the mesh watches, by kind, namespace and name."""

    services: dict[ObjectKey, Manifest] = field(default_factory=dict)
    endpoint_slices: dict[ObjectKey, Manifest] = field(default_factory=dict)
    pods: dict[ObjectKey, Manifest] = field(default_factory=dict)
    virtual_services: dict[ObjectKey, Manifest] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalog:
    """Everything that decides where a request goes."""

    services: Mapping[str, Service]
    """By host, such as `web.demo.svc.cluster.local`."""
    virtual_services: tuple[Manifest, ...] = ()
    """Oldest first: of two that claim the same host, Istio obeys the older."""
    cluster_domain: str = "cluster.local"

    def host(self, name: str, namespace: str) -> str:
        """Return the full host for a name written in an object of `namespace`."""
        match name.split("."):
            case [short]:
                return f"{short}.{namespace}.svc.{self.cluster_domain}"
            case [short, other]:
                candidate = f"{short}.{other}.svc.{self.cluster_domain}"
                return candidate if candidate in self.services else name
            case [short, other, "svc"]:
                return f"{short}.{other}.svc.{self.cluster_domain}"
            case _:
                return name


def catalog_of(objects: ClusterObjects, cluster_domain: str = "cluster.local") -> Catalog:
    """Return what the objects say together."""
    slices = _slices_by_service(objects.endpoint_slices.values())
    services = {}
    for key, manifest in sorted(objects.services.items()):
        if manifest["spec"].get("type") == "ExternalName":
            continue
        service = _service(manifest, slices.get(key, ()), objects.pods, cluster_domain)
        services[service.identity.host] = service
    return Catalog(
        services,
        tuple(sorted(objects.virtual_services.values(), key=_age)),
        cluster_domain,
    )


def workload_of(pod: Manifest, address: str) -> Workload:
    """Return the workload of a pod as Istio's injector names it.

    A ReplicaSet whose name ends with the pod's template hash belongs to a Deployment of the name
    before it; any other controller is the workload itself; a bare pod is its own.
    """
    meta = pod["metadata"]
    pod_labels = meta.get("labels") or {}
    name = _controller_name(meta) or meta["name"]
    canonical = _first(
        pod_labels, "service.istio.io/canonical-name", "app.kubernetes.io/name", "app"
    )
    revision = _first(
        pod_labels, "service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"
    )
    return Workload(
        name=name,
        namespace=meta["namespace"],
        pod=meta["name"],
        address=address,
        app=pod_labels.get("app", UNKNOWN),
        version=pod_labels.get("version", UNKNOWN),
        canonical_service=canonical or name,
        canonical_revision=revision or "latest",
    )


def _service(
    manifest: Manifest,
    slices: Iterable[Manifest],
    pods: Mapping[ObjectKey, Manifest],
    cluster_domain: str,
) -> Service:
    name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
    slices = tuple(slices)
    ports = tuple(
        ServicePort(port["port"], _protocol(port), _endpoints(slices, port.get("name") or "", pods))
        for port in manifest["spec"].get("ports") or ()
        if port.get("protocol", "TCP") == "TCP"
    )
    identity = ServiceIdentity(f"{name}.{namespace}.svc.{cluster_domain}", name, namespace)
    return Service(identity, ports)


def _slices_by_service(slices: Iterable[Manifest]) -> dict[ObjectKey, list[Manifest]]:
    found: dict[ObjectKey, list[Manifest]] = {}
    for manifest in slices:
        meta = manifest["metadata"]
        service = (meta.get("labels") or {}).get("kubernetes.io/service-name")
        if service and manifest.get("addressType", "IPv4") == "IPv4":
            found.setdefault((meta["namespace"], service), []).append(manifest)
    return found


def _endpoints(
    slices: Iterable[Manifest], port_name: str, pods: Mapping[ObjectKey, Manifest]
) -> tuple[Endpoint, ...]:
    """Return the ready pods; one that terminates is not ready and gets no new request."""
    found = {
        (address, port["port"]): _pod_of(entry, manifest, pods, address)
        for manifest in slices
        for port in manifest.get("ports") or ()
        if (port.get("name") or "") == port_name and port.get("port")
        for entry in manifest.get("endpoints") or ()
        if (entry.get("conditions") or {}).get("ready") is not False
        for address in entry["addresses"]
    }
    return tuple(
        Endpoint(address, port, workload) for (address, port), workload in sorted(found.items())
    )


def _pod_of(
    entry: Manifest, manifest: Manifest, pods: Mapping[ObjectKey, Manifest], address: str
) -> Workload:
    namespace = manifest["metadata"]["namespace"]
    name = (entry.get("targetRef") or {}).get("name", "")
    pod = pods.get((namespace, name))
    if pod is None:  # an endpoint without a pod, or a pod that the watch has not shown yet
        return Workload(name=UNKNOWN, namespace=namespace, pod=name, address=address)
    return workload_of(pod, address)


def _controller_name(meta: Manifest) -> str | None:
    owner = next((ref for ref in meta.get("ownerReferences") or () if ref.get("controller")), None)
    if owner is None:
        return None
    template_hash = (meta.get("labels") or {}).get("pod-template-hash")
    name: str = owner["name"]
    if owner["kind"] == "ReplicaSet" and template_hash:
        return name.removesuffix(f"-{template_hash}")
    return name


def _protocol(port: Manifest) -> PortProtocol:
    """Read the protocol; `appProtocol` wins over the name's prefix, as in Istio."""
    word = port.get("appProtocol") or (port.get("name") or "").partition("-")[0]
    match word.lower():
        case "http":
            return PortProtocol.HTTP
        case "http2" | "grpc" | "grpc-web" | "kubernetes.io/h2c":
            return PortProtocol.HTTP2
        case "tcp" | "tls" | "https" | "mongo" | "mysql" | "redis" | "udp":
            return PortProtocol.OTHER
        case _:
            return PortProtocol.AUTO


def _first(pod_labels: Mapping[str, Any], *names: str) -> str | None:
    return next((pod_labels[name] for name in names if pod_labels.get(name)), None)


def _age(manifest: Manifest) -> tuple[str, str, str]:
    meta = manifest["metadata"]
    return meta.get("creationTimestamp") or "", meta["namespace"], meta["name"]
