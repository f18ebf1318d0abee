"""The ports of a rollout's Services."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from canary_operator.domain.spec.kinds import dns_label, matches, port_reference, whole
from canary_operator.domain.spec.schema import HERE, Place, Rule, Written, unique

PROTOCOL_PREFIX = "^(grpc|grpc-web|http|http2|https|mongo|mysql|redis|tcp|tls)(-|$)"
"""Names of ports whose protocol Istio reads from the name."""

OPAQUE = frozenset({"https", "mongo", "mysql", "redis", "tcp", "tls"})
"""Protocols that Istio does not read requests from; it balances their connections.

Istio's sidecars ignore TCP routes on ports named `https` or `tls`, so their callers stay on stable.
A weighted `tls` route would be matched by SNI and cut off callers that use a short name.
"""

OPAQUE_PREFIX = "^(https|mongo|mysql|redis|tcp|tls)(-|$)"

PROTOCOLS = "grpc, grpc-web, http, http2, https, mongo, mysql, redis, tcp or tls"
DEFAULT_PORT_NAME = "http"

AppProtocol = Literal[
    "grpc",
    "grpc-web",
    "http",
    "http2",
    "https",
    "kubernetes.io/h2c",
    "kubernetes.io/ws",
    "kubernetes.io/wss",
    "mongo",
    "mysql",
    "redis",
    "tcp",
    "tls",
]
PortNumber = Annotated[int, whole(1, 65535)]
PortTarget = Annotated[int | str, port_reference()]
PortName = Annotated[str, dns_label()]


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of the Services, complete."""

    name: str
    port: int
    target_port: int | str
    app_protocol: str | None = None

    @property
    def is_opaque(self) -> bool:
        """Whether Istio sees only connections on it, and no requests."""
        return (self.app_protocol or self.name.partition("-")[0]) in OPAQUE


def _without_protocol(port: "PortSpec") -> Iterable[Place]:
    known = port.app_protocol is not None or matches(PROTOCOL_PREFIX, port.name)
    return [] if known else [("name",)]


class PortSpec(Written):
    """One port of the Services, with a route of its own."""

    rules = (
        Rule(
            f"must begin with a protocol as Istio reads it ({PROTOCOLS}), such as http-web, "
            "unless appProtocol is given",
            f"has(self.appProtocol) || self.name.matches('{PROTOCOL_PREFIX}')",
            _without_protocol,
        ),
    )

    name: PortName
    """Name of the port; begins with its protocol (`http`, `grpc-api`), as Istio reads it."""

    port: PortNumber
    """Port that callers use."""

    target_port: PortTarget | None = None
    """Container port, by number or name; the same as `port` when left out."""

    app_protocol: AppProtocol | None = None
    """Protocol, where the name does not say it."""

    @property
    def resolved(self) -> ServicePort:
        """The port with everything filled in."""
        target = self.port if self.target_port is None else self.target_port
        return ServicePort(self.name, self.port, target, self.app_protocol)


def _not_one_form(service: "ServiceSpec") -> Iterable[Place]:
    one_form = (service.port is None) == bool(service.ports)
    return [] if one_form else [HERE]


def _details_without_port(service: "ServiceSpec") -> Iterable[Place]:
    if service.port is not None:
        return
    if service.target_port is not None:
        yield ("targetPort",)
    if service.port_name is not None:
        yield ("portName",)


def _without_protocol_prefix(service: "ServiceSpec") -> Iterable[Place]:
    known = service.port_name is None or matches(PROTOCOL_PREFIX, service.port_name)
    return [] if known else [("portName",)]


class ServiceSpec(Written):
    """Ports of the Services that callers use. `port` is short for `ports` with one entry."""

    rules = (
        Rule(
            "must have either port or ports (and not both)",
            "has(self.port) != (has(self.ports) && size(self.ports) > 0)",
            _not_one_form,
        ),
        Rule(
            "must stand beside port; an entry of ports has its own",
            "has(self.port) || !(has(self.targetPort) || has(self.portName))",
            _details_without_port,
        ),
        Rule(
            f"must begin with a protocol as Istio reads it ({PROTOCOLS}), such as http-web",
            f"!has(self.portName) || self.portName.matches('{PROTOCOL_PREFIX}')",
            _without_protocol_prefix,
        ),
        unique("ports", "name"),
        unique("ports", "port"),
    )

    port: PortNumber | None = None
    """Port that callers use."""

    target_port: PortTarget | None = None
    """Container port, by number or name; the same as `port` when left out."""

    port_name: PortName | None = None
    """Name of the port, `http` when left out; begins with its protocol, as Istio reads it."""

    ports: Annotated[tuple[PortSpec, ...], Field(max_length=20)] = ()
    """All ports, each with its own route; the first one is analysed."""

    @property
    def all_ports(self) -> tuple[ServicePort, ...]:
        """Every port with everything filled in; the first one is analysed."""
        if self.port is None:
            return tuple(port.resolved for port in self.ports)
        name = self.port_name or DEFAULT_PORT_NAME
        return (ServicePort(name, self.port, self.target_port or self.port),)
