"""What the engine needs from the outside, in the engine's own words.

Reads come from caches that watches keep fresh, so they are plain functions and cost no request.
Writes are coroutines; each sends nothing when the world already looks as asked, may be repeated
after a crash, and raises only errors of `domain.errors`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from canary_operator.domain.looks import Stretch
from canary_operator.domain.notices import Notice
from canary_operator.domain.readings import Readings
from canary_operator.domain.spec import RolloutSpec
from canary_operator.ports.rollouts import Accepted, Key, Rollout, Rollouts
from canary_operator.ports.traffic import Lender, TrafficRouter
from canary_operator.ports.workloads import Workloads

__all__ = [
    "Accepted",
    "EventSink",
    "Key",
    "Lender",
    "Measure",
    "MetricsSource",
    "Ports",
    "Rollout",
    "Rollouts",
    "TrafficRouter",
    "Workloads",
]


@dataclass(frozen=True, slots=True)
class Measure:
    """One check to be made: everything that a source of measurements must know."""

    key: Key
    spec: RolloutSpec
    about: Stretch
    """When the check is, and how far it looks back."""


class MetricsSource(Protocol):
    """Knows how both versions behave."""

    async def read(self, measures: Sequence[Measure]) -> Mapping[Key, Readings]:
        """Return what was measured for each of the rollouts.

        Never raises for a source that is down, slow or talks nonsense: then something is Missing.
        """
        ...

    async def try_out(self, key: Key, spec: RolloutSpec) -> None:
        """Ask whether the custom queries of a new spec can be run; takes a moment at most.

        A source that cannot be asked says nothing against a spec.

        Raises:
            InvalidSpecError: a query is rejected; the message is the source's, with the position.
        """
        ...


class EventSink(Protocol):
    """Tells people."""

    def tell(self, rollout: Rollout, notice: Notice) -> None:
        """Publish an Event, some time soon; equal ones are counted, not repeated."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything the engine talks to."""

    rollouts: Rollouts
    workloads: Workloads
    router: TrafficRouter
    metrics: MetricsSource
    events: EventSink
    lenders: Mapping[str, Lender] = field(default_factory=dict)
    """By the kind of objects that they know."""
