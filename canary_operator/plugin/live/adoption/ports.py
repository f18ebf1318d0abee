"""Which Service leads to a Deployment, and its ports as a CanaryRollout writes them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from canary_operator.domain.spec.kinds import matches
from canary_operator.domain.spec.service import (
    DEFAULT_PORT_NAME,
    PROTOCOL_PREFIX,
    PROTOCOLS,
    AppProtocol,
)
from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.live.adoption.selectors import carries, shown
from canary_operator.plugin.live.adoption.surroundings import Surroundings, name_of

TCP = "TCP"
BY_CONNECTION = ("https", "mongo", "mysql", "redis", "tcp", "tls")
"""Protocols that are split by connection, which no built-in check sees."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of a Service, as `spec.service` writes them."""

    spec: Mapping[str, Any]
    doubts: tuple[str, ...] = ()
    """What was assumed."""
    left_out: tuple[str, ...] = ()
    """Ports that a CanaryRollout cannot have."""


@dataclass(slots=True)
class _Reading:
    """Ports while they are read."""

    doubts: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def choose_service(seen: Surroundings, wanted: str | None) -> Mapping[str, Any]:
    """Return the Service that leads to the pods of the Deployment.

    Raises:
        PluginError: none does, several do, or not the wanted one.
    """
    leading = [one for one in seen.services if leads(one, seen.labels)]
    if wanted is not None:
        return _named(seen, wanted)
    if len(leading) == 1:
        return leading[0]
    what, labels = f"the pods of Deployment {seen.name}", shown(seen.labels)
    if leading:
        raise PluginError(
            f"Several Services select {what}: {_list(leading)}",
            "Choose one with --service; ports of the others can be added by hand.",
            Exit.FAILED,
        )
    known = _list(seen.services) or "none"
    raise PluginError(
        f"No Service selects {what} ({labels}), and only requests to a Service can be split",
        f"Services in namespace {seen.namespace}: {known}.",
        Exit.FAILED,
    )


def _named(seen: Surroundings, wanted: str) -> Mapping[str, Any]:
    service = next((one for one in seen.services if name_of(one) == wanted), None)
    if service is None:
        known = _list(seen.services) or "none"
        raise PluginError(
            f"No Service {wanted} in namespace {seen.namespace}; there: {known}", code=Exit.FAILED
        )
    if not leads(service, seen.labels):
        selector = shown(_spec(service).get("selector") or {})
        raise PluginError(
            f"Service {wanted} does not lead to Deployment {seen.name}: it selects {selector}, "
            f"the pods have {shown(seen.labels)}",
            code=Exit.FAILED,
        )
    return service


def leads(service: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a Service selects pods with such labels."""
    selector = _spec(service).get("selector") or {}
    return bool(selector) and carries(selector, labels)


def _list(services: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(f"{name_of(one)} ({_numbers(one)})" for one in services)


def _numbers(service: Mapping[str, Any]) -> str:
    ports = [str(port.get("port")) for port in _spec(service).get("ports") or ()]
    return "port " + ", ".join(ports) if ports else "no port"


def _spec(service: Mapping[str, Any]) -> Mapping[str, Any]:
    return service.get("spec") or {}


def ports_of(service: Mapping[str, Any]) -> Ports:
    """Return the ports of a Service as `spec.service` writes them.

    Raises:
        PluginError: there is none that could be carried over.
    """
    reading = _Reading()
    all_ports = _spec(service).get("ports") or ()
    carried = [port for port in all_ports if port.get("protocol", TCP) == TCP]
    reading.left_out += [
        f"port {port.get('port')}/{port.get('protocol')} of the Service: only TCP is split"
        for port in all_ports
        if port not in carried
    ]
    if not carried:
        raise PluginError(
            f"Service {name_of(service)} has no TCP port, and no other can be split",
            code=Exit.FAILED,
        )
    entries = _analysed_first([_entry(port, reading) for port in carried], reading)
    return Ports(_written(entries), tuple(reading.doubts), tuple(reading.left_out))


def _entry(port: Mapping[str, Any], reading: _Reading) -> dict[str, Any]:
    number, target = port.get("port"), port.get("targetPort")
    name: str = port.get("name") or DEFAULT_PORT_NAME
    entry = {"name": name, "port": number}
    if target not in {None, number}:
        entry["targetPort"] = target
    protocol = port.get("appProtocol")
    if protocol in get_args(AppProtocol):
        return {**entry, "appProtocol": protocol}
    if protocol:
        reading.doubts.append(
            f"Port {number} has appProtocol {protocol}, which a CanaryRollout does not know; its "
            "name says the protocol now."
        )
    return {**entry, "name": _named_by_protocol(port, name, reading)}


def _named_by_protocol(port: Mapping[str, Any], name: str, reading: _Reading) -> str:
    number = port.get("port")
    if not port.get("name"):
        reading.doubts.append(
            f"Port {number} has no name, so it is taken for HTTP. If it is not, set portName to "
            f"one that begins with its protocol ({PROTOCOLS})."
        )
    elif not matches(PROTOCOL_PREFIX, name):
        reading.doubts.append(
            f"Port {number} is called {name}, from which Istio reads no protocol; it is taken for "
            f"HTTP and called http-{name}. If it is not, choose another beginning ({PROTOCOLS})."
        )
        return f"http-{name}"
    return name


def _analysed_first(entries: list[dict[str, Any]], reading: _Reading) -> list[dict[str, Any]]:
    """Put the first port by requests in front: it is the one that is analysed."""
    seen = [one for one in entries if _protocol(one) not in BY_CONNECTION]
    if not seen:
        reading.doubts.append(
            f"Port {entries[0]['port']} is split by connection and not by request: no built-in "
            "check sees it. Set spec.analysis.metrics to queries of your own."
        )
        return entries
    first = seen[0]
    if len(entries) > 1:
        reading.doubts.append(f"Port {first['port']} is the one that is analysed: it is the first.")
    return [first, *(one for one in entries if one is not first)]


def _protocol(entry: Mapping[str, Any]) -> str:
    return str(entry.get("appProtocol") or entry["name"].partition("-")[0])


def _written(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one port in its short form, several as a list."""
    [first, *others] = entries
    if others or "appProtocol" in first:
        return {"ports": list(entries)}
    short = {key: value for key, value in first.items() if key != "name"}
    named = first["name"] != DEFAULT_PORT_NAME
    return {**short, **({"portName": first["name"]} if named else {})}
