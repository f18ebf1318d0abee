"""The garbage collector: objects go when their last owner is gone."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from canary_operator.playground.api.objects import Object, without
from canary_operator.playground.api.store import Change, Key, Storage, Store

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"

Place = tuple[Storage, Key]
Deleter = Callable[[Storage, Key, str], None]
"""Deletes an object with a propagation policy."""


class GarbageCollector:
    """Follows the store's changes and acts after the request that caused them is done."""

    def __init__(self, store: Store, delete: Deleter) -> None:
        self._store = store
        self._delete = delete
        self._alive: dict[str, Place] = {}
        self._dependents: dict[str, set[Place]] = defaultdict(set)
        self._owners: dict[Place, tuple[str, ...]] = {}
        store.listeners.append(self._follow)

    def _follow(self, change: Change) -> None:
        obj = change.stored.obj
        meta = obj["metadata"]
        place = (change.storage, (meta.get("namespace", ""), meta["name"]))
        gone = change.type == "DELETED"
        before = self._owners.get(place, ())
        self._relate(place, () if gone else tuple(_owner_uids(obj)))
        if gone:
            self._alive.pop(meta["uid"], None)
            self._soon(self._owner_gone, meta["uid"], before)
            return
        self._alive[meta["uid"]] = place
        if meta.get("ownerReferences"):
            self._soon(self._collect, place)
        if meta.get("deletionTimestamp"):
            self._soon(self._finalize, place)

    def _soon(self, work: Callable[..., None], *arguments: object) -> None:
        asyncio.get_running_loop().call_soon(work, *arguments)

    def _relate(self, place: Place, owners: tuple[str, ...]) -> None:
        for uid in self._owners.pop(place, ()):
            self._dependents[uid].discard(place)
        if owners:
            self._owners[place] = owners
            for uid in owners:
                self._dependents[uid].add(place)

    def _owner_gone(self, uid: str, owners_of_it: Iterable[str]) -> None:
        for place in sorted(self._dependents.pop(uid, ())):
            self._collect(place)
        for owner in owners_of_it:
            if owner in self._alive:
                self._finalize(self._alive[owner])

    def _collect(self, place: Place) -> None:
        """Delete an object that no owner holds any more; take away what refers to other owners.

        An owner that is gone holds nothing, nor does one that waits for its dependents to go.
        """
        obj = self._read(place)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return
        references: list[Object] = obj["metadata"].get("ownerReferences") or []
        solid = [ref for ref in references if ref["uid"] in self._alive]
        waiting = [ref for ref in solid if self._waits_for_dependents(ref["uid"])]
        holding = [ref for ref in solid if ref not in waiting]
        if references and not solid:
            self._delete(*place, "Background")
        elif waiting and not holding:
            self._delete(*place, "Foreground")
        elif len(holding) < len(references):
            self._rewrite(place, obj, ownerReferences=holding)

    def _waits_for_dependents(self, uid: str) -> bool:
        owner = self._read(self._alive[uid])
        return owner is not None and FOREGROUND in _deletion_finalizers(owner)

    def _finalize(self, place: Place) -> None:
        """Carry out the propagation that an owner's finalizers ask for."""
        owner = self._read(place)
        if owner is None:
            return
        finalizers = _deletion_finalizers(owner)
        uid = owner["metadata"]["uid"]
        dependents = sorted(self._dependents.get(uid, ()))
        if ORPHAN in finalizers:
            for dependent in dependents:
                self._release(dependent, uid)
            self._without_finalizer(place, ORPHAN)
        elif FOREGROUND in finalizers:
            for dependent in dependents:
                self._collect(dependent)
            if not any(self._blocks(dependent, uid) for dependent in dependents):
                self._without_finalizer(place, FOREGROUND)

    def _blocks(self, place: Place, uid: str) -> bool:
        obj = self._read(place)
        references = obj["metadata"].get("ownerReferences") or () if obj else ()
        return any(ref["uid"] == uid and ref.get("blockOwnerDeletion") for ref in references)

    def _release(self, place: Place, uid: str) -> None:
        obj = self._read(place)
        if obj is not None:
            kept = [ref for ref in obj["metadata"]["ownerReferences"] if ref["uid"] != uid]
            self._rewrite(place, obj, ownerReferences=kept)

    def _without_finalizer(self, place: Place, name: str) -> None:
        obj = self._read(place)
        if obj is None:
            return
        left = [f for f in obj["metadata"].get("finalizers") or () if f != name]
        if left:
            self._rewrite(place, obj, finalizers=left)
        else:
            meta = without(obj["metadata"], "finalizers")
            self._store.remove(*place, {**obj, "metadata": meta})

    def _rewrite(self, place: Place, obj: Object, **fields: Sequence[object]) -> None:
        meta = {**obj["metadata"], **fields}
        kept = {key: value for key, value in meta.items() if key not in fields or value}
        self._store.put(*place, {**obj, "metadata": kept})

    def _read(self, place: Place) -> Object | None:
        stored = self._store.get(*place)
        return stored.obj if stored else None


def _owner_uids(obj: Object) -> Iterable[str]:
    return (ref["uid"] for ref in obj["metadata"].get("ownerReferences") or ())


def _deletion_finalizers(obj: Object) -> list[str]:
    meta = obj["metadata"]
    return list(meta.get("finalizers") or ()) if meta.get("deletionTimestamp") else []
