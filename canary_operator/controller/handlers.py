"""Thin kopf handlers: an event goes into its cache and wakes its rollout.

Each resource has an index handler too, for one reason: kopf runs no event handler of any resource
before the first lists of all indexed resources were handled. So no rollout is looked at before
every cache is filled, and a restart never mistakes "not seen yet" for "not there".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import kopf

from canary_operator.ports import Key


class Cache(Protocol):
    """What remembers the objects of one resource."""

    def saw(self, event_type: str | None, body: Mapping[str, Any]) -> Key | None:
        """Remember what a watch said; return the rollout that it concerns."""
        ...


@dataclass(frozen=True, slots=True)
class Watched:
    """One resource to watch."""

    group: str
    version: str
    plural: str
    cache: Cache
    selector: str | None = None
    """Label selector, evaluated by the API server."""

    @property
    def name(self) -> str:
        """Name as kopf's settings know it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


def build_registry(
    watched: tuple[Watched, ...], wake: Callable[[Key], None]
) -> kopf.OperatorRegistry:
    """Return the handlers of everything that is watched."""
    registry = kopf.OperatorRegistry()
    for resource in watched:
        _watch(registry, resource, wake)
    return registry


def _watch(registry: kopf.OperatorRegistry, resource: Watched, wake: Callable[[Key], None]) -> None:
    async def fill(body: kopf.Body, **_: Any) -> None:
        resource.cache.saw(None, body)

    async def follow(event: kopf.RawEvent, **_: Any) -> None:
        key = resource.cache.saw(event["type"], event["object"])
        if key is not None:
            wake(key)

    where = (resource.group, resource.version, resource.plural)
    kopf.index(*where, id=f"fill-{resource.plural}", registry=registry)(fill)
    kopf.on.event(*where, id=f"follow-{resource.plural}", registry=registry)(follow)
