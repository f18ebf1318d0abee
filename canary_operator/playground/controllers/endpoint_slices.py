"""Which addresses stand behind a Service: the pure part of the EndpointSlice controller."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from canary_operator.playground.client import Manifest
from canary_operator.playground.controllers.cache import is_terminating
from canary_operator.playground.controllers.labels import contains
from canary_operator.playground.controllers.replica_set_status import is_ready
from canary_operator.playground.controllers.revisions import owner_reference
from canary_operator.playground.controllers.runtime import PORT_ANNOTATION

SERVICE_LABEL = "kubernetes.io/service-name"
MANAGER_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"

Ports: TypeAlias = tuple[tuple[tuple[str, str | int], ...], ...]
"""Resolved ports as something that can be compared and hashed."""


def is_selected(service: Manifest, pod: Manifest) -> bool:
    """Return whether a Service selects a pod; one without selector selects none."""
    selector = service["spec"].get("selector") or {}
    same = pod["metadata"].get("namespace") == service["metadata"].get("namespace")
    labels = pod["metadata"].get("labels") or {}
    return bool(selector) and same and contains(labels, selector)


def wanted_slices(service: Manifest, pods: Iterable[Manifest]) -> dict[Ports, list[Manifest]]:
    """Return the endpoints of a Service by resolved ports.

    A named target port may be another number in each pod; pods with the same numbers share a
    slice. A Service without pods has one slice without endpoints and ports.
    """
    slices: dict[Ports, list[Manifest]] = defaultdict(list)
    for pod in sorted(pods, key=lambda each: str(each["metadata"]["name"])):
        if is_selected(service, pod) and is_listed(pod):
            slices[resolved_ports(service, pod)].append(endpoint(service, pod))
    return dict(slices) or {(): []}


def is_listed(pod: Manifest) -> bool:
    """Return whether a pod has an address and has not ended."""
    status = pod.get("status", {})
    return bool(status.get("podIP")) and status.get("phase") not in ("Succeeded", "Failed")


def endpoint(service: Manifest, pod: Manifest) -> Manifest:
    """Return how a slice names a pod; a terminating one serves but is not ready."""
    serving, terminating = is_ready(pod), is_terminating(pod)
    meta = pod["metadata"]
    anyhow = bool(service["spec"].get("publishNotReadyAddresses"))
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": anyhow or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": {
            "kind": "Pod",
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
        },
    }


def resolved_ports(service: Manifest, pod: Manifest) -> Ports:
    """Return a Service's ports with the numbers that they have in this pod."""
    found: list[tuple[tuple[str, str | int], ...]] = []
    for port in service["spec"].get("ports") or []:
        number = _target(port, pod)
        if number is not None:
            extra = {"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {}
            protocol = port.get("protocol", "TCP")
            entry = {"name": port.get("name", ""), "port": number, "protocol": protocol, **extra}
            found.append(tuple(sorted(entry.items())))
    return tuple(found)


def _target(port: Manifest, pod: Manifest) -> int | None:
    """Return the number of a target port in a pod; `None` where the pod has no such name."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, str):
        containers = pod["spec"]["containers"]
        declared = (each for container in containers for each in container.get("ports") or [])
        numbers = (each["containerPort"] for each in declared if each.get("name") == target)
        target = next(numbers, None)
    return None if target is None else _real(target, pod)


def _real(number: int, pod: Manifest) -> int:
    """Return where a pod really listens; see `runtime.PORT_ANNOTATION`."""
    annotations: Mapping[str, str] = pod["metadata"].get("annotations") or {}
    return int(annotations.get(PORT_ANNOTATION, number))


def slice_manifest(service: Manifest, ports: Ports, endpoints: list[Manifest]) -> Manifest:
    """Return a new EndpointSlice of a Service; the API server completes its name."""
    meta = service["metadata"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "labels": {SERVICE_LABEL: meta["name"], MANAGER_LABEL: MANAGER},
            "ownerReferences": [owner_reference(service, "v1", "Service")],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [dict(port) for port in ports],
    }


def ports_of(endpoint_slice: Manifest) -> Ports:
    """Return the ports of an EndpointSlice, comparable with resolved ones."""
    return tuple(tuple(sorted(port.items())) for port in endpoint_slice.get("ports") or [])
