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
