"""What an operator sees of a world: all of it at once, or through caches that watches feed.

The caches keep the promises of `adapters/cluster/cache.py` and no others: the answer to a write is
seen at once and holds the whole object as it is then; everything else is seen when the watch of
its kind tells, in the order in which it happened; what is older than what is known is ignored. A
kind may lag while another is fresh. A process that starts reads everything.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from canary_operator.domain.situation import RouteState, ScalerState, TrackState
from canary_operator.ports import Accepted, Rollout

if TYPE_CHECKING:
    from canary_operator.testing.memory import World

ROLLOUT, SERVICES, ROUTE, RECORD = "rollout", "services", "route", "record/"
AUTOSCALER = "autoscaler/"
TRACKS = ("stable", "canary")
KINDS = ("rollouts", "deployments", "autoscalers", "services", "route", "records")
"""Each has a watch of its own."""


class Sight(Protocol):
    """What one operator process knows of one rollout."""

    def rollout(self) -> Rollout:
        """Return the CanaryRollout as last seen."""
        ...

    def track(self, track: str) -> TrackState:
        """Return a Deployment as last seen."""
        ...

    def services(self) -> bool:
        """Whether the Services were there when last seen."""
        ...

    def route(self) -> RouteState:
        """Return the router's object as last seen."""
        ...

    def records(self) -> Sequence[Accepted]:
        """Return the records as last seen, in no order."""
        ...

    def learned(self, place: str) -> None:
        """Take in an answer of the API server about the object at `place`."""
        ...


@dataclass(frozen=True, slots=True)
class Live:
    """No cache: everything is seen as it is."""

    world: "World"

    def rollout(self) -> Rollout:
        """Return the CanaryRollout."""
        world = self.world
        return Rollout(
            key=world.key,
            uid="uid",
            resource_version=str(world.version),
            generation=world.generation,
            spec=world.spec,
            status=world.status,
            request=world.request,
            deleting=world.deleting,
            finalizers=world.finalizers,
            anchor="anchor" if world.is_anchored else None,
        )

    def track(self, track: str) -> TrackState:
        """Return a Deployment."""
        found, scaler = self.world.deployments.get(track), self.scaler(track)
        return replace(found.state() if found else TrackState(), scaler=scaler)

    def scaler(self, track: str) -> ScalerState | None:
        """Return the autoscaler of a Deployment."""
        found = self.world.autoscalers.get(track)
        return found.state() if found else None

    def services(self) -> bool:
        """Whether the Services are there."""
        return self.world.services

    def route(self) -> RouteState:
        """Return the router's object."""
        return self.world.route

    def records(self) -> Sequence[Accepted]:
        """Return the records."""
        return self.world.records

    def learned(self, place: str) -> None:
        """Do nothing: it is known already."""


@dataclass(frozen=True, slots=True)
class _Told:
    place: str
    version: int
    content: Any
    """None for an object that is gone."""


class Watches:
    """Notes what happens to a world, as its API server does for all who watch."""

    def __init__(self, world: "World") -> None:
        self.live = Live(world)
        self._version = 0
        self.latest: dict[str, _Told] = {}
        self.events: dict[str, list[_Told]] = defaultdict(list)
        self.note()

    def note(self) -> None:
        """Note what is different from the last time; to be called after each change."""
        objects = dict(self._objects())
        gone = {place: None for place in self.latest if place not in objects}
        for place, content in {**objects, **gone}.items():
            before = self.latest.get(place)
            if before is None or before.content != content:
                self._version += 1
                told = _Told(place, self._version, content)
                self.latest[place] = told
                self.events[kind_of(place)].append(told)

    def _objects(self) -> Iterator[tuple[str, Any]]:
        live = self.live
        yield ROLLOUT, live.rollout()
        for track in TRACKS:
            if (state := live.track(track)).exists:
                yield track, replace(state, scaler=None)
            if scaler := live.scaler(track):
                yield AUTOSCALER + track, scaler
        if live.services():
            yield SERVICES, True
        if (route := live.route()).exists:
            yield ROUTE, route
        for record in live.records():
            yield f"{RECORD}{record.revision}", record


def kind_of(place: str) -> str:
    """Return whose watch tells of the object at `place`."""
    if place.startswith(RECORD):
        return "records"
    if place.startswith(AUTOSCALER):
        return "autoscalers"
    return {ROLLOUT: "rollouts", SERVICES: "services", ROUTE: "route"}.get(place, "deployments")


class Caches:
    """What one process has seen: a list of everything at first, then what watches tell."""

    def __init__(self, watches: Watches) -> None:
        watches.note()
        self._watches = watches
        self._held = dict(watches.latest)
        self._position = {kind: len(watches.events[kind]) for kind in KINDS}

    def behind(self, kind: str) -> int:
        """Return how much the watch of `kind` has still to tell."""
        return len(self._watches.events[kind]) - self._position[kind]

    def tell(self, kind: str, most: int | None = None) -> bool:
        """Let the watch of `kind` tell of the next changes; return whether there was one."""
        events, begin = self._watches.events[kind], self._position[kind]
        end = len(events) if most is None else min(begin + most, len(events))
        self._position[kind] = end
        for told in events[begin:end]:
            self._take_in(told)
        return end > begin

    def repeat(self, kind: str, most: int) -> None:
        """Let the watch of `kind` tell once more what it told last."""
        end = self._position[kind]
        for told in self._watches.events[kind][max(0, end - most) : end]:
            self._take_in(told)

    def learned(self, place: str) -> None:
        """Take in the object at `place` as it is, because a write was answered with it."""
        self._watches.note()
        told = self._watches.latest.get(place)
        if told is not None:
            self._take_in(told)

    def _take_in(self, told: _Told) -> None:
        known = self._held.get(told.place)
        if known is None or known.version < told.version:
            self._held[told.place] = told

    def _content(self, place: str) -> Any:
        told = self._held.get(place)
        return told.content if told else None

    def rollout(self) -> Rollout:
        """Return the CanaryRollout as last seen."""
        rollout: Rollout = self._content(ROLLOUT)
        return rollout

    def track(self, track: str) -> TrackState:
        """Return a Deployment as last seen."""
        found: TrackState = self._content(track) or TrackState()
        return replace(found, scaler=self._content(AUTOSCALER + track))

    def services(self) -> bool:
        """Whether the Services were there when last seen."""
        return bool(self._content(SERVICES))

    def route(self) -> RouteState:
        """Return the router's object as last seen."""
        return self._content(ROUTE) or RouteState()

    def records(self) -> Sequence[Accepted]:
        """Return the records as last seen, in no order."""
        held = (told.content for told in self._held.values() if told.place.startswith(RECORD))
        return [content for content in held if content is not None]
