"""Events, in the shape of the core group: the rules depend on which group wrote them."""

from collections.abc import Iterator

from canary_operator.playground.api.errors import Cause, invalid, required
from canary_operator.playground.api.meta import NAME_PART_RULE, qualified_problem
from canary_operator.playground.api.objects import Object, dig, same

NAME_LIMIT, NOTE_LIMIT = 128, 1024
CLUSTER_NAMESPACES = ("default", "kube-system")
TYPES = ("Normal", "Warning")
FIXED = ("involvedObject", "reason", "message", "type", "source", "reportingComponent", "action")
FIXED_NAMES = {"involvedObject": "involvedObject", "reportingComponent": "reportingController"}


ZERO: Object = {
    "eventTime": None,
    "firstTimestamp": None,
    "lastTimestamp": None,
    "source": {},
    "involvedObject": {},
    "reportingComponent": "",
    "reportingInstance": "",
}
NEW_ZERO: Object = {
    "eventTime": None,
    "deprecatedFirstTimestamp": None,
    "deprecatedLastTimestamp": None,
    "deprecatedSource": {},
    "regarding": {},
}


def with_defaults(obj: Object) -> Object:
    """Return an event with the fields that Go always writes."""
    empty: Object = {"eventTime": None, "firstTimestamp": None, "lastTimestamp": None}
    parts: Object = {"source": {}, "reportingComponent": "", "reportingInstance": ""}
    return {**empty, **parts, **obj}


def check_core(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with an event, whichever group wrote it."""
    about, namespace = obj.get("involvedObject") or {}, obj["metadata"].get("namespace", "")
    home = about.get("namespace", "")
    modern = bool(obj.get("eventTime"))
    homeless = not home and namespace not in CLUSTER_NAMESPACES[: 2 if modern else 1]
    if homeless or (home and home != namespace and not modern):
        yield invalid("involvedObject.namespace", home, "does not match event.namespace")
    if modern:
        yield from _check_component(obj)
        for name in ("reportingInstance", "action", "reason"):
            yield from _check_name(obj.get(name) or "", name)
        if len(obj.get("message") or "") > NOTE_LIMIT:
            yield invalid("message", "", f"can have at most {NOTE_LIMIT} characters")


def _check_name(value: str, path: str) -> Iterator[Cause]:
    if not value:
        yield required(path)
    elif len(value) > NAME_LIMIT:
        yield invalid(path, "", f"can have at most {NAME_LIMIT} characters")


def check_new(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with an event of `events.k8s.io`."""
    yield from check_core(obj)
    if not obj.get("eventTime"):
        yield required("eventTime")
    if obj.get("type") not in TYPES:
        yield invalid("type", "", f"has invalid value: {obj.get('type', '')}")
    yield from _check_series(obj)
    if obj.get("firstTimestamp"):
        yield invalid("firstTimestamp", "", "needs to be unset")


def _check_component(obj: Object) -> Iterator[Cause]:
    component = obj.get("reportingComponent") or ""
    if not component:
        yield required("reportingController")
        for problem in ("name part must be non-empty", NAME_PART_RULE):
            yield invalid("reportingController", component, problem)
    elif problem := qualified_problem(component):
        yield invalid("reportingController", component, problem)


def _check_series(obj: Object) -> Iterator[Cause]:
    series = obj.get("series")
    if series is None:
        return
    if series.get("count", 0) < 2:  # noqa: PLR2004 - a series has at least two events
        yield invalid("series.count", "", "should be at least 2")
    if not series.get("lastObservedTime"):
        yield required("series.lastObservedTime")


def check_update(new: Object, old: Object) -> Iterator[Cause]:
    """Refuse changes of what an event of the new kind reports; only its series may grow."""
    if not old.get("eventTime"):
        return
    for name in FIXED:
        if not same(new.get(name) or "", old.get(name) or ""):
            path = FIXED_NAMES.get(name, name)
            yield invalid(path, dig(new, name, default=""), "field is immutable")
