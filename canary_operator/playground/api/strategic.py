"""Strategic merge patch: a merge patch that knows the merge keys of built-in lists."""

from typing import Any

from canary_operator.playground.api.errors import APIError
from canary_operator.playground.api.fields import field_schema
from canary_operator.playground.api.gotext import go_text
from canary_operator.playground.api.objects import Schema

ORDER = "$setElementOrder/"
DELETE_ITEMS = "$deleteFromPrimitiveList/"
RETAIN = "$retainKeys"
PATCH = "$patch"


def strategic_merge(old: Any, patch: Any, schema: Schema) -> Any:
    """Apply a strategic merge patch to a value of type `schema`.

    Raises:
        APIError: a list item has no merge key (500, as the real server).
    """
    if isinstance(patch, dict):
        return _merge_map(old if isinstance(old, dict) else {}, patch, schema)
    if isinstance(patch, list) and schema.get("x-kubernetes-patch-strategy") == "merge":
        return _merge_list(old if isinstance(old, list) else [], patch, schema)
    return patch


def _merge_map(old: dict[str, Any], patch: dict[str, Any], schema: Schema) -> dict[str, Any]:
    if patch.get(PATCH) == "replace":
        return {key: value for key, value in patch.items() if key != PATCH}
    if patch.get(PATCH) == "delete":
        return {}
    kept = patch.get(RETAIN)
    out = {key: value for key, value in old.items() if kept is None or key in kept}
    for key, value in patch.items():
        _merge_field(out, key, value, schema)
    for key, order in patch.items():
        name = key.removeprefix(ORDER)
        if key.startswith(ORDER) and isinstance(out.get(name), list):
            merge_key = field_schema(schema, name)[0].get("x-kubernetes-patch-merge-key")
            out[name] = _in_order(out[name], order, old.get(name) or [], merge_key)
    return out


def _merge_field(out: dict[str, Any], key: str, value: Any, schema: Schema) -> None:
    """Put one field of the patch into the map `out`."""
    if key.startswith(DELETE_ITEMS):
        name = key.removeprefix(DELETE_ITEMS)
        out[name] = [item for item in out.get(name, []) if item not in value]
    elif value is None:
        out.pop(key, None)
    elif not key.startswith("$"):
        out[key] = strategic_merge(out.get(key), value, field_schema(schema, key)[0])


def _merge_list(old: list[Any], patch: list[Any], schema: Schema) -> list[Any]:
    merge_key = schema.get("x-kubernetes-patch-merge-key")
    if merge_key is None:
        merged = [*old, *(item for item in patch if item not in old)]
        return _in_order(merged, patch, old, None)
    if any(item.get(PATCH) == "replace" for item in patch):
        return [item for item in patch if PATCH not in item]
    out = list(old)
    for item in patch:
        if merge_key not in item:
            message = f"map: {go_text(item)} does not contain declared merge key: {merge_key}"
            raise APIError(500, "", message)
        _merge_item(out, item, merge_key, schema.get("items") or {})
    return _in_order(out, [item for item in patch if PATCH not in item], old, merge_key)


def _merge_item(out: list[Any], item: dict[str, Any], merge_key: str, schema: Schema) -> None:
    """Put one item of the patch into the list `out`."""
    identity = item[merge_key]
    found = next((i for i, mine in enumerate(out) if mine.get(merge_key) == identity), None)
    if item.get(PATCH) == "delete":
        out[:] = [mine for mine in out if mine.get(merge_key) != identity]
    elif found is None:
        out.append(_merge_map({}, {k: v for k, v in item.items() if k != PATCH}, schema))
    else:
        out[found] = _merge_map(out[found], item, schema)


def _in_order(
    items: list[Any], order: list[Any], old: list[Any], merge_key: str | None
) -> list[Any]:
    """Sort a merged list: items that `order` names as it names them, among the others' old order.

    Where old order does not decide between two items, the one that `order` names comes first.
    """

    def identity(item: Any) -> Any:
        return item.get(merge_key) if merge_key and isinstance(item, dict) else item

    wanted, before = [identity(item) for item in order], [identity(item) for item in old]
    named = sorted(
        (item for item in items if identity(item) in wanted),
        key=lambda item: wanted.index(identity(item)),
    )
    others = [item for item in items if identity(item) not in wanted]
    out = []
    while named and others:
        theirs, mine = identity(others[0]), identity(named[0])
        known = theirs in before and mine in before
        first = others if known and before.index(theirs) < before.index(mine) else named
        out.append(first.pop(0))
    return out + others + named
