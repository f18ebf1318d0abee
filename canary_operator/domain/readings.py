"""What a source of measurements read for one check, before anything is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from canary_operator.domain.counts import Buckets, Count, Durations, Traffic


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that could not be measured."""

    why: str
    """One line for people, in our words."""


NOT_MEASURED = Missing("not measured, the operator's log says why")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the proxies counted in one stretch of time."""

    length: timedelta
    traffic: Traffic | Missing
    durations: Durations | Missing = field(default_factory=dict)
    """Empty where nobody asked for it."""


@dataclass(frozen=True, slots=True)
class Past:
    """What each of stable's pods did before the rollout, in windows of equal length."""

    requests: Sequence[Mapping[str, Count]] = ()
    """For each window the counts of each pod, by a name of its series."""
    durations: Sequence[Mapping[str, Buckets]] = ()


@dataclass(frozen=True, slots=True)
class Readings:
    """Everything that was read for one check of one rollout."""

    at: datetime
    """The end of `window` and `since_last`."""
    window: Seen | None = None
    """The analysis window, for limits; None where no limit has to be judged yet."""
    since_last: Seen | None = None
    """The time since the last look, for the comparison; None where nothing is compared."""
    answers: Mapping[str, "Answer"] = field(default_factory=dict)
    """What each custom query gave, by the name of its metric."""
    past: Past | Missing | None = None
    """What stable did before the rollout; None where nobody asked for it."""


Answer: TypeAlias = Sequence[float] | Missing
