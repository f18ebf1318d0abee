"""Patches of somebody else's VirtualService: weights, and the mark of a rollback.

A patch tests all that it relies on, and changes weights and our own annotation; so whatever else is
written there stays, byte for byte.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from canary_operator.adapters.traffic.istio_leftovers import Destination, Leftover
from canary_operator.adapters.traffic.istio_shares import Split
from canary_operator.domain.objects import GROUP
from canary_operator.domain.reasons import REASONS, Reason
from canary_operator.domain.target import RouteTarget

Operation = dict[str, Any]
"""One operation of a JSON Patch."""

_MARKS = f"rejected.{GROUP}"
"""Prefix of the annotations that say what was rolled back; the rest is the name of the rollout, as
several may have routes in one VirtualService."""


def weight_operations(splits: Sequence[Split], share: int) -> list[Operation]:
    """Return the operations that give the canary `share` percent; none where it has that."""
    operations: list[Operation] = []
    for split in splits:
        pairs = zip((split.stable, split.canary), split.weights(share), strict=True)
        changed = [(one, weight) for one, weight in pairs if (one.weight or 0) != weight]
        if changed and split.name is not None:
            operations.append(_test(f"{split.path}/name", split.name))
        for one, weight in changed:
            operations += _change(one, weight)
    return operations


def taking_operations(leftovers: Sequence[Leftover]) -> list[Operation]:
    """Return the operations that leave the canary nothing, as far as others can take it."""
    operations: list[Operation] = []
    for left in leftovers:
        changed = left.without_canary()
        if changed and left.name is not None:
            operations.append(_test(f"{left.path}/name", left.name))
        for one, weight in changed:
            operations += _change(one, weight)
    return operations


def _change(one: Destination, weight: int) -> Iterator[Operation]:
    yield _test(f"{one.path}/destination/host", one.host)
    if one.weight is not None:
        yield _test(f"{one.path}/weight", one.weight)
    yield {"op": "add", "path": f"{one.path}/weight", "value": weight}


def _test(path: str, value: Any) -> Operation:
    return {"op": "test", "path": path, "value": value}


def mark_of(rollout: str, annotations: Mapping[str, str]) -> tuple[str | None, Reason | None]:
    """Return which revision of a rollout was rolled back, and why, by the annotation."""
    revision, _, because = annotations.get(f"{_MARKS}/{rollout}", "").partition("/")
    return revision or None, Reason(because) if because in REASONS else None


def mark_operations(
    rollout: str, annotations: Mapping[str, str] | None, target: RouteTarget
) -> list[Operation]:
    """Return the operations that set, change or remove the mark of a rollback.

    Args:
        rollout: Whose mark.
        annotations: Those that there are; None where the object has none at all.
        target: What is to be marked.
    """
    key = f"{_MARKS}/{rollout}"
    path = "/metadata/annotations/" + key.replace("~", "~0").replace("/", "~1")
    present = (annotations or {}).get(key)
    wanted = f"{target.rejected}/{target.rejected_because or ''}" if target.rejected else None
    if present == wanted:
        return []
    if wanted is None:
        return [_test(path, present), {"op": "remove", "path": path}]
    first = [] if annotations else [{"op": "add", "path": "/metadata/annotations", "value": {}}]
    return [*first, {"op": "add", "path": path, "value": wanted}]
