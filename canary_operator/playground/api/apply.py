"""Server-side apply: merge a configuration, and take away what its manager no longer applies."""

from typing import Any

from canary_operator.playground.api.fields import (
    SELF,
    Tree,
    field_schema,
    is_atomic,
    is_member,
    keyed_items,
)
from canary_operator.playground.api.objects import Schema


def merge_applied(live: Any, applied: Any, schema: Schema) -> Any:
    """Merge `applied` into `live`; lists merge by key and follow the applied order."""
    if is_atomic(schema, applied) or type(live) is not type(applied):
        return applied
    if isinstance(applied, dict):
        out = dict(live)
        for key, value in applied.items():
            sub, _ = field_schema(schema, key)
            out[key] = merge_applied(live[key], value, sub) if key in live else value
        return out
    return _merge_items(keyed_items(schema, live), keyed_items(schema, applied), schema)


def _merge_items(live: dict[str, Any], applied: dict[str, Any], schema: Schema) -> list[Any]:
    item_schema = schema.get("items") or {}
    merged: dict[str, Any] = {}
    pending = iter(applied)

    def take_applied() -> None:
        key = next(pending)
        item = applied[key]
        merged[key] = merge_applied(live[key], item, item_schema) if key in live else item

    for key, item in live.items():
        if key not in applied:
            merged[key] = item
        while key in applied and key not in merged:
            take_applied()
    while len(merged) < len(live.keys() | applied.keys()):
        take_applied()
    return list(merged.values())


def prune(value: Any, schema: Schema, dropped: Tree, owned: Tree) -> Any:
    """Remove what the set `dropped` names unless the set `owned` claims it.

    Fields that a schema declares by name stay while anything below them is owned; map keys and
    list items only while they are owned themselves. A map or list that loses its last item is
    null afterwards, as it is in Go; a custom resource that declares no null there is refused for
    it, although the configuration itself was right.
    """
    if isinstance(value, dict):
        out = {}
        for key, item in value.items():
            sub, named = field_schema(schema, key)
            kept = _prune_child(item, sub, dropped.get(f"f:{key}"), owned.get(f"f:{key}"), named)
            if kept is not _GONE:
                out[key] = kept
        return out or None
    items = []
    for element, item in keyed_items(schema, value).items():
        sub = schema.get("items") or {}
        kept = _prune_child(item, sub, dropped.get(element), owned.get(element), named=False)
        if kept is not _GONE:
            items.append(kept)
    return items or None


_GONE = object()


def _prune_child(
    item: Any, schema: Schema, dropped: Tree | None, owned: Tree | None, named: bool
) -> Any:
    if dropped is None:
        return item
    claimed = owned is not None and (named or is_member(owned))
    if (named or is_member(dropped)) and not claimed:
        return _GONE
    deeper = any(key != SELF for key in dropped)
    if deeper and item and not is_atomic(schema, item):
        return prune(item, schema, dropped, owned or {})
    return item
