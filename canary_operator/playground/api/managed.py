"""`metadata.managedFields`: who wrote which field, and what that means for the next write."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from canary_operator.playground.api import fields, last_applied
from canary_operator.playground.api.apply import merge_applied, prune
from canary_operator.playground.api.errors import APIError, Cause
from canary_operator.playground.api.fields import Tree
from canary_operator.playground.api.objects import Object, Schema, timestamp

ALWAYS_OWNED: Tree = {"f:metadata": {"f:name": {}}}
"""Applying no metadata any more does not take the object's own metadata away."""

APPLY, UPDATE = "Apply", "Update"
UNTIMED = "scale"
"""The subresource whose entries carry no time on the real server."""

UNTRACKED_META = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
    "generateName",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


@dataclass(frozen=True)
class Writer:
    """Who writes, and through which door."""

    manager: str
    operation: str
    api_version: str
    subresource: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """Return what makes two entries the same: an updater and an applier are two managers."""
        version = "" if self.operation == APPLY else self.api_version
        return (self.manager, self.operation, version, self.subresource)


@dataclass(frozen=True)
class Entry:
    """One manager's fields."""

    writer: Writer
    fields: Tree
    time: str

    def body(self) -> Object:
        """Return the entry as in `metadata.managedFields`."""
        writer = self.writer
        return {
            "manager": writer.manager,
            "operation": writer.operation,
            "apiVersion": writer.api_version,
            **({"time": self.time} if self.time else {}),
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields,
            **({"subresource": writer.subresource} if writer.subresource else {}),
        }


def entries(obj: Object) -> tuple[Entry, ...]:
    """Read `metadata.managedFields`."""
    return tuple(
        Entry(
            Writer(
                item.get("manager", ""),
                item.get("operation", UPDATE),
                item.get("apiVersion", ""),
                item.get("subresource", ""),
            ),
            item.get("fieldsV1") or {},
            item.get("time", ""),
        )
        for item in obj.get("metadata", {}).get("managedFields") or ()
        if item
    )


def tracked(obj: Object) -> Object:
    """Return the part of `obj` that can have owners."""
    meta = obj.get("metadata") or {}
    kept = {key: value for key, value in meta.items() if key not in UNTRACKED_META}
    out = {k: v for k, v in obj.items() if k not in ("apiVersion", "kind", "metadata")}
    return {"metadata": kept, **out}


def without_untracked(tree: Tree) -> Tree:
    """Drop fields of which nobody can be the manager, and metadata itself."""
    out = {key: node for key, node in tree.items() if key not in ("f:apiVersion", "f:kind")}
    meta = out.pop("f:metadata", None)
    if meta:
        kept = {k: v for k, v in meta.items() if k[2:] not in UNTRACKED_META and k != fields.SELF}
        if kept:
            out["f:metadata"] = kept
    return out


def _sorted(items: Iterable[Entry]) -> list[Object]:
    ordered = sorted(items, key=_order)
    return [entry.body() for entry in ordered if entry.fields]


def _order(entry: Entry) -> tuple[str, ...]:
    writer = entry.writer
    return (
        writer.operation,
        entry.time,
        writer.manager,
        writer.api_version,
        writer.subresource,
    )


def after_update(
    old: Object, new: Object, writer: Writer, schema: Schema, base: tuple[Entry, ...]
) -> list[Object]:
    """Return `managedFields` after `writer` replaced `old` by `new`."""
    changes = fields.compare(tracked(old), tracked(new), schema)
    touched = fields.union(changes.added, changes.modified)
    gone = fields.union(touched, changes.removed)
    if not gone:
        return _sorted(base)
    out, mine = [], Entry(writer, {}, "")
    for entry in base:
        if entry.writer.identity == writer.identity:
            mine = entry
        else:
            out.append(Entry(entry.writer, fields.difference(entry.fields, gone), entry.time))
    kept = fields.union(fields.difference(mine.fields, changes.removed), touched)
    changed = "" if writer.subresource == UNTIMED else timestamp()
    out.append(Entry(writer, kept, changed if touched else mine.time))
    return _sorted(out)


