"""`kubectl get` tables: the server prints, the client only lines up the columns."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from canary_operator.playground.api import printers
from canary_operator.playground.api.ages import age
from canary_operator.playground.api.jsonpath import find
from canary_operator.playground.api.kinds import Column, Resource
from canary_operator.playground.api.objects import Object, dig

NAME_HELP = "Name must be unique within a namespace. Is required when creating resources."
NAME = Column("Name", "string", ".metadata.name", format="name", description=NAME_HELP)
AGE = Column("Age", "string", ".metadata.creationTimestamp", description="CreationTimestamp")

TableMaker = Callable[[Object], Object]


def wants_table(accept: str) -> bool:
    """Tell whether a client prefers a Table."""
    first = accept.partition(",")[0].replace(" ", "")
    return "as=Table" in first and "v=v1" in first and "g=meta.k8s.io" in first


def table(
    resource: Resource, objects: Iterable[Object], meta: Object, include: str = "Metadata"
) -> Object:
    """Return a Table of objects; `include` is what each row carries of its object."""
    now = datetime.now(UTC)
    columns = columns_of(resource)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [_row(resource, obj, include, now) for obj in objects],
    }


def columns_of(resource: Resource) -> tuple[Column, ...]:
    """Return the columns of a resource."""
    if resource.custom:
        return (NAME, *resource.columns)
    if resource.kind == "Event":
        return printers.EVENT_COLUMNS
    return (NAME, *printers.COLUMNS.get(resource.kind, (AGE,)))


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description
        or f"Custom resource definition column (in JSONPath format): {column.path}",
        "priority": column.priority,
    }


def _row(resource: Resource, obj: Object, include: str, now: datetime) -> Object:
    if resource.custom:
        cells = [obj["metadata"]["name"], *(custom_cell(c, obj, now) for c in resource.columns)]
    else:
        printer = printers.PRINTERS.get(resource.kind, printers.plain)
        cells = printer(obj, now)
    row: Object = {"cells": cells}
    if include == "Metadata":
        meta = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        row["object"] = {**meta, "metadata": obj["metadata"]}
    elif include == "Object":
        row["object"] = obj
    return row


def custom_cell(column: Column, obj: Object, now: datetime) -> Any:
    """Return the cell of a printer column; nothing found prints as nothing."""
    found = find(obj, column.path)
    if not found or found[0] is None:
        return None
    value = found[0]
    match column.type:
        case "date":
            return age(value, now) if isinstance(value, str) else None
        case "string":
            return _text(value)
        case "integer" | "number":
            return value if isinstance(value, int | float) else None
        case _:
            return value if isinstance(value, bool) else None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))


def of_one(resource: Resource, obj: Object, include: str) -> Object:
    """Return the Table of a single object, as in a get or a watch."""
    meta = {"resourceVersion": dig(obj, "metadata", "resourceVersion", default="")}
    return table(resource, [obj], meta, include)
