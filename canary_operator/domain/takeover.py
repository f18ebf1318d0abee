"""A Service that a user gives to a rollout: what is asked of it, and what is changed of it.

Two labels are added to its selector, and nothing else of its spec is touched: its ports, its type
and its address stay whose they are. Taking the labels out again is the whole way back, so nothing
has to be remembered, and a tool that applies the Service anew does not undo more than that.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from canary_operator.domain.errors import InvalidSpecError, NameConflictError
from canary_operator.domain.objects import GROUP, ROLLOUT_LABEL, TRACK_LABEL
from canary_operator.domain.spec.service import DEFAULT_PORT_NAME, ServicePort

ADOPT_ANNOTATION = f"{GROUP}/adopt"
"""On a Service: the CanaryRollout that may take it over."""

_OURS = frozenset({ROLLOUT_LABEL, TRACK_LABEL})


def is_given_to(rollout: str, annotations: Mapping[str, str]) -> bool:
    """Whether its owner gave a Service to the CanaryRollout of that name."""
    return annotations.get(ADOPT_ANNOTATION) == rollout


def own_selector(spec: Mapping[str, Any]) -> dict[str, str]:
    """Return which labels a Service selects by itself, whoever took it over."""
    selector = spec.get("selector") or {}
    return {name: value for name, value in selector.items() if name not in _OURS}


def taken_selector(selector: Mapping[str, str]) -> dict[str, str]:
    """Return which of the labels that a Service selects by are the operator's."""
    return {name: value for name, value in selector.items() if name in _OURS}


def is_taken(rollout: str, spec: Mapping[str, Any]) -> bool:
    """Whether a Service selects pods of the rollout alone."""
    return (spec.get("selector") or {}).get(ROLLOUT_LABEL) == rollout


def how_to_give(rollout: str) -> str:
    """Return what the owner of a Service does to have it taken over."""
    return f"kubectl annotate service/{rollout} {ADOPT_ANNOTATION}={rollout}"


def check_service(
    rollout: str,
    spec: Mapping[str, Any],
    ports: Sequence[ServicePort],
    labels: Mapping[str, str] | None,
) -> None:
    """Refuse a Service that would serve its callers otherwise than before.

    Args:
        rollout: Name of the CanaryRollout, and of the Service.
        spec: Of the Service, as it is.
        ports: What the CanaryRollout says about it.
        labels: Of stable's pods; None where that is not known yet.

    Raises:
        NameConflictError: names what does not fit, and what to change.
    """
    what = f"Service {rollout} has the annotation {ADOPT_ANNOTATION}, but cannot be taken over: "
    selector = own_selector(spec)
    if not selector:
        raise NameConflictError(
            f"{what}it has no selector, so somebody else decides where it leads. It was not touched"
            ". Give the CanaryRollout another name."
        )
    if labels is not None and not selector.items() <= labels.items():
        missing = ", ".join(
            f"{name}={value}" for name, value in selector.items() if labels.get(name) != value
        )
        raise NameConflictError(
            f"{what}it selects {missing}, and the pods of the rollout have no such label. It was "
            "not touched. Change its selector, or the labels of the template."
        )
    _check_ports(what, spec.get("ports") or (), {port.port: port for port in ports})


def _check_ports(
    what: str, live: Sequence[Mapping[str, Any]], wanted: Mapping[int, ServicePort]
) -> None:
    there = {port["port"]: _read(port) for port in live}
    further = sorted(there.keys() - wanted.keys())
    if further:
        raise NameConflictError(
            f"{what}it has port {further[0]}, which spec.service does not name, so its requests "
            "would get no route. It was not touched. Add the port to spec.service.ports."
        )
    for number, port in wanted.items():
        found = there.get(number)
        if found is None:
            raise NameConflictError(
                f"{what}it has no port {number}, which spec.service names. It was not touched. "
                "Add the port to it, or take it out of spec.service."
            )
        if found.target_port != port.target_port:
            raise NameConflictError(
                f"{what}its port {number} leads to {found.target_port}, and spec.service says "
                f"{port.target_port}. It was not touched. Write targetPort: {found.target_port}."
            )
        if found.is_opaque is not port.is_opaque:
            raise NameConflictError(
                f"{what}its port {number} is named {found.name}, and spec.service says "
                f"{port.name}, which Istio reads as another protocol. It was not touched. Write "
                "the same name."
            )


def _read(port: Mapping[str, Any]) -> ServicePort:
    """Return a port of a live Service; one alone may have no name."""
    return ServicePort(
        name=port.get("name") or DEFAULT_PORT_NAME,
        port=port["port"],
        target_port=port.get("targetPort", port["port"]),
        app_protocol=port.get("appProtocol"),
    )


def taken(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is wanted of a Service that is taken over, instead of what one of ours is.

    Args:
        wanted: The manifest of a Service of our own.
        live: Spec of the Service as it is.
    """
    meta = wanted["metadata"]
    return {
        "apiVersion": wanted["apiVersion"],
        "kind": wanted["kind"],
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "labels": {ROLLOUT_LABEL: meta["labels"][ROLLOUT_LABEL]},
            "annotations": meta.get("annotations", {}),
        },
        "spec": {"selector": {**own_selector(live), **wanted["spec"]["selector"]}},
    }


def stand_in(wanted: Mapping[str, Any], selector: Mapping[str, str]) -> dict[str, Any]:
    """Return a Service in the place of one that was taken over and is gone: nobody owns it.

    Args:
        wanted: The manifest of a Service of our own.
        selector: What the one that is gone selected by itself.
    """
    made = taken(wanted, {"selector": selector})
    meta = made["metadata"]
    annotations = {**meta["annotations"], ADOPT_ANNOTATION: meta["name"]}
    spec = {**made["spec"], "ports": wanted["spec"]["ports"]}
    return {**made, "metadata": {**meta, "annotations": annotations}, "spec": spec}


def given_back(
    annotations: Mapping[str, str], own: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the merge patch that lets a Service lead where it led before.

    Args:
        annotations: Those of ours that it has; that of its owner stays.
        own: What it selects by itself where that was lost.
    """
    marks = [name for name in annotations if name != ADOPT_ANNOTATION]
    return {
        "metadata": {"labels": {ROLLOUT_LABEL: None}, "annotations": dict.fromkeys(marks)},
        "spec": {"selector": {**dict.fromkeys(sorted(_OURS)), **(own or {})}},
    }


def check_labels(name: str, labels: Mapping[str, str], selector: Mapping[str, str]) -> None:
    """Refuse a template whose pods a Service that was taken over would not find.

    Raises:
        InvalidSpecError: names the label.
    """
    for label, value in selector.items():
        if labels.get(label) != value:
            raise InvalidSpecError(
                f"The label {label} of the template must stay {value}: Service {name}, which was "
                "taken over, selects pods by it."
            )
