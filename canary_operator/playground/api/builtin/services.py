"""Services: defaults, checks, and the addresses that the real server's allocators hand out."""

import ipaddress
from collections.abc import Iterator

from canary_operator.playground.api.builtin.pod_checks import MAX_PORT, PORT_RANGE, check_port
from canary_operator.playground.api.errors import (
    Cause,
    duplicate,
    forbidden_field,
    invalid,
    required,
    unprocessable,
    unsupported,
)
from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.meta import check_labels, dns_label
from canary_operator.playground.api.objects import Object
from canary_operator.playground.api.store import Store

STORAGE = ("", "services")
NETWORK = ipaddress.IPv4Network("10.0.0.0/16")
FIRST_ADDRESS, FIRST_NODE_PORT = 10, 30000
TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
LOAD_BALANCER = "LoadBalancer"
WITH_NODE_PORTS = ("NodePort", "LoadBalancer")
AFFINITIES = ("ClientIP", "None")
PROTOCOLS = ("SCTP", "TCP", "UDP")
SINGLE_STACK: Object = {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
DUAL_STACK: Object = {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}
ZERO: Object = {"spec": {}, "status": {"loadBalancer": {}}}


def with_defaults(obj: Object) -> Object:
    """Return a Service with its defaults."""
    spec = {"sessionAffinity": "None", "type": "ClusterIP", **(obj.get("spec") or {})}
    if spec.get("ports"):
        spec["ports"] = [_port(port) for port in spec["ports"]]
    if spec["type"] in WITH_NODE_PORTS:
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["sessionAffinity"] == "ClientIP":
        spec.setdefault("sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10800}})
    return {**obj, "spec": spec}


def _port(port: Object) -> Object:
    out = {"protocol": "TCP", **port}
    if "port" in out and out.get("targetPort") in (None, 0, ""):
        out["targetPort"] = out["port"]
    return out


def new(obj: Object) -> Object:
    """Return a Service that no load balancer has seen."""
    return {**obj, "status": {"loadBalancer": {}}}


def check(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with a Service."""
    spec = obj["spec"]
    headless = spec.get("clusterIP") == "None"
    if not spec.get("ports") and not headless and spec["type"] != "ExternalName":
        yield required("spec.ports")
    yield from _check_ports(spec.get("ports") or [])
    yield from check_labels(spec.get("selector") or {}, "spec.selector")
    if spec["sessionAffinity"] not in AFFINITIES:
        yield unsupported("spec.sessionAffinity", spec["sessionAffinity"], AFFINITIES)
    if spec["type"] not in TYPES:
        yield unsupported("spec.type", spec["type"], TYPES)
    if spec["type"] == "ExternalName" and not spec.get("externalName"):
        yield required("spec.externalName")


def _check_ports(ports: list[Object]) -> Iterator[Cause]:
    names, numbers = set(), set()
    for index, port in enumerate(ports):
        at = f"spec.ports[{index}]"
        name = port.get("name", "")
        if not name and len(ports) > 1:
            yield required(f"{at}.name")
        elif name and (problem := dns_label(name)):
            yield invalid(f"{at}.name", name, problem)
        elif name and name in names:
            yield duplicate(f"{at}.name", name)
        names.add(name)
        number = port.get("port", 0)
        if not 0 < number <= MAX_PORT:
            yield invalid(f"{at}.port", number, PORT_RANGE)
        if port["protocol"] not in PROTOCOLS:
            yield unsupported(f"{at}.protocol", port["protocol"], PROTOCOLS)
        yield from check_port(port.get("targetPort", 0), f"{at}.targetPort")
        identity = (number, port["protocol"])
        if identity in numbers:
            yield duplicate(at, _shown(port))
        numbers.add(identity)


def _shown(port: Object) -> Object:
    """Return a port as the server quotes it, which is with its own field names."""
    return {
        "Name": "",
        "Protocol": port["protocol"],
        "AppProtocol": None,
        "Port": port["port"],
        "TargetPort": 0,
        "NodePort": 0,
    }


def check_status(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with what a load balancer reports."""
    if (
        obj["status"].get("loadBalancer", {}).get("ingress")
        and obj["spec"]["type"] != LOAD_BALANCER
    ):
        detail = "may only be used when `spec.type` is 'LoadBalancer'"
        yield forbidden_field("status.loadBalancer.ingress", detail)


def check_update(new_obj: Object, old: Object) -> Iterator[Cause]:
    """Refuse a change of the address, on which clients rely."""
    if old["spec"]["type"] == "ExternalName" or new_obj["spec"]["type"] == "ExternalName":
        return
    before, after = old["spec"].get("clusterIP"), new_obj["spec"].get("clusterIP")
    if before and before != after:
        addresses = new_obj["spec"].get("clusterIPs") or [after or ""]
        yield invalid("spec.clusterIPs[0]", addresses, "may not change once set")


class AddressPool:
    """Assigns what a new Service leaves out."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_address = FIRST_ADDRESS
        self._next_port = FIRST_NODE_PORT

    def assign(self, obj: Object, resource: Resource, old: Object | None) -> Object:
        """Return a Service with its addresses; other kinds pass unchanged.

        Raises:
            APIError: the wanted address is taken (422).
        """
        if resource.storage != STORAGE:
            return obj
        spec = self._with_address(dict(obj["spec"]), old, obj["metadata"]["name"])
        if spec["type"] in WITH_NODE_PORTS:
            spec["ports"] = [self._with_node_port(p, old) for p in spec.get("ports") or ()]
        return {**obj, "spec": spec}

    def _with_address(self, spec: Object, old: Object | None, name: str) -> Object:
        if spec["type"] == "ExternalName":
            gone = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
            return {key: value for key, value in spec.items() if key not in gone}
        before = (old or {}).get("spec") or {}
        address = spec.get("clusterIP") or before.get("clusterIP") or self._free_address()
        if old is None and address != "None" and address in self._taken("clusterIP"):
            detail = "failed to allocate IP " + address + ": provided IP is already allocated"
            causes = [invalid("spec.clusterIPs", [address], detail)]
            raise unprocessable("", "Service", name, causes)
        unselected = address == "None" and not spec.get("selector")
        defaults = DUAL_STACK if unselected else SINGLE_STACK
        return {**defaults, **spec, "clusterIP": address, "clusterIPs": [address]}

    def _taken(self, field: str) -> set[str]:
        services = self._store.scan(STORAGE)
        return {stored.obj["spec"].get(field, "") for _, stored in services}

    def _free_address(self) -> str:
        self._next_address += 1
        return str(NETWORK[self._next_address % NETWORK.num_addresses])

    def _with_node_port(self, port: Object, old: Object | None) -> Object:
        if port.get("nodePort"):
            return port
        for before in ((old or {}).get("spec") or {}).get("ports") or ():
            if before["port"] == port["port"] and before.get("nodePort"):
                return {**port, "nodePort": before["nodePort"]}
        self._next_port += 1
        return {**port, "nodePort": self._next_port}
