"""When a rollout is looked at, and over which stretches of time.

Checks are made at the slots of a grid that all rollouts with the same interval share, so that
those that run at the same time ask the same questions and share the answers. A slot is a quarter of
the interval, or 5 s where that is less, and a first check waits for the next one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from canary_operator.domain.phase import ON_TRIAL
from canary_operator.domain.situation import Situation

MOST_SLOTS = 4
"""Slots of one interval: so many groups of rollouts ask at different times at most."""

SHORTEST_SLOT = timedelta(seconds=5)

MOST_INTERVALS = 4
"""A comparison that missed looks reaches back so far, while nobody else asks for that long."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


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


def slot_of(interval: timedelta) -> timedelta:
    """Return the distance of the moments at which rollouts with `interval` are looked at.

    Example:
        >>> slot_of(timedelta(seconds=30)), slot_of(timedelta(seconds=10))
        (datetime.timedelta(seconds=7, microseconds=500000), datetime.timedelta(seconds=5))
    """
    return interval / max(1, min(MOST_SLOTS, interval // SHORTEST_SLOT))


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
        return _next_slot(last.at + analysis.interval, analysis.interval)
    first = analysis.interval if analysis.comparison else _window(at)
    return _next_slot(applied + first, analysis.interval)


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


def _next_slot(moment: datetime, interval: timedelta) -> datetime:
    slot = slot_of(interval)
    return moment + (_EPOCH - moment) % slot
