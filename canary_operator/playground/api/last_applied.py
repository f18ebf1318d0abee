"""How server-side apply by kubectl takes over from its own client-side apply.

kubectl used to remember what it applied in an annotation. When it applies on the server for the
first time, fields that still have the remembered value are no conflict, and the annotation keeps
up with what is applied as long as it exists.
"""

import json

from canary_operator.playground.api import fields
from canary_operator.playground.api.fields import Tree
from canary_operator.playground.api.objects import Object, Schema, compact_json, dig, with_value

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
MANAGER = "kubectl"


def concerns(manager: str) -> bool:
    """Tell whether a manager may take over; any other name opts out."""
    return manager == MANAGER


def fields_of(live: Object, schema: Schema) -> Tree:
    """Return the fields that still are as client-side apply left them."""
    text = dig(live, "metadata", "annotations", ANNOTATION)
    try:
        applied = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(applied, dict):
        return {}
    claimed = fields.owned_by_value(applied, schema)
    changes = fields.compare(live, applied, schema)
    return fields.difference(claimed, fields.union(changes.added, changes.modified))


def renewed(merged: Object, applied: Object) -> Object:
    """Return the merged object with the annotation, if it has one, brought up to date."""
    path = ("metadata", "annotations", ANNOTATION)
    if dig(merged, *path) is None:
        return merged
    return with_value(merged, path, compact_json(applied) + "\n")
