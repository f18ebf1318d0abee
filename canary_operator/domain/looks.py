"""When a rollout is looked at, and over which stretches of time.

Checks are made at the slots of a grid that all rollouts with the same interval share, so that
those that run at the same time ask the same questions and share the answers. A slot is a quarter of
the interval, or 5 s where that is less, and a first check waits for the next one. Where many
rollouts are checked, slots are halved until few enough are due in the same moment.

A rollout keeps its place on the grid while its weight and its interval stay. So how many others
there are matters to a first check only, which comes up to one slot later, and an operator that
counts them anew after a restart goes on exactly where the last one stopped.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from canary_operator.domain.phase import ON_TRIAL
from canary_operator.domain.situation import Situation

MOST_SLOTS = 4
"""Slots of one interval: so many groups of rollouts ask at different times at most."""

SHORTEST_SLOT = timedelta(seconds=5)
"""Of a grid that is not crowded."""

FEW = 200
"""So many rollouts are looked at in the slots above: what they ask does not grow with them."""

MOST_AT_ONCE = 50
"""Rollouts due in one moment, on average, where there are more than a few."""

FINEST_SLOT = timedelta(milliseconds=250)
"""Shorter slots would not spread the work any more: checks wait for each other that long."""

MOST_INTERVALS = 4
"""A comparison that missed looks reaches back so far, while nobody else asks for that long."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_EVERYBODY = 10**9
"""More rollouts than there are: their grid is the finest."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a check is about."""

    at: datetime
    """The end; a slot of the grid, and not later than now."""
    window: timedelta | None
    """What limits look back on; None where none does, or the weight was not in force so long."""
    since_last: timedelta | None
    """What the comparison looks back on; None where nothing is compared."""
    past_until: datetime | None = None
    """Until when stable's past is asked for; None where it is known or of no use."""


def slots_of(interval: timedelta, checked: int = 1) -> int:
    """Return at how many moments of one interval rollouts are looked at, evenly apart.

    Args:
        interval: Of their checks.
        checked: Rollouts that the operator checks, of any interval: they share its core.

    Example:
        >>> [slots_of(timedelta(seconds=30), checked) for checked in (1, 200, 201, 500, 2000)]
        [4, 4, 8, 16, 64]
        >>> [slots_of(timedelta(seconds=10), checked) for checked in (200, 2000)]
        [2, 32]
    """
    slots = max(1, min(MOST_SLOTS, interval // SHORTEST_SLOT))
    while checked > max(FEW, MOST_AT_ONCE * slots) and interval / (2 * slots) >= FINEST_SLOT:
        slots *= 2
    return slots


def slot_of(interval: timedelta) -> timedelta:
    """Return the longest time between the moments at which rollouts with `interval` are looked at.

    Example:
        >>> slot_of(timedelta(seconds=30)), slot_of(timedelta(seconds=10))
        (datetime.timedelta(seconds=7, microseconds=500000), datetime.timedelta(seconds=5))
    """
    return interval / slots_of(interval)


def next_slot(moment: datetime, interval: timedelta, checked: int = 1) -> datetime:
    """Return the first slot at `moment` or later.

    Slots are whole milliseconds, which is what a status tells, and repeat by the interval exactly.
    Those of a finer grid are between those of the coarser one, which all stay.

    Example:
        >>> next_slot(datetime(2026, 1, 1, 12, 0, 1, tzinfo=UTC), timedelta(seconds=30))
        datetime.datetime(2026, 1, 1, 12, 0, 7, 500000, tzinfo=datetime.timezone.utc)
    """
    slots, length = slots_of(interval, checked), -(-interval // _MILLISECOND)
    passed = -((_EPOCH - moment) // _MILLISECOND)
    number = -(-passed * slots // length)
    return _EPOCH + number * length // slots * _MILLISECOND


def next_check_at(at: Situation) -> datetime | None:
    """Return when the next check is due.

    None while the canary gets no traffic to measure, or no spec that we can read says how.
    """
    applied = at.status.weight_applied_at
    unmeasured = at.status.phase not in ON_TRIAL or at.weight == 0
    if at.wanted is None or unmeasured or applied is None:
        return None
    analysis, last = at.spec.analysis, at.attempt.last_check
    if last is not None:
        following = last.at + analysis.interval
        if following == next_slot(following, analysis.interval, _EVERYBODY):
            return following
        return next_slot(following, analysis.interval, at.checked)  # of an interval edited since
    first = analysis.interval if analysis.comparison else _window(at)
    return next_slot(applied + first, analysis.interval, at.checked)


def stretch_of(at: Situation, due: datetime) -> Stretch:
    """Return what a check that was due at `due` is about, if it is made now.

    One that is late by whole intervals, after a restart for example, is made for the latest slot.
    """
    applied, analysis = at.status.weight_applied_at or due, at.spec.analysis
    moment = due + (at.now - due) // analysis.interval * analysis.interval
    window = _window(at)
    if analysis.comparison is None:
        return Stretch(moment, window, None)
    limited = any(check.compared and check.has_limit for check in analysis.metrics)
    mixed = moment - window < applied  # samples of the weight before would be judged
    return Stretch(
        moment,
        window if limited and not mixed else None,
        _since_last(at, moment, applied),
        _past_until(at),
    )


def _window(at: Situation) -> timedelta:
    return at.spec.analysis.resolved_window(at.settings.scrape_interval)


def _since_last(at: Situation, moment: datetime, applied: datetime) -> timedelta:
    """Return the time since the last look; where that was at another weight, one interval."""
    interval, until = at.spec.analysis.interval, at.attempt.compared_until
    if until is None or until <= applied:
        return interval
    since = moment - until
    return since if timedelta() < since <= MOST_INTERVALS * interval else interval


def _past_until(at: Situation) -> datetime | None:
    """Return when stable's past ended, while the size of its clumps of failures is not known.

    It matters before harm can be proven, so it is not asked for later.
    """
    terms = at.spec.analysis.comparison
    if terms is None or terms.error_clumping is not None:
        return None
    known = {one.name: one for one in at.attempt.evidence}
    open_ = any(
        (one := known.get(check.name)) is None
        or (one.clumping is None and one.windows < terms.min_windows)
        for check in at.spec.analysis.metrics
        if check.compared
    )
    return at.attempt.started_at if open_ else None
