"""Thin kopf handlers: an event goes into its cache and wakes its rollout."""

from collections.abc import Callable
from typing import Any

import kopf

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
    async def follow(event: kopf.RawEvent, **_: Any) -> None:
        key = each.cache.saw(event["type"], event["object"])
        if key is not None:
            wake(key)

    resource = each.resource
    where = (resource.group, resource.version, resource.plural)
    kopf.on.event(*where, id=f"follow-{resource.plural}", registry=registry)(follow)
