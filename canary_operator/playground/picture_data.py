"""What a picture of a rollout is drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Tone(StrEnum):
    """How an event feels; the value is its colour."""

    NEUTRAL = "#616e7c"
    GOOD = "#2f855a"
    BAD = "#c62f2f"


@dataclass(frozen=True)
class Moment:
    """What was measured at one time."""

    at: float
    """Seconds since the recording began."""
    weight: int
    """Of the canary, in whole percent."""
    canary_success: float | None = None
    """In percent; `None` while there is no measurement."""
    stable_success: float | None = None
    requests: Mapping[str, float] = field(default_factory=dict)
    """Per second, by version."""
    failed: float = 0.0
    """Failed requests per second."""


@dataclass(frozen=True)
class Event:
    """Something that happened, worth a line across the picture."""

    at: float
    label: str
    tone: Tone = Tone.NEUTRAL


@dataclass(frozen=True)
class Recording:
    """A whole run."""

    title: str
    moments: Sequence[Moment]
    """At least two, in order of time."""
    events: Sequence[Event] = ()
    threshold: float = 99.0
    """The success rate that a check asks for, in percent."""
    footnote: str = ""
    weights: Sequence[tuple[float, int]] = ()
    """When the weight changed, and to what; without it, the moments tell, a second late."""

    @property
    def steps(self) -> list[tuple[float, int]]:
        """Return time and weight of each change, from the first moment to the last."""
        first, last = self.moments[0].at, self.moments[-1].at
        known = self.weights or [(moment.at, moment.weight) for moment in self.moments]
        inside = [(max(at, first), weight) for at, weight in known if at <= last]
        start = inside[0] if inside else (first, self.moments[0].weight)
        end = inside[-1][1] if inside else self.moments[-1].weight
        return [(first, start[1] if start[0] <= first else 0), *inside, (last, end)]
