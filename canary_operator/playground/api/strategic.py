"""Strategic merge patch: a merge patch that knows the merge keys of built-in lists."""

from typing import Any

from canary_operator.playground.api.errors import bad_request
from canary_operator.playground.api.fields import field_schema
from canary_operator.playground.api.objects import Schema

ORDER = "$setElementOrder/"
DELETE_ITEMS = "$deleteFromPrimitiveList/"
RETAIN = "$retainKeys"
PATCH = "$patch"


def strategic_merge(old: Any, patch: Any, schema: Schema) -> Any:
    """Apply a strategic merge patch to a value of type `schema`.

    Raises:
        APIError: a list item has no merge key (400).
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
    out = dict(old)
    if RETAIN in patch:
        out = {key: value for key, value in out.items() if key in patch[RETAIN]}
    for key, value in patch.items():
        if key.startswith(DELETE_ITEMS):
            name = key.removeprefix(DELETE_ITEMS)
            out[name] = [item for item in out.get(name, []) if item not in value]
        elif value is None:
            out.pop(key, None)
        elif not key.startswith("$"):
            out[key] = strategic_merge(out.get(key), value, field_schema(schema, key)[0])
    for key, order in patch.items():
        name = key.removeprefix(ORDER)
        if key.startswith(ORDER) and isinstance(out.get(name), list):
            out[name] = _in_order(out[name], order, field_schema(schema, name)[0])
    return out


def _merge_list(old: list[Any], patch: list[Any], schema: Schema) -> list[Any]:
    merge_key = schema.get("x-kubernetes-patch-merge-key")
    if merge_key is None:
        return [*old, *(item for item in patch if item not in old)]
    if any(item.get(PATCH) == "replace" for item in patch):
        return [item for item in patch if PATCH not in item]
    out = list(old)
    for item in patch:
        if merge_key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {merge_key}")
        _merge_item(out, item, merge_key, schema.get("items") or {})
    return out


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


def _in_order(items: list[Any], order: list[Any], schema: Schema) -> list[Any]:
    """Sort the items that `order` names as it names them; the others keep their place."""
    merge_key = schema.get("x-kubernetes-patch-merge-key")

    def identity(item: Any) -> Any:
        return item.get(merge_key) if merge_key else item

    wanted = [identity(item) if isinstance(item, dict) else item for item in order]
    named = sorted(
        (item for item in items if identity(item) in wanted),
        key=lambda item: wanted.index(identity(item)),
    )
    queue = iter(named)
    return [next(queue) if identity(item) in wanted else item for item in items]
