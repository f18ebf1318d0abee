"""Events, in the shape of the core group: the rules depend on which group wrote them."""

from collections.abc import Iterator

from canary_operator.playground.api.errors import Cause, invalid, required
from canary_operator.playground.api.meta import qualified_problem
from canary_operator.playground.api.objects import Object, dig, same

NAME_LIMIT, NOTE_LIMIT = 128, 1024
TYPES = ("Normal", "Warning")
FIXED = ("involvedObject", "reason", "message", "type", "source", "reportingComponent", "action")
FIXED_NAMES = {"involvedObject": "involvedObject", "reportingComponent": "reportingController"}


def with_defaults(obj: Object) -> Object:
    """Return an event with the fields that Go always writes."""
    empty: Object = {"eventTime": None, "firstTimestamp": None, "lastTimestamp": None}
    parts: Object = {"source": {}, "reportingComponent": "", "reportingInstance": ""}
    return {**empty, **parts, **obj}


def check_core(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with an event of the core group."""
    about = obj.get("involvedObject") or {}
    namespace = obj["metadata"].get("namespace", "")
    wanted = about.get("namespace") or ("default" if not about.get("namespace") else "")
    if namespace != wanted and namespace not in ("default", "kube-system"):
        detail = "does not match event.namespace"
        yield invalid("involvedObject.namespace", about.get("namespace", ""), detail)


def check_new(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with an event of `events.k8s.io`."""
    yield from check_core(obj)
    if not obj.get("eventTime"):
        yield required("eventTime")
    yield from _check_component(obj)
    for name in ("reportingInstance", "action", "reason"):
        path = name
        value = obj.get(name) or ""
        if not value:
            yield required(path)
        elif len(value) > NAME_LIMIT:
            yield invalid(path, value, f"can have at most {NAME_LIMIT} characters")
    if len(obj.get("message") or "") > NOTE_LIMIT:
        yield invalid("note", obj["message"], f"can have at most {NOTE_LIMIT} characters")
    if obj.get("type") not in TYPES:
        yield invalid("type", obj.get("type", ""), f"has invalid value: {obj.get('type', '')}")
    yield from _check_series(obj)
    for name, shown in (("firstTimestamp", "deprecatedFirstTimestamp"),):
        if obj.get(name):
            yield invalid(shown, obj[name], "needs to be unset")


def _check_component(obj: Object) -> Iterator[Cause]:
    component = obj.get("reportingComponent") or ""
    if not component:
        yield required("reportingController")
    elif problem := qualified_problem(component):
        yield invalid("reportingController", component, problem)


def _check_series(obj: Object) -> Iterator[Cause]:
    series = obj.get("series")
    if series is None:
        return
    if series.get("count", 0) < 2:  # noqa: PLR2004 - a series has at least two events
        yield invalid("series.count", str(series.get("count", 0)), "should be at least 2")
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
