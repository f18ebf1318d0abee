"""Watches: the changes of one resource as a stream of JSON lines."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from canary_operator.playground.api.errors import (
    APIError,
    forbidden_field,
    unprocessable,
    unsupported,
)
from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.lists import bad_version
from canary_operator.playground.api.objects import Object, Predicate
from canary_operator.playground.api.store import Change, Store, Stored
from canary_operator.playground.api.views import served

BOOKMARK_SECONDS = 10.0
DEFAULT_TIMEOUT_SECONDS = 3600.0
NOT_OLDER = "NotOlderThan"
INITIAL_END = {"k8s.io/initial-events-end": "true"}


@dataclass(frozen=True)
class WatchRequest:
    """What one client wants to see."""

    resource: Resource
    selects: Predicate
    start: int | None
    """Changes after this version; `None` begins with the objects of now."""
    initial: bool
    """Whether objects that exist come first, as synthetic ADDED events."""
    bookmarks: bool
    initial_end: bool
    timeout_seconds: float
    table: Any = None
    """Turns an object into a Table of one row, if the client asked for tables."""


def watch_request(
    resource: Resource, selects: Predicate, query: Mapping[str, str], table: Any = None
) -> WatchRequest:
    """Read a watch from its query.

    Raises:
        APIError: the options contradict each other (422), or the version is no number (400).
    """
    text = query.get("resourceVersion", "")
    if text and not text.isdigit():
        raise APIError(500, "", bad_version(text))
    initial = query.get("sendInitialEvents") == "true"
    match = query.get("resourceVersionMatch", "")
    if initial and match != NOT_OLDER:
        raise _bad_match("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
    if match and "sendInitialEvents" not in query:
        raise _bad_match(
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            match,
        )
    from_now = text in ("", "0")
    bookmarks = query.get("allowWatchBookmarks") in ("true", "1")
    return WatchRequest(
        resource=resource,
        selects=selects,
        start=None if from_now or initial else int(text),
        initial=initial or (from_now and query.get("sendInitialEvents") != "false"),
        bookmarks=bookmarks,
        initial_end=initial and bookmarks,
        timeout_seconds=float(query.get("timeoutSeconds") or DEFAULT_TIMEOUT_SECONDS),
        table=table,
    )


def _bad_match(text: str, match: str = NOT_OLDER) -> APIError:
    causes = [forbidden_field("resourceVersionMatch", text)]
    if match != NOT_OLDER:
        causes.append(unsupported("resourceVersionMatch", match, [NOT_OLDER]))
    return unprocessable("meta.k8s.io", "ListOptions", "", causes)


async def stream(store: Store, wanted: WatchRequest) -> AsyncIterator[bytes]:
    """Iterate over the lines of a watch until its time is over or the server ends it."""
    storage = wanted.resource.storage
    queue = store.subscribe(storage)
    try:
        try:
            lines = _beginning(store, wanted)
        except APIError as error:
            yield _line("ERROR", json.dumps(error.status()).encode())
            return
        for line in lines:
            yield line
        loop = asyncio.get_running_loop()
        end = loop.time() + wanted.timeout_seconds
        while (left := end - loop.time()) > 0:
            try:
                change = await _next(queue, min(left, BOOKMARK_SECONDS))
            except TimeoutError:
                if wanted.bookmarks and queue.empty():  # it may have come with the end of the wait
                    yield _bookmark(wanted, store.rv)
                continue
            if change is None:
                return
            shown = event(change, wanted)
            if shown is not None:
                yield shown
    finally:
        store.unsubscribe(storage, queue)


async def _next(queue: "asyncio.Queue[Change | None]", seconds: float) -> Change | None:
    """Return the next change; while there is a backlog, without the cost of a timer."""
    if not queue.empty():
        return queue.get_nowait()
    return await asyncio.wait_for(queue.get(), seconds)


def _beginning(store: Store, wanted: WatchRequest) -> list[bytes]:
    """Return what happened before the watch began.

    Raises:
        APIError: that is not known any more (410).
    """
    if wanted.start is not None:
        changes = store.since(wanted.resource.storage, wanted.start)
        return [line for change in changes if (line := event(change, wanted)) is not None]
    lines = []
    if wanted.initial:
        for _, stored in store.scan(wanted.resource.storage):
            if wanted.selects(stored.obj):
                lines.append(_line("ADDED", _text(stored, wanted)))
    if wanted.initial_end:
        lines.append(_bookmark(wanted, store.rv, INITIAL_END))
    return lines


def event(change: Change, wanted: WatchRequest) -> bytes | None:
    """Return the line for a change, or `None` when the client's selector hides it.

    An object that begins to match is ADDED for this client, one that stops is DELETED.
    """
    now = change.type != "DELETED" and wanted.selects(change.stored.obj)
    before = change.before is not None and wanted.selects(change.before.obj)
    if now:
        return _line("MODIFIED" if before else "ADDED", _text(change.stored, wanted))
    if not before:
        return None
    if change.type == "DELETED" or change.before is None:
        return _line("DELETED", _text(change.stored, wanted))
    meta = {**change.before.obj["metadata"], "resourceVersion": str(change.rv)}
    last = Stored({**change.before.obj, "metadata": meta}, change.rv)
    return _line("DELETED", _text(last, wanted))


def _text(stored: Stored, wanted: WatchRequest) -> bytes:
    resource = wanted.resource
    if wanted.table is not None:
        return json.dumps(wanted.table(served(resource, stored.obj))).encode()
    return stored.text(resource.api_version, lambda obj: served(resource, obj))


def _line(kind: str, text: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + text + b"}\n"


def _bookmark(wanted: WatchRequest, rv: int, annotations: Mapping[str, str] | None = None) -> bytes:
    meta: Object = {"resourceVersion": str(rv), "creationTimestamp": None}
    if annotations:
        meta["annotations"] = dict(annotations)
    resource = wanted.resource
    body = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
    return _line("BOOKMARK", json.dumps(body).encode())
