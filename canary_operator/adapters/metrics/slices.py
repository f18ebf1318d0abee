"""Stretches of time that queries look at; equal ones share a query."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from canary_operator.domain.looks import slot_of

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of time."""

    window: timedelta
    ends_at: datetime


def past_slice(until: datetime, interval: timedelta) -> Slice:
    """Return the last of the windows of a past that ends at `until`, or a moment before.

    Rollouts that begin at about the same time have the same one. It ends at a whole second, as
    ranges are asked for in those; halves would be rounded at each end on its own.
    """
    slot = until - (until - _EPOCH) % slot_of(interval)
    return Slice(interval, slot.replace(microsecond=0))
