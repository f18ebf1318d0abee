"""What holds at a moment of a scenario: which events have begun and which are over."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from canary_operator.plugin.offline.simulation.scenario import Change, Event, Scenario
from canary_operator.plugin.offline.simulation.traffic import Behaviour


@dataclass(frozen=True, slots=True)
class Conditions:
    """Everything that is so now."""

    rps: float
    canary: Behaviour
    """Of the pods of the new version, wherever they serve."""
    stable: Behaviour
    bypass: bool = False
    prometheus_down: bool = False
    crash: bool = False
    queries: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a rollout has come."""

    time: timedelta
    """Since it began."""
    step: int = 0
    """Steps whose weight the canary has had."""
    promoting: bool = False


@dataclass(slots=True)
class Stage:
    """Follows a scenario; time only goes forward."""

    scenario: Scenario
    conditions: Conditions = field(init=False)
    _waiting: list[Event] = field(init=False)
    _active: list[tuple[timedelta | None, Event]] = field(default_factory=list)
    """What has begun, each with its end."""

    def __post_init__(self) -> None:
        self._waiting = [*self.scenario.events]
        self.conditions = self._conditions()

    def advance(self, reached: Reached) -> tuple[Sequence[Event], Sequence[Event]]:
        """Follow the scenario; return the events that begin now, and those that are over now."""
        over = [event for ends, event in self._active if ends is not None and ends <= reached.time]
        begun = [event for event in self._waiting if _is_due(event, reached)]
        if begun or over:
            self._waiting = [event for event in self._waiting if event not in begun]
            self._active = [one for one in self._active if one[1] not in over]
            self._active += [(_end_of(event, reached.time), event) for event in begun]
            self.conditions = self._conditions()
        return begun, over

    def next_at(self, now: timedelta) -> timedelta | None:
        """Return when something begins or ends next, as far as a time says so."""
        return min((moment for moment in self._moments() if moment > now), default=None)

    def _moments(self) -> Iterator[timedelta]:
        yield from (ends for ends, _ in self._active if ends is not None)
        for event in self._waiting:
            if event.at.step is None and not event.at.promotion:
                yield event.at.after

    def _conditions(self) -> Conditions:
        """Return what holds; of several events the latest counts."""
        scenario = self.scenario
        usual = Behaviour(scenario.base_error_rate, 0.0, scenario.base_latency)
        found = Conditions(scenario.rps, usual, usual, queries=scenario.queries)
        for _, event in self._active:
            found = _with(found, event)
        return found


def _is_due(event: Event, reached: Reached) -> bool:
    at = event.at
    if at.promotion:
        return reached.promoting
    return reached.step >= at.step if at.step is not None else reached.time >= at.after


def _end_of(event: Event, now: timedelta) -> timedelta | None:
    return None if event.lasts is None else now + event.lasts


def _with(before: Conditions, event: Event) -> Conditions:
    return Conditions(
        rps=before.rps if event.rps is None else event.rps,
        canary=_changed(before.canary, event.canary),
        stable=_changed(before.stable, event.stable),
        bypass=before.bypass or event.bypass,
        prometheus_down=before.prometheus_down or event.prometheus_down,
        crash=before.crash or event.crash,
        queries={**before.queries, **event.queries},
    )


def _changed(before: Behaviour, change: Change) -> Behaviour:
    return Behaviour(
        before.errors if change.errors is None else change.errors,
        before.hang_up if change.hang_up is None else change.hang_up,
        before.latency if change.latency is None else change.latency,
    )
