"""What a pod spec must be, in the order and words of the real server."""

import re
from collections.abc import Iterator
from typing import Any

from canary_operator.playground.api.errors import (
    Cause,
    duplicate,
    forbidden_field,
    invalid,
    required,
    unsupported,
)
from canary_operator.playground.api.meta import check_labels, dns_label, dns_subdomain
from canary_operator.playground.api.objects import Object
from canary_operator.playground.api.quantity import parse_quantity

PORT_RANGE = "must be between 1 and 65535, inclusive"
MAX_PORT, MAX_PORT_NAME = 65535, 15
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
ENV_NAME = re.compile(r"[^=\x00-\x1f\x7f]+")
PORT_NAME_RULES = (
    (r"[-a-z0-9]+", "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"),
    (r".*[a-z].*", "must contain at least one letter (a-z)"),
    (r"(?!.*--).*", "must not contain consecutive hyphens"),
    (r"(?!-).*(?<!-)", "must not begin or end with a hyphen"),
)


def check_template(template: Object, path: str) -> Iterator[Cause]:
    """Iterate over what is wrong with a pod template."""
    meta = template.get("metadata") or {}
    yield from check_labels(meta.get("labels") or {}, f"{path}.labels")
    yield from check_spec(template.get("spec") or {}, f"{path}.spec")


def check_spec(spec: Object, path: str) -> Iterator[Cause]:
    """Iterate over what is wrong with a pod spec."""
    volumes: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or ()):
        yield from _check_volume(volume, f"{path}.volumes[{index}]", volumes)
    containers = spec.get("containers") or []
    if not containers:
        yield required(f"{path}.containers")
    names: set[str] = set()
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            yield from _check_container(container, f"{path}.{kind}[{index}]", names, volumes)
    yield from _choice(spec, "restartPolicy", RESTART_POLICIES, path)
    yield from _choice(spec, "dnsPolicy", DNS_POLICIES, path)
    yield from check_labels(spec.get("nodeSelector") or {}, f"{path}.nodeSelector")
    account = spec.get("serviceAccountName")
    if account and (problem := dns_subdomain(account)):
        yield invalid(f"{path}.serviceAccountName", account, problem)


def _choice(owner: Object, name: str, allowed: tuple[str, ...], path: str) -> Iterator[Cause]:
    value = owner.get(name)
    if value is not None and value not in allowed:
        yield unsupported(f"{path}.{name}", value, allowed)


def _check_volume(volume: Object, path: str, names: set[str]) -> Iterator[Cause]:
    name = volume.get("name", "")
    if not name:
        yield required(f"{path}.name")
    elif problem := dns_label(name):
        yield invalid(f"{path}.name", name, problem)
    elif name in names:
        yield duplicate(f"{path}.name", name)
    names.add(name)
    sources = [key for key in volume if key != "name"]
    for extra in sources[1:]:
        yield forbidden_field(f"{path}.{extra}", "may not specify more than 1 volume type")


def _check_container(
    container: Object, path: str, names: set[str], volumes: set[str]
) -> Iterator[Cause]:
    name = container.get("name", "")
    if not name:
        yield required(f"{path}.name")
    elif problem := dns_label(name):
        yield invalid(f"{path}.name", name, problem)
    elif name in names:
        yield duplicate(f"{path}.name", name)
    names.add(name)
    image = container.get("image", "")
    if not image:
        yield required(f"{path}.image")
    yield from _check_probes(container, path)
    yield from _check_ports(container.get("ports") or [], f"{path}.ports")
    yield from _check_variables(container.get("env") or [], f"{path}.env")
    yield from _check_mounts(container.get("volumeMounts") or [], f"{path}.volumeMounts", volumes)
    yield from _choice(container, "imagePullPolicy", PULL_POLICIES, path)
    yield from _check_resources(container.get("resources") or {}, f"{path}.resources")


