"""Thin kopf handlers: an event goes into its cache and wakes its rollout.

The object of an event is emptied when its cache has taken it in. kopf's views of it refer to each
other, so they stay until a garbage collection, and so would the whole object, some hundred dicts
and lists for each event.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import kopf

from canary_operator.adapters.cluster.cache import ObjectCache
from canary_operator.adapters.cluster.followed import Followed
from canary_operator.ports import Key


def build_registry(
    followed: tuple[Followed, ...], wake: Callable[[Key], None]
) -> kopf.OperatorRegistry:
    """Return the handlers of everything that is followed."""
    registry = kopf.OperatorRegistry()
    for each in followed:
        _watch(registry, each, wake)
    return registry


def _watch(registry: kopf.OperatorRegistry, each: Followed, wake: Callable[[Key], None]) -> None:
    resource = each.resource
    where = (resource.group, resource.version, resource.plural)
    follow = follower(each.cache, wake)
    kopf.on.event(*where, id=f"follow-{resource.plural}", registry=registry)(follow)


def follower(
    cache: ObjectCache[Any], wake: Callable[[Key], None]
) -> Callable[..., Coroutine[Any, Any, None]]:
    """Return what takes in the events of one kind."""

    async def follow(event: Mapping[str, Any], **_: Any) -> None:
        key = cache.saw(event["type"], event["object"])
        event["object"].clear()
        if key is not None:
            wake(key)

    return follow
