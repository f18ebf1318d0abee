"""What is followed by watches, and read once more by a new leader, whose watches may lag behind."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from canary_operator.adapters.cluster.cache import ObjectCache
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.errors import NotFoundError
from canary_operator.adapters.cluster.resources import Resource


@dataclass(frozen=True, slots=True)
class Followed:
    """One kind of objects, and the cache that a watch feeds."""

    resource: Resource
    cache: ObjectCache[Any]


async def catch_up(client: Client, followed: Sequence[Followed], namespaces: Sequence[str]) -> None:
    """Bring caches up to what the API server has now, whatever their watches have told.

    Args:
        client: The API server.
        followed: What to read.
        namespaces: Where; none means everywhere.

    Raises:
        CanaryOperatorError: the API server could not be asked; what was read stays in the caches.
    """
    places: Sequence[str | None] = namespaces or (None,)
    try:
        async with asyncio.TaskGroup() as group:
            for each in followed:
                group.create_task(_read(client, each, places))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors


async def _read(client: Client, followed: Followed, places: Sequence[str | None]) -> None:
    cache = followed.cache
    before = list(cache)
    labels = followed.resource.selector
    selector = {"labelSelector": labels} if labels else {}
    present: set[str] = set()
    try:
        for place in places:
            async for body in client.list(followed.resource, place, **selector):
                present.add(body["metadata"]["uid"])
                cache.saw("MODIFIED", body)
    except NotFoundError:
        pass  # its API is not installed: there is nothing to see
    for held in before:
        if held.uid not in present:
            cache.drop(held)  # its end was not told yet
