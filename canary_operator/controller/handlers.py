"""Thin kopf handlers: an event goes into its cache and wakes its rollout.

Each resource has an index handler too, for one reason: kopf runs no event handler of any resource
before the first lists of all indexed resources were handled. So no rollout is looked at before
every cache is filled, and a restart never mistakes "not seen yet" for "not there".
"""

from collections.abc import Callable
from typing import Any

import kopf

from canary_operator.adapters.cluster.followed import Followed
from canary_operator.controller.filling import Filling
from canary_operator.ports import Key


def build_registry(
    followed: tuple[Followed, ...], wake: Callable[[Key], None], filling: Filling
) -> kopf.OperatorRegistry:
    """Return the handlers of everything that is followed."""
    registry = kopf.OperatorRegistry()
    for each in followed:
        _watch(registry, each, wake, filling)
    return registry


def _watch(
    registry: kopf.OperatorRegistry, each: Followed, wake: Callable[[Key], None], filling: Filling
) -> None:
    async def fill(body: kopf.Body, **_: Any) -> None:
        each.cache.saw(None, body)
        filling.saw_object()

    async def follow(event: kopf.RawEvent, **_: Any) -> None:
        filling.saw_event()
        key = each.cache.saw(event["type"], event["object"])
        if key is not None:
            wake(key)

    resource = each.resource
    where = (resource.group, resource.version, resource.plural)
    kopf.index(*where, id=f"fill-{resource.plural}", registry=registry)(fill)
    kopf.on.event(*where, id=f"follow-{resource.plural}", registry=registry)(follow)
