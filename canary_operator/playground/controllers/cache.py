"""Objects of one kind, kept fresh by a watch.

A controller reads its own writes from here at once: the answer to a write is remembered, and an
older message of the watch does not undo it. So no decision is made twice on stale objects.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing

from canary_operator.playground.client import (
    Change,
    ChangeKind,
    Client,
    Manifest,
    NotFoundError,
    Resource,
)

Key = tuple[str, str]
"""Namespace (empty for cluster-wide objects) and name."""

Listener = Callable[[Change], None]

LONGEST_MEMORY = 4096
"""How many deleted objects a cache remembers, so that late answers do not bring them back."""


def key_of(item: Manifest) -> Key:
    """Return the key of an object."""
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def uid_of(item: Manifest) -> str:
    """Return the identity of an object."""
    uid: str = item["metadata"]["uid"]
    return uid


def controller_of(item: Manifest) -> Manifest | None:
    """Return the ownerReference of the controller that an object belongs to."""
    owners = item["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def is_terminating(item: Manifest) -> bool:
    """Return whether somebody asked to delete an object."""
    return "deletionTimestamp" in item["metadata"]


class Cache:
    """The objects of one resource by key."""

    def __init__(self, client: Client, resource: Resource) -> None:
        self.synced = asyncio.Event()
        """Set once everything that existed at the start is here."""
        self._client = client
        self._resource = resource
        self._items: dict[Key, Manifest] = {}
        self._gone: dict[str, None] = {}
        self._listeners: list[Listener] = []

    def __iter__(self) -> Iterator[Manifest]:
        return iter(list(self._items.values()))

    def get(self, key: Key) -> Manifest | None:
        """Return the object, or `None` where there is none."""
        return self._items.get(key)

    def within(self, namespace: str) -> list[Manifest]:
        """Return the objects of one namespace."""
        return [item for key, item in self._items.items() if key[0] == namespace]

    def controlled_by(self, owner: Manifest) -> list[Manifest]:
        """Return the objects whose controller is `owner`."""
        uid = uid_of(owner)
        siblings = self.within(key_of(owner)[0])
        return [item for item in siblings if (controller_of(item) or {}).get("uid") == uid]

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with every message of the watch, after the cache has taken it in."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Follow the API server until cancelled."""
        async with aclosing(self._client.watch(self._resource)) as changes:
            async for change in changes:
                self._take_in(change)

    def remember(self, item: Manifest) -> Manifest:
        """Keep the answer to a write, unless something newer is known."""
        known = self._items.get(key_of(item))
        if uid_of(item) not in self._gone and (known is None or _version(known) <= _version(item)):
            self._items[key_of(item)] = item
        return item

    async def delete(self, item: Manifest, grace_seconds: int | None = None) -> None:
        """Delete an object and see it gone, or terminating, at once."""
        namespace, name = key_of(item)
        uid = uid_of(item)
        try:
            answer = await self._client.delete(
                self._resource, name, namespace, uid=uid, grace_seconds=grace_seconds
            )
        except NotFoundError:
            answer = {}
        meta = answer.get("metadata", {})
        if meta.get("finalizers") or meta.get("deletionGracePeriodSeconds"):
            self.remember(answer)
        else:
            self._forget(item)

    def _forget(self, item: Manifest) -> None:
        """Drop an object for good: what is said about its uid later is older news."""
        known = self._items.get(key_of(item))
        if known and uid_of(known) == uid_of(item):
            del self._items[key_of(item)]
        self._gone[uid_of(item)] = None
        if len(self._gone) > LONGEST_MEMORY:
            del self._gone[next(iter(self._gone))]

    def _take_in(self, change: Change) -> None:
        if change.kind is ChangeKind.SYNCED:
            self.synced.set()
        elif change.kind is ChangeKind.DELETED:
            self._forget(change.object)
        else:
            self.remember(change.object)
        for listener in self._listeners:
            listener(change)


def _version(item: Manifest) -> int:
    return int(item["metadata"]["resourceVersion"])
