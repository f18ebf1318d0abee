"""What is followed by watches, and read once more by a new leader, whose watches may lag behind."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from canary_operator.adapters.cluster.cache import ObjectCache
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.errors import NotFoundError
from canary_operator.adapters.cluster.resources import Resource
from canary_operator.domain.errors import ForbiddenError, UnavailableError
from canary_operator.ports import Key

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Followed:
    """One kind of objects, and the cache that a watch feeds."""

    resource: Resource
    cache: ObjectCache[Any]
    required: bool = False
    """Whether nothing can be done where the API server does not know the kind."""
    optional: bool = False
    """Whether most rollouts need no object of the kind, so that a missing right stops nobody."""


async def catch_up(
    client: Client, followed: Sequence[Followed], namespaces: Sequence[str]
) -> frozenset[Key]:
    """Bring caches up to what the API server has now, whatever their watches have told.

    Args:
        client: The API server.
        followed: What to read.
        namespaces: Where; none means everywhere.

    Returns:
        The rollouts about whose objects this told something new.

    Raises:
        CanaryOperatorError: the API server could not be asked; what was read stays in the caches.
    """
    places: Sequence[str | None] = namespaces or (None,)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_read(client, each, places)) for each in followed]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return frozenset().union(*(task.result() for task in tasks))


async def _read(client: Client, followed: Followed, places: Sequence[str | None]) -> set[Key]:
    """Read one kind; a place that cannot be seen is left as it is, unless it is the only one."""
    news: set[Key] = set()
    for place in places:
        try:
            news |= await _read_place(client, followed, place)
        except ForbiddenError as error:
            if len(places) == 1 and not followed.optional:
                raise
            what = followed.resource.full_name if followed.optional else "A namespace"
            logger.warning("%s is left out until its rights are back: %s", what, error)
    return news


async def _read_place(client: Client, followed: Followed, place: str | None) -> set[Key]:
    cache = followed.cache
    before = [held for held in cache if place in {None, held.namespace}]
    labels = followed.resource.selector
    selector = {"labelSelector": labels} if labels else {}
    present: set[str] = set()
    news: set[Key | None] = set()
    try:
        async for body in client.list(followed.resource, place, **selector):
            present.add(body["metadata"]["uid"])
            news.add(cache.saw("MODIFIED", body))
    except NotFoundError as error:
        if followed.required:
            raise UnavailableError(
                f"The API server does not know {followed.resource.full_name}: install its CRD."
            ) from error
    for held in before:
        if held.uid not in present:
            cache.drop(held)  # its end was not told
            news.add(held.rollout)
    return {key for key in news if key is not None}
