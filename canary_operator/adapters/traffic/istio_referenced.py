"""Istio, in a VirtualService of the user's own: only weights are changed in it.

The user owns the object, and what they write there stays. We follow it with the watch that we have
anyway, and write a JSON Patch that the server takes only for what we read.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from canary_operator.adapters.cluster.cache import Caches, Place
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.convergence import Convergence
from canary_operator.adapters.traffic.istio_foreign import ForeignRoutes, operations_for
from canary_operator.adapters.traffic.istio_patches import Operation, mark_of
from canary_operator.adapters.traffic.istio_policies import Policies
from canary_operator.adapters.traffic.istio_shares import Wish
from canary_operator.domain.errors import (
    DriftConflictError,
    HostConflictError,
    InvalidRolloutError,
    RouteMissingError,
)
from canary_operator.domain.references import reference_of
from canary_operator.domain.situation import RouteState
from canary_operator.domain.spec import RolloutSpec, VirtualServiceReference
from canary_operator.domain.target import RouteTarget
from canary_operator.ports import Key, Rollout

_WEBHOOK_PAUSE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class _User:
    """A rollout whose spec in force names a VirtualService."""

    key: Key
    wish: Wish
    order: tuple[str, str]
    """Creation time and uid: of two that name one route, the first has it."""

    def collides_with(self, other: "_User") -> bool:
        """Whether both name one route."""
        mine, theirs = self.wish, other.wish
        if (mine.namespace, mine.name) != (theirs.namespace, theirs.name):
            return False
        return not (mine.routes and theirs.routes) or bool({*mine.routes} & {*theirs.routes})


class ReferencedRouter:
    """Port `TrafficRouter`."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        *,
        cluster_domain: str = "cluster.local",
        wake: Callable[[Key], None] = lambda _: None,
    ) -> None:
        """Start without knowing anybody; the first tick of each rollout brings it here.

        Args:
            client: The API server.
            caches: Their `virtual_services` must be watched.
            cluster_domain: End of the names of Services.
            wake: Has a rollout looked at again whose VirtualService changed.
        """
        self._routes = ForeignRoutes(client, caches, cluster_domain)
        self._cache = caches.virtual_services
        self._policies = Policies(client, caches, cluster_domain)
        self._convergence = Convergence(time.monotonic)
        self._users: dict[Key, _User] = {}
        self._told: dict[Key, int] = {}
        """The weight that each was told last here; what is recorded may be ahead of it."""
        self._losers: dict[Key, _User] = {}
        """Rollouts that were refused, with what they asked for."""
        self._wake = wake
        caches.virtual_services.on_news(wake)
        caches.rollouts.on_removal(self._forget)

    def state(self, rollout: Rollout, spec: RolloutSpec | None = None) -> RouteState:
        """Return what the VirtualService says, as last seen."""
        user = self._who(rollout, spec)
        if user is None:
            return RouteState()
        seen = self._routes.seen(user.wish)
        found = self._routes.find(user.wish)
        broken = found.problem is not None or self._first(user) is not None
        if seen is None:
            return RouteState(broken=broken)
        rejected, because = mark_of(rollout.key.name, seen["metadata"]["annotations"])
        return RouteState(
            exists=found.exists,
            weight=found.weight,
            rejected=rejected,
            rejected_because=because,
            broken=broken,
        )

    async def claim(self, rollout: Rollout, spec: RolloutSpec) -> None:
        """Check, before a spec is accepted, that what it names is there and nobody else's."""
        user = self._user(rollout, _reference(spec))
        before = self._users.get(rollout.key, user)
        self._cache.follow(rollout.key, {before.wish.name, user.wish.name})
        other = next((one for one in self._others(user) if one.collides_with(user)), None)
        if other is not None:
            self._losers[rollout.key] = user
            raise _taken(user, other)
        self._losers.pop(rollout.key, None)
        found = self._routes.find(user.wish)
        if found.problem is not None:
            raise RouteMissingError(found.problem)

    def contested(self, rollout: Rollout, spec: RolloutSpec) -> InvalidRolloutError | None:
        """Return what keeps the routes from being split now, if anything."""
        user = self._user(rollout, _reference(spec))
        before = self._users.get(rollout.key)
        self._users[rollout.key] = user
        if before != user:
            self._wake_rivals_of(before, user)
        self._cache.follow(rollout.key, {user.wish.name, *_asked(rollout)})
        first = self._first(user)
        if first is not None:
            return _taken(user, first)
        problem = self._routes.find(user.wish).problem
        return RouteMissingError(problem) if problem is not None else None

    def leave(self, rollout: Rollout) -> None:
        """Take in that the spec in force names no VirtualService; a refused one still may."""
        gone = self._users.pop(rollout.key, None)
        self._told.pop(rollout.key, None)
        self._cache.follow(rollout.key, _asked(rollout))
        self._wake_rivals_of(gone)

    async def set(self, rollout: Rollout, spec: RolloutSpec, target: RouteTarget) -> bool:
        """Give the canary the weight of `target`; return whether something was written.

        What cannot be split as a whole is told nothing but to give the canary nothing.

        Raises:
            RouteMissingError: also where the canary keeps a share that nobody is there to take.
        """
        user = self._user(rollout, _reference(spec))
        problem = self.contested(rollout, spec)
        if problem is not None and target.weight > 0:
            raise problem
        if rollout.deleting:
            return False
        found = self._routes.find(user.wish)
        urgent = found.weight is None or found.weight > target.weight
        if urgent:
            written = await self._split(user, target, urgent=True)
            written = await self._policies.write(rollout, spec) or written
        else:
            written = await self._policies.write(rollout, spec)
            written = await self._split(user, target, urgent=False) or written
        await self._policies.remove_others(rollout, spec)
        if problem is not None and self._routes.find(user.wish).is_stuck:
            raise problem
        return written

    def is_finished(self, rollout: Rollout) -> bool:  # noqa: ARG002
        """Return True: one write does it."""
        return True

    async def _split(self, user: _User, target: RouteTarget, *, urgent: bool) -> bool:
        wish, key = user.wish, user.key
        place: Place = (key.namespace, key.name)
        told = [target.weight, target.rejected, target.rejected_because]

        def operations(seen: dict[str, Any]) -> list[Operation]:
            changes = operations_for(wish, key, seen, target)
            if changes:
                what = f"VirtualService {wish.name}"
                self._convergence.check(place, told, what, urgent=urgent)
            return changes

        written = await self._routes.change(wish, operations)
        self._told[key] = target.weight
        seen = self._routes.seen(wish)
        if written:
            self._convergence.written(place, told, told)
            if seen is not None and operations_for(wish, key, seen, target):
                raise DriftConflictError(
                    f"VirtualService {wish.name} was told {target.weight} % and does not have it: "
                    "an admission webhook changes it. Exclude it from that webhook.",
                    retry_after=_WEBHOOK_PAUSE,
                )
        return written

    def _who(self, rollout: Rollout, spec: RolloutSpec | None) -> _User | None:
        """Return what a rollout refers to by its spec in force; None for nothing, or unknown."""
        if spec is None:
            known = self._users.get(rollout.key)
            return known if known is not None and known.order[1] == rollout.uid else None
        reference = spec.traffic.virtual_service
        return self._user(rollout, reference) if reference is not None else None

    def _user(self, rollout: Rollout, reference: VirtualServiceReference) -> _User:
        told = self._told.get(rollout.key, 0)
        wish = self._routes.wish(rollout, reference.name, reference.routes, told)
        return _User(rollout.key, wish, (rollout.created, rollout.uid))

    def _others(self, user: _User) -> list[_User]:
        return [one for one in self._users.values() if one.key != user.key]

    def _first(self, user: _User) -> _User | None:
        """Return who comes first of those that name one of its routes; None if it does."""
        rivals = [one for one in self._others(user) if one.collides_with(user)]
        first = min(rivals, key=lambda one: one.order, default=None)
        return first if first is not None and first.order < user.order else None

    def _wake_rivals_of(self, *users: _User | None) -> None:
        for user in filter(None, users):
            for other in (*self._others(user), *self._losers.values()):
                if other.key != user.key and other.collides_with(user):
                    self._wake(other.key)

    def _forget(self, place: Place) -> None:
        key = Key(*place)
        gone = self._users.pop(key, None)
        self._told.pop(key, None)
        self._losers.pop(key, None)
        self._cache.follow(key, ())
        self._convergence.forget(place)
        self._wake_rivals_of(gone)


def _asked(rollout: Rollout) -> Iterator[str]:
    """Yield which VirtualService the newest spec names, whether that is in force or refused."""
    reference = reference_of(rollout.spec)
    name = reference.get("name") if isinstance(reference, Mapping) else None
    if isinstance(name, str):
        yield name


def _reference(spec: RolloutSpec) -> VirtualServiceReference:
    reference = spec.traffic.virtual_service
    if reference is None:
        raise ValueError("this router is for specs that name a VirtualService")
    return reference


def _taken(user: _User, other: _User) -> HostConflictError:
    common = {*user.wish.routes} & {*other.wish.routes}
    which = f"route {min(common)}" if common else "the routes"
    return HostConflictError(
        f"CanaryRollout {other.key.name} splits {which} of VirtualService {user.wish.name} too, "
        "and comes first. Name another route in one of the two, or delete that one.",
        is_watched=True,
    )