def _check_ports(ports: list[Object], path: str) -> Iterator[Cause]:
    names = set()
    for index, port in enumerate(ports):
        at = f"{path}[{index}]"
        name = port.get("name")
        if name:
            yield from check_port_name(name, f"{at}.name")
            if name in names:
                yield duplicate(f"{at}.name", name)
            names.add(name)
        number = port.get("containerPort", 0)
        if number == 0:
            yield required(f"{at}.containerPort")
        elif not 0 < number <= MAX_PORT:
            yield invalid(f"{at}.containerPort", number, PORT_RANGE)
        if not 0 <= port.get("hostPort", 0) <= MAX_PORT:
            yield invalid(f"{at}.hostPort", port["hostPort"], PORT_RANGE)
        yield from _choice(port, "protocol", PROTOCOLS, at)


def check_port_name(name: str, path: str) -> Iterator[Cause]:
    """Iterate over what is wrong with an IANA service name."""
    if len(name) > MAX_PORT_NAME:
        yield invalid(path, name, f"must be no more than {MAX_PORT_NAME} characters")
    for pattern, rule in PORT_NAME_RULES:
        if not re.fullmatch(pattern, name):
            yield invalid(path, name, rule)


def check_port(value: Any, path: str) -> Iterator[Cause]:
    """Iterate over what is wrong with a port number or the name of one."""
    if isinstance(value, int):
        if not 0 < value <= MAX_PORT:
            yield invalid(path, value, PORT_RANGE)
    else:
        yield from check_port_name(value, path)


def _check_variables(variables: list[Object], path: str) -> Iterator[Cause]:
    for index, variable in enumerate(variables):
        name = variable.get("name", "")
        if not name:
            yield required(f"{path}[{index}].name")
        elif not ENV_NAME.fullmatch(name):
            detail = "a valid environment variable name must consist only of printable ASCII "
            detail += "characters other than '='"
            yield invalid(f"{path}[{index}].name", name, detail)
        if variable.get("value") and variable.get("valueFrom"):
            detail = "may not be specified when `value` is not empty"
            yield invalid(f"{path}[{index}].valueFrom", "", detail)


def _check_mounts(mounts: list[Object], path: str, volumes: set[str]) -> Iterator[Cause]:
    paths = set()
    for index, mount in enumerate(mounts):
        at = f"{path}[{index}]"
        name, target = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            yield required(f"{at}.name")
        elif name not in volumes:
            yield Cause("FieldValueNotFound", f"{at}.name", f'Not found: "{name}"')
        if not target:
            yield required(f"{at}.mountPath")
        elif target in paths:
            yield invalid(f"{at}.mountPath", target, "must be unique")
        paths.add(target)


def _check_resources(resources: Object, path: str) -> Iterator[Cause]:
    limits = resources.get("limits") or {}
    for kind in ("limits", "requests"):
        for name, value in (resources.get(kind) or {}).items():
            if parse_quantity(value) < 0:
                yield invalid(f"{path}.{kind}.{name}", value, "must be greater than or equal to 0")
    for name, value in (resources.get("requests") or {}).items():
        if name in limits and parse_quantity(value) > parse_quantity(limits[name]):
            detail = f"must be less than or equal to {name} limit of {limits[name]}"
            yield invalid(f"{path}.requests", value, detail)


def _check_probes(container: Object, path: str) -> Iterator[Cause]:
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe is None:
            continue
        at = f"{path}.{name}"
        handlers = [key for key in ("exec", "httpGet", "tcpSocket", "grpc") if key in probe]
        if not handlers:
            yield required(at, "must specify a handler type")
        for extra in handlers[1:]:
            yield forbidden_field(f"{at}.{extra}", "may not specify more than 1 handler type")
        for kind in ("httpGet", "tcpSocket"):
            if kind in handlers:
                yield from check_port(probe[kind].get("port", 0), f"{at}.{kind}.port")
        if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
            yield invalid(f"{at}.successThreshold", probe["successThreshold"], "must be 1")
