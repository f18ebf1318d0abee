"""What the server does with each built-in kind beside storing it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from canary_operator.playground.api import crds
from canary_operator.playground.api.errors import Cause
from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.objects import Object, without


def _unchanged(obj: Object) -> Object:
    return obj


def _fine(_: Object) -> Iterable[Cause]:
    return ()


def _free(_: Object, __: Object) -> Iterable[Cause]:
    return ()


@dataclass(frozen=True)
class Strategy:
    """The rules of one kind; without any, it is plain storage."""

    default: Callable[[Object], Object] = _unchanged
    """Fills in what may be left out; runs on every write, so it must be repeatable."""

    first: Callable[[Object], Object] = _unchanged
    """Sets what a new object starts with, such as an empty status."""

    check: Callable[[Object], Iterable[Cause]] = _fine
    check_update: Callable[[Object, Object], Iterable[Cause]] = _free
    zero: Object | None = None
    """The structs that a Go object always has; nobody becomes the manager of an empty one."""


PLAIN = Strategy()
STRATEGIES: Mapping[str, Strategy] = {
    "CustomResourceDefinition": Strategy(crds.with_defaults, _unchanged, crds.check),
}


def of(kind: str) -> Strategy:
    """Return the strategy of a built-in kind."""
    return STRATEGIES.get(kind, PLAIN)


def through_door(new: Object, old: Object, resource: Resource, subresource: str) -> Object:
    """Return what of `new` may pass: the status door writes status only, the main door the rest."""
    if not resource.has_status or subresource not in ("", "status"):
        return new
    if subresource == "":
        out = without(new, "status")
        return {**out, "status": old["status"]} if "status" in old else out
    if resource.custom:
        fields = {"managedFields": new["metadata"].get("managedFields")}
        out = {**old, "metadata": {**old["metadata"], **{k: v for k, v in fields.items() if v}}}
    else:
        kept = {k: v for k, v in old.items() if k not in ("metadata", "status")}
        labels = old["metadata"].get("labels")
        meta = without(new["metadata"], "labels")
        out = {**kept, "metadata": {**meta, "labels": labels} if labels else meta}
    out = without(out, "status")
    return {**out, "status": new["status"]} if "status" in new else out
