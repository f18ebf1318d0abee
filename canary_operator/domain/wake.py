"""When a rollout must be looked at again, if nothing happens before."""

from collections.abc import Iterator
from datetime import datetime

from canary_operator.domain.facts import PROGRESS_GRAIN
from canary_operator.domain.looks import next_check_at
from canary_operator.domain.phase import IN_STEPS
from canary_operator.domain.scaling import floor_falls_at
from canary_operator.domain.situation import Situation
from canary_operator.domain.steps import (
    CAPACITY_PATIENCE,
    PROXY_DELAY,
    deadline_at,
    hold_ends_at,
    scale_down_at,
)


def wake_at(at: Situation) -> datetime | None:
    """Return the earliest moment after now at which time alone may change the decision."""
    if at.wanted is None:
        return None
    return min((moment for moment in _moments(at) if moment > at.now), default=None)


def _moments(at: Situation) -> Iterator[datetime]:
    status, attempt = at.status, at.attempt
    off, workload = status.traffic_off_at, status.workload
    candidates = (
        hold_ends_at(at) if status.phase in IN_STEPS else None,
        next_check_at(at),
        deadline_at(at),
        scale_down_at(at),
        off + PROXY_DELAY if off else None,
        workload.replaced_at + PROXY_DELAY if workload else None,
        attempt.short_of_pods_since + CAPACITY_PATIENCE if attempt.short_of_pods_since else None,
    )
    yield from (moment for moment in candidates if moment is not None)
    yield from floor_falls_at(at)
    if status.progressed_at and status.phase in IN_STEPS:
        yield status.progressed_at + at.spec.strategy.progress_deadline / PROGRESS_GRAIN
