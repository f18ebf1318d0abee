"""The objects in memory, one revision counter, and the history that watches read.

Objects are never changed in place: a write replaces the whole object. So lists and watches share
them, and each object is written as JSON once, however many clients receive it.
"""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from canary_operator.playground.api.errors import expired
from canary_operator.playground.api.objects import Object

Storage = tuple[str, str]
"""Group and plural name: all versions of a resource share one storage."""

Key = tuple[str, str]
"""Namespace (empty for cluster scope) and name."""

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]

HISTORY = 20_000
"""Changes that are kept for watches that start from an older resource version."""


@dataclass(slots=True)
class Stored:
    """One version of one object, with its JSON text in each shape that was asked for."""

    obj: Object
    rv: int
    written: Object | None = None
    """As it was written, where a newer schema shows it otherwise."""
    _text: dict[str, bytes] = field(default_factory=dict)

    def text(self, shape: str, view: Callable[[Object], Object]) -> bytes:
        """Return the JSON text of `view(obj)`; `shape` names the view."""
        found = self._text.get(shape)
        if found is None:
            found = self._text[shape] = json.dumps(
                view(self.obj), separators=(",", ":"), ensure_ascii=False
            ).encode()
        return found


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the history; `before` tells selectors what a client has seen."""

    rv: int
    type: ChangeType
    storage: Storage
    stored: Stored
    before: Stored | None


Listener = Callable[[Change], None]


class Store:
    """All objects of one API server. Every method is synchronous, so every write is atomic."""

    def __init__(self, first_rv: int = 1) -> None:
        self.rv = first_rv
        self.listeners: list[Listener] = []
        self._objects: dict[Storage, dict[Key, Stored]] = defaultdict(dict)
        self._history: dict[Storage, deque[Change]] = defaultdict(deque)
        self._compacted: dict[Storage, int] = defaultdict(int)
        self._floor = 0
        self._watchers: dict[Storage, set[asyncio.Queue[Change | None]]] = defaultdict(set)

    def get(self, storage: Storage, key: Key) -> Stored | None:
        """Return the object, or `None`."""
        return self._objects[storage].get(key)

    def scan(self, storage: Storage, namespace: str = "") -> Iterator[tuple[Key, Stored]]:
        """Iterate over a storage in the order of the real server: by namespace and name."""
        for key, stored in sorted(self._objects[storage].items(), key=lambda pair: pair[0]):
            if not namespace or key[0] == namespace:
                yield key, stored

    def storages(self) -> list[Storage]:
        """Return the storages that hold objects."""
        return [storage for storage, objects in self._objects.items() if objects]

    def put(self, storage: Storage, key: Key, obj: Object) -> Stored:
        """Create or replace an object under the next resource version."""
        before = self._objects[storage].get(key)
        stored = self._next(obj)
        self._objects[storage][key] = stored
        self._record("MODIFIED" if before else "ADDED", storage, stored, before)
        return stored

    def reread(self, storage: Storage, view: Callable[[Object], Object]) -> None:
        """Show all objects of a storage through another schema; that is no write of any."""
        for key, stored in self._objects[storage].items():
            written = stored.written or stored.obj
            if (shown := view(written)) != stored.obj:
                self._objects[storage][key] = Stored(shown, stored.rv, written)

    def remove(self, storage: Storage, key: Key, last: Object | None = None) -> Stored:
        """Remove an object; `last` is its final state when a finalizer went in the same write."""
        before = self._objects[storage].pop(key)
        stored = self._next(last or before.obj)
        self._record("DELETED", storage, stored, before)
        return stored

    def _next(self, obj: Object) -> Stored:
        self.rv += 1
        meta = {**obj["metadata"], "resourceVersion": str(self.rv)}
        return Stored({**obj, "metadata": meta}, self.rv)

    def _record(
        self, kind: ChangeType, storage: Storage, stored: Stored, before: Stored | None
    ) -> None:
        change = Change(self.rv, kind, storage, stored, before)
        history = self._history[storage]
        history.append(change)
        if len(history) > HISTORY:
            self._compacted[storage] = history.popleft().rv
        for queue in self._watchers[storage]:
            queue.put_nowait(change)
        for listener in self.listeners:
            listener(change)

    def since(self, storage: Storage, rv: int) -> list[Change]:
        """Return the changes after `rv`.

        Raises:
            APIError: they are not known any more (410).
        """
        oldest = max(self._compacted[storage], self._floor)
        if rv < oldest:
            raise expired(rv, oldest)
        newer = []
        for change in reversed(self._history[storage]):
            if change.rv <= rv:
                break
            newer.append(change)
        return newer[::-1]

    def compact(self) -> None:
        """Forget the history, as etcd does every five minutes: older watches get 410."""
        for history in self._history.values():
            history.clear()
        self._floor = self.rv

    def subscribe(self, storage: Storage) -> asyncio.Queue[Change | None]:
        """Return a queue of the changes from now on; `None` in it ends the watch."""
        queue: asyncio.Queue[Change | None] = asyncio.Queue()
        self._watchers[storage].add(queue)
        return queue

    def unsubscribe(self, storage: Storage, queue: asyncio.Queue[Change | None]) -> None:
        """Stop filling `queue`."""
        self._watchers[storage].discard(queue)

    def end_watches(self, storage: Storage | None = None) -> None:
        """End the watches of one storage, or all of them."""
        for name in [storage] if storage else list(self._watchers):
            for queue in self._watchers[name]:
                queue.put_nowait(None)
