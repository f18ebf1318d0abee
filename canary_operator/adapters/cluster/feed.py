"""The endless part of the API: list once, then follow, and never lose a change."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from canary_operator.adapters.cluster.nesting import decode

Manifest: TypeAlias = dict[str, Any]
"""One Kubernetes object as JSON."""

WATCH_SECONDS = 300
"""The server ends a watch after this time; it goes on with the last resourceVersion."""
FIRST_BACKOFF_SECONDS = 0.05
LONGEST_BACKOFF_SECONDS = 2.0


class ChangeKind(StrEnum):
    """What a watch has to say about an object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    SYNCED = "SYNCED"  # said once, without an object: everything that existed has been reported


@dataclass(frozen=True)
class Change:
    """One message of a watch."""

    kind: ChangeKind
    object: Manifest


class Source(Protocol):
    """The requests that a feed needs."""

    async def request(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None
    ) -> Manifest:
        """Return the answer to one request."""
        ...

    def lines(self, path: str, params: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """Yield the lines of an endless answer."""
        ...

    def watch_error(self, status: Manifest) -> Exception:
        """Return what to raise for a `Status` that a watch sends instead of an object."""
        ...


@dataclass
class Feed:
    """What one watch has seen so far; it outlives connections."""

    source: Source
    path: str
    query: Mapping[str, str]
    version: str | None = None
    """Where to go on; `None` asks for a new list."""

    _seen: dict[str, Manifest] = field(default_factory=dict)
    _synced: bool = False
    _delay: float = 0.0

    async def until_interrupted(self) -> AsyncGenerator[Change, None]:
        """Yield changes until the server ends the watch.

        Raises:
            Exception: what the source raises, or `watch_error` returns; where that says that the
                version is too old, forget it and call again.
        """
        if self.version is None:
            listed = await self.source.request("GET", self.path, params=self.query)
            self.version = listed["metadata"]["resourceVersion"]
            for change in self._differences(listed.get("items") or []):
                yield change
        params = {
            **self.query,
            "watch": "1",
            "resourceVersion": self.version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        async with aclosing(self.source.lines(self.path, params)) as lines:
            async for line in lines:
                if change_seen := self._understood(line):
                    yield change_seen

    async def back_off(self) -> None:
        """Wait before the next connection: not at all after a change, else longer each time."""
        await asyncio.sleep(self._delay)
        self._delay = min(max(FIRST_BACKOFF_SECONDS, 2 * self._delay), LONGEST_BACKOFF_SECONDS)

    def _understood(self, line: bytes) -> Change | None:
        """Return what a line says; `None` for a bookmark, which only moves the version."""
        event = decode(line)
        if event["type"] == "ERROR":
            raise self.source.watch_error(event["object"])
        self._delay = 0.0
        meta = event["object"]["metadata"]
        self.version = meta["resourceVersion"]
        if event["type"] == "BOOKMARK":
            return None
        kind = ChangeKind(event["type"])
        if kind is ChangeKind.DELETED:
            self._seen.pop(meta["uid"], None)
        else:
            self._seen[meta["uid"]] = event["object"]
        return Change(kind, event["object"])

    def _differences(self, items: list[Manifest]) -> Iterator[Change]:
        """Yield how a new list differs from what was seen, deletions first."""
        present = {item["metadata"]["uid"]: item for item in items}
        gone = [self._seen[uid] for uid in self._seen if uid not in present]
        before, self._seen = self._seen, present
        for item in gone:
            yield Change(ChangeKind.DELETED, item)
        for uid, item in present.items():
            if uid not in before:
                yield Change(ChangeKind.ADDED, item)
            elif _version(item) != _version(before[uid]):
                yield Change(ChangeKind.MODIFIED, item)
        if not self._synced:
            self._synced = True
            yield Change(ChangeKind.SYNCED, {})


def _version(item: Manifest) -> str:
    version: str = item["metadata"]["resourceVersion"]
    return version
