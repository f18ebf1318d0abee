"""One stored object, several served shapes.

Custom resources differ between versions by `apiVersion` alone (conversion strategy None). Events
are served by two groups with different field names over the same storage.
"""

from collections.abc import Mapping
from typing import Any

from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.objects import Object

CORE_TO_EVENTS: Mapping[str, str] = {
    "involvedObject": "regarding",
    "message": "note",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "source": "deprecatedSource",
    "reportingComponent": "reportingController",
}
EVENTS_TO_CORE = {new: old for old, new in CORE_TO_EVENTS.items()}


def is_new_event(resource: Resource) -> bool:
    """Tell whether the resource is the event of `events.k8s.io`."""
    return resource.group == "events.k8s.io"


def served(resource: Resource, obj: Object) -> Object:
    """Return a stored object in the shape of `resource`."""
    if resource.storage == ("", "events"):
        obj = _renamed_event(obj, resource)
    if obj.get("apiVersion") == resource.api_version:
        return obj
    return {**obj, "apiVersion": resource.api_version}


def _renamed_event(obj: Object, resource: Resource) -> Object:
    if not is_new_event(resource):
        return obj
    out = {CORE_TO_EVENTS.get(key, key): value for key, value in obj.items()}
    kept = {k: v for k, v in out.items() if v or not k.startswith("reporting")}
    return {**kept, "deprecatedSource": kept.get("deprecatedSource", {})}


def storable(resource: Resource, obj: Object) -> Object:
    """Return a served object in the shape that the store keeps."""
    if not is_new_event(resource):
        return obj
    out: dict[str, Any] = {EVENTS_TO_CORE.get(key, key): value for key, value in obj.items()}
    defaults: Object = {"source": {}, "firstTimestamp": None, "lastTimestamp": None}
    return {**defaults, **out, "apiVersion": "v1"}
