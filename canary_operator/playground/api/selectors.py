"""Label and field selectors as predicates."""

import re
from collections.abc import Mapping
from typing import Any

from canary_operator.playground.api.errors import bad_request
from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.objects import Object, Predicate, dig

TERM = re.compile(
    r"\s*(?P<not>!)?\s*(?P<key>[\w./-]+)\s*(?:(?P<op>==|=|!=)\s*(?P<value>[\w.-]*)\s*)?$"
)
SET_TERM = re.compile(r"\s*(?P<key>[\w./-]+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)\s*$")
COMPARE_TERM = re.compile(r"\s*(?P<key>[\w./-]+)\s*(?P<op>[<>])\s*(?P<value>-?\d+)\s*$")

SELECTABLE: Mapping[str, tuple[str, ...]] = {
    "Pod": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "Event": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "regarding.kind",
        "regarding.namespace",
        "regarding.name",
        "regarding.uid",
        "reason",
        "reportingComponent",
        "reportingController",
        "source",
        "type",
    ),
    "Namespace": ("status.phase",),
    "Node": ("spec.unschedulable",),
    "Secret": ("type",),
    "ReplicaSet": ("status.replicas",),
    "Service": ("spec.clusterIP", "spec.type"),
}


def everything(_: Object) -> bool:
    """Select every object."""
    return True


def label_selector(text: str) -> Predicate:
    """Read a label selector as in `labelSelector=` of a list.

    Raises:
        APIError: the selector cannot be read (400).
    """
    terms = [_label_term(term) for term in re.split(r",(?![^(]*\))", text) if term.strip()]
    if not terms:
        return everything
    return lambda obj: all(term(obj["metadata"].get("labels") or {}) for term in terms)


def _label_term(text: str) -> Predicate:
    if match := SET_TERM.fullmatch(text):
        key, wanted = match["key"], match["op"] == "in"
        values = {value.strip() for value in match["values"].split(",")}
        if wanted:
            return lambda labels: key in labels and labels[key] in values
        return lambda labels: labels.get(key) not in values
    if match := COMPARE_TERM.fullmatch(text):
        key, bound, above = match["key"], int(match["value"]), match["op"] == ">"
        return lambda labels: _compares(labels.get(key), bound, above)
    match = TERM.fullmatch(text)
    if match is None or (match["not"] and match["op"]):
        raise bad_request(f"unable to parse requirement: found '{text[:1]}', expected: identifier")
    key, value = match["key"], match["value"]
    if match["op"] is None:
        present = match["not"] is None
        return lambda labels: (key in labels) is present
    if match["op"] == "!=":
        return lambda labels: labels.get(key) != value
    return lambda labels: labels.get(key) == value


def _compares(value: str | None, bound: int, above: bool) -> bool:
    if value is None or not re.fullmatch(r"-?\d+", value):
        return False
    return int(value) > bound if above else int(value) < bound


def matches_labels(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Tell whether a `metav1.LabelSelector` selects `labels`; without one, nothing is selected."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_expression(term, labels) for term in selector.get("matchExpressions") or ())


def _expression(term: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = term["key"], term.get("values") or ()
    match term["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def field_selector(text: str, resource: Resource) -> Predicate:
    """Read a field selector as in `fieldSelector=` of a list.

    Raises:
        APIError: the kind has no such selectable field (400).
    """
    terms = [_field_term(term, resource) for term in text.split(",") if term.strip()]
    if not terms:
        return everything
    return lambda obj: all(term(obj) for term in terms)


def selected_name(text: str) -> str:
    """Return the one name that a field selector selects, empty when it may select others.

    Example:
        >>> selected_name("metadata.name=web,status.phase=Active"), selected_name("a!=b")
        ('web', '')
    """
    found = re.search(r"(?:^|,)\s*metadata\.name\s*==?\s*([^,=\s]+)\s*(?:,|$)", text)
    return found[1] if found else ""


def _field_term(text: str, resource: Resource) -> Predicate:
    match = re.fullmatch(r"\s*([\w.]+)\s*(==|=|!=)\s*(.*?)\s*", text)
    if match is None:
        raise bad_request(f"invalid selector: '{text}'; can't understand '{text}'")
    name, equal, value = match[1], match[2] != "!=", match[3].replace("\\", "")
    declared = resource.selectable or SELECTABLE.get(resource.kind, ())
    if name not in ("metadata.name", "metadata.namespace", *declared):
        noun = f'"{name}": only "metadata.name", "metadata.namespace"'
        raise bad_request(
            f"field label not supported: {name}"
            if declared or resource.custom
            else f"{noun.partition(':')[0]} is not a known field selector:{noun.partition(':')[2]}"
        )
    path = tuple(name.split("."))
    return lambda obj: (_field_text(obj, path) == value) is equal


EVENT_ALIASES = {
    "regarding": "involvedObject",
    "reportingController": "reportingComponent",
}


def _field_text(obj: Object, path: tuple[str, ...]) -> str:
    if "involvedObject" in obj:  # events are stored in the shape of the core group
        path = (EVENT_ALIASES.get(path[0], path[0]), *path[1:])
    if path == ("source",):
        return str(dig(obj, "source", "component") or dig(obj, "reportingComponent", default=""))
    value = dig(obj, *path, default="")
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