def after_apply(
    live: Object, config: Object, writer: Writer, schema: Schema, force: bool
) -> tuple[Object, list[Object]]:
    """Return the merged object and its `managedFields` after an apply.

    Raises:
        APIError: other managers own fields that would change, and `force` is not given (409).
    """
    given, base = config, _known(live, schema, writer)
    config = tracked(config)
    claimed = without_untracked(fields.owned_by_value(config, schema))
    mine = next((e for e in base if e.writer.identity == writer.identity), None)
    others = [entry for entry in base if entry is not mine]
    merged = merge_applied(live, config, schema)
    if mine is not None:
        owned = fields.union(claimed, ALWAYS_OWNED)
        for entry in others:
            owned = fields.union(owned, entry.fields)
        merged = prune(merged, schema, mine.fields, owned)
    changes = fields.compare(tracked(live), tracked(merged), schema)
    touched = fields.union(changes.added, changes.modified)
    if not force:
        allowed = (
            last_applied.fields_of(live, schema) if last_applied.concerns(writer.manager) else {}
        )
        _refuse_conflicts(others, fields.difference(touched, allowed))
    merged = (
        last_applied.renewed(merged, given) if last_applied.concerns(writer.manager) else merged
    )
    gone = fields.union(touched, changes.removed)
    kept = [Entry(e.writer, fields.difference(e.fields, gone), e.time) for e in others]
    time = timestamp() if gone else (mine.time if mine is not None else "")
    return merged, _sorted([*kept, Entry(writer, claimed, time)])


def _known(live: Object, schema: Schema, writer: Writer) -> tuple[Entry, ...]:
    """Return the entries of `live`; fields from before any tracking get a manager of their own."""
    known = entries(live)
    if known or not dict(live.get("metadata") or {}).get("uid"):
        return known
    before = Writer("before-first-apply", UPDATE, writer.api_version)
    owned = without_untracked(fields.owned_by_value(tracked(live), schema))
    return (Entry(before, owned, timestamp()),)


def _refuse_conflicts(others: Iterable[Entry], touched: Tree) -> None:
    """Answer with all fields that other managers own, in the real server's words."""
    found = [
        (entry, path)
        for entry in others
        for path in fields.leaves(fields.intersection(entry.fields, touched))
    ]
    if not found:
        return
    causes = [
        Cause("FieldManagerConflict", shown_path(path), f"conflict with {_described(entry)}")
        for entry, path in found
    ]
    noun = "conflict" if len(causes) == 1 else "conflicts"
    by_manager: dict[str, list[str]] = {}
    for cause in causes:
        by_manager.setdefault(cause.message, []).append(cause.field)
    if len(causes) == 1:
        text = f"{causes[0].message}: {causes[0].field}"
    else:
        groups = (
            f"{message.replace('conflict ', 'conflicts ', 1)}:\n- " + "\n- ".join(paths)
            for message, paths in sorted(by_manager.items())
        )
        text = "\n".join(groups)
    raise APIError(
        409,
        "Conflict",
        f"Apply failed with {len(causes)} {noun}: {text}",
        {"causes": [cause.body() for cause in causes]},
    )


def _described(entry: Entry) -> str:
    writer = entry.writer
    name = f'"{writer.manager}"'
    if writer.subresource:
        name += f' with subresource "{writer.subresource}"'
    if writer.operation == UPDATE:
        name += f" using {writer.api_version}"
    return name


def shown_path(path: tuple[str, ...]) -> str:
    """Write a path as conflicts do: `.spec.containers[name="app"].image`."""
    out = ""
    for element in path:
        kind, _, text = element.partition(":")
        if kind == "f":
            out += f".{text}"
        elif kind == "k":
            out += f"[{_shown_keys(text)}]"
        else:
            out += f"[{'=' if kind == 'v' else ''}{text}]"
    return out


def _shown_keys(text: str) -> str:
    keys: dict[str, Any] = json.loads(text)
    return ",".join(f"{name}={json.dumps(value)}" for name, value in keys.items())
