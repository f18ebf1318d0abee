"""Sets of fields as trees in the `fieldsV1` format, the wire format of `managedFields`.

A node is a member of the set when it has no children or has the child `.`; path elements are
`f:<field>`, `k:<keys as JSON>` for items of a map list and `v:<value as JSON>` for items of a
set. The rules are those of structured-merge-diff, which the real server uses.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from canary_operator.playground.api.objects import Schema, compact_json, same

Tree = dict[str, Any]
SELF = "."


def is_member(node: Tree) -> bool:
    """Tell whether the path that ends at `node` is itself in the set."""
    return not node or SELF in node


def packed(member: bool, children: Tree) -> Tree | None:
    """Return the shortest node for `member` and `children`; `None` when it is empty."""
    if not children:
        return {} if member else None
    return {SELF: {}, **children} if member else children


def _combine(left: Tree, right: Tree, keep: Callable[[bool, bool], bool], shared: bool) -> Tree:
    """Combine two trees node by node; `shared` skips paths that the right tree lacks."""
    out: Tree = {}
    for key, node in left.items():
        if key == SELF:
            continue
        other = right.get(key)
        if other is None:
            if not shared:
                out[key] = node
            continue
        children = _combine(node, other, keep, shared)
        merged = packed(keep(is_member(node), is_member(other)), children)
        if merged is not None:
            out[key] = merged
    return out


def difference(left: Tree, right: Tree) -> Tree:
    """Return the members of `left` that are not members of `right`."""
    return _combine(left, right, lambda mine, theirs: mine and not theirs, shared=False)


def intersection(left: Tree, right: Tree) -> Tree:
    """Return the members that both trees have."""
    return _combine(left, right, lambda mine, theirs: mine and theirs, shared=True)


def union(left: Tree, right: Tree) -> Tree:
    """Return the members that either tree has."""
    out = {key: node for key, node in left.items() if key != SELF}
    for key, node in right.items():
        if key == SELF:
            continue
        mine = out.get(key)
        if mine is None:
            out[key] = node
        else:
            out[key] = packed(is_member(mine) or is_member(node), union(mine, node)) or {}
    return out


def leaves(tree: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Iterate over the paths of all members."""
    for key, node in sorted(tree.items()):
        if key == SELF:
            continue
        if is_member(node):
            yield (*path, key)
        yield from leaves(node, (*path, key))


def is_atomic(schema: Schema, value: Any) -> bool:
    """Tell whether `value` is owned as a whole."""
    if isinstance(value, dict):
        return bool(schema.get("x-kubernetes-map-type") == "atomic")
    if isinstance(value, list):
        return bool(schema.get("x-kubernetes-list-type", "atomic") == "atomic")
    return True


def field_schema(schema: Schema, key: str) -> tuple[Schema, bool]:
    """Return the schema of a field and whether the field is declared by name."""
    properties = schema.get("properties") or {}
    if key in properties:
        return properties[key], True
    extra = schema.get("additionalProperties")
    return (extra if isinstance(extra, dict) else {}), False


def item_key(schema: Schema, item: Any, index: int) -> str:
    """Return the path element of a list item; absent keys take the schema's default."""
    if schema.get("x-kubernetes-list-type") == "set":
        return f"v:{compact_json(item)}"
    if schema.get("x-kubernetes-list-type") == "map" and isinstance(item, dict):
        properties = schema.get("items", {}).get("properties", {})
        keys = {}
        for name in schema.get("x-kubernetes-list-map-keys", ()):
            value = item.get(name, properties.get(name, {}).get("default"))
            if value is not None:
                keys[name] = value
        return f"k:{compact_json(keys)}"
    return f"i:{index}"


def keyed_items(schema: Schema, items: list[Any]) -> dict[str, Any]:
    """Index a map or set list by path element; the first of two equal ones wins."""
    out: dict[str, Any] = {}
    for index, item in enumerate(items):
        out.setdefault(item_key(schema, item, index), item)
    return out


def owned_by_value(value: Any, schema: Schema) -> Tree:
    """Return the fields that an applied configuration claims."""
    out: Tree = {}
    if isinstance(value, dict):
        for key, item in value.items():
            sub, named = field_schema(schema, key)
            children = {} if is_atomic(sub, item) else owned_by_value(item, sub)
            member = item is None or item == {} or not named or is_atomic(sub, item)
            node = packed(member, children)
            if node is not None:
                out[f"f:{key}"] = node
    elif isinstance(value, list):
        sub = schema.get("items") or {}
        for element, item in keyed_items(schema, value).items():
            out[element] = packed(True, {} if is_atomic(sub, item) else owned_by_value(item, sub))
    return out


@dataclass
class Changes:
    """What differs between two objects, as three sets."""

    added: Tree = field(default_factory=dict)
    modified: Tree = field(default_factory=dict)
    removed: Tree = field(default_factory=dict)


_ABSENT = object()


def compare(old: Any, new: Any, schema: Schema) -> Changes:
    """Compare two containers of the same type, `{}` standing for a missing one."""
    out = Changes()
    if isinstance(old, list) or isinstance(new, list):
        before, after = keyed_items(schema, old or []), keyed_items(schema, new or [])
        item_schema = schema.get("items") or {}
        schemas = dict.fromkeys([*before, *after], item_schema)
    else:
        before = {f"f:{key}": value for key, value in (old or {}).items()}
        after = {f"f:{key}": value for key, value in (new or {}).items()}
        schemas = {key: field_schema(schema, key[2:])[0] for key in (*before, *after)}
    for key, sub in schemas.items():
        _compare_item(key, before.get(key, _ABSENT), after.get(key, _ABSENT), sub, out)
    return out


def _compare_item(key: str, old: Any, new: Any, schema: Schema, out: Changes) -> None:
    if old is new or same(old, new):
        return
    known = new if old is _ABSENT or old is None else old
    atomic = is_atomic(schema, known) or _changes_type(old, new)
    inner = Changes()
    if not atomic:
        inner = compare(None if old is _ABSENT else old, None if new is _ABSENT else new, schema)
    for target, children, member in (
        (out.added, inner.added, old is _ABSENT),
        (out.modified, inner.modified, atomic and _ABSENT not in (old, new)),
        (out.removed, inner.removed, new is _ABSENT),
    ):
        node = packed(member, children)
        if node is not None:
            target[key] = node


def _changes_type(old: Any, new: Any) -> bool:
    """Tell whether two values have different types; a gap or a null goes with every type."""
    either = any(value is _ABSENT or value is None for value in (old, new))
    return not either and type(old) is not type(new)
