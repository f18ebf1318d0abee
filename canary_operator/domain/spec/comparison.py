"""Whether the canary is worse than stable: how that is asked."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from canary_operator.domain.spec.kinds import clumping, duration, percentage, whole
from canary_operator.domain.spec.schema import Written

MOST_WINDOWS = 1000
MOST_ODDS = 1_000_000


class Healthy(Written):
    """When the canary counts as proven to be no worse than stable."""

    margin: Annotated[float, percentage(with_hundred=True)] = 0.005
    """By how much more often than stable a healthy canary may fail; 0.5% when left out."""

    risk: Annotated[float, percentage()] = 0.05
    """Risk of calling a canary healthy that is worse by more than that; 5% when left out."""

    min_windows: Annotated[int, whole(2, MOST_WINDOWS)] = 6
    """Intervals with requests that one step needs for a proof; 6 when left out."""

    advance_early: bool = Field(default=False, strict=True)
    """Whether a proof ends the hold of a step before its time."""


class Guardrail(Written):
    """What happens when both versions fail."""

    max_bad: Annotated[float, percentage(with_hundred=True)] = 0.1
    """Share of bad requests above which, with both versions, a shared cause is suspected; 10% when
    left out. A latency check with a percentile allows its own share of slow requests on top."""

    max_hold: Annotated[timedelta, duration(timedelta(seconds=1))] = timedelta(minutes=10)
    """How long the weight is held because of that; 10m when left out."""

    then: Literal["Rollback", "Wait"] = "Rollback"
    """What happens after that; Rollback when left out."""


class Comparison(Written):
    """Whether the canary is worse than stable, over the same seconds."""

    false_rollback_risk: Annotated[float, percentage()] = 0.01
    """Risk that a rollout of a canary that is no worse ends in a rollback, shared by the metrics;
    1% when left out."""

    tolerance: Annotated[float, percentage(with_zero=True)] = 0.0
    """By how much more often than stable the canary may fail; 0% when left out. 0.05% is wise
    above about 500 requests/s."""

    healthy: Healthy = Healthy()
    """When the canary counts as proven to be no worse than stable."""

    min_windows: Annotated[int, whole(2, MOST_WINDOWS)] = 3
    """Intervals with requests that a rollback needs; 3 when left out."""

    error_clumping: Annotated[float | None, clumping()] = None
    """Failures come in clumps of up to so many requests; auto, learnt from stable's past, when
    left out."""

    hold_at_odds: Annotated[int, whole(1, MOST_ODDS)] = 10
    """Odds that the canary is worse from which the weight is not raised; 10 when left out."""

    guardrail: Guardrail = Guardrail()
    """What happens when both versions fail."""

    on_insufficient_data: Literal["Advance", "Wait", "Rollback"] = "Advance"
    """What happens when the hold is over and neither harm nor health is proven; Advance when left
    out: nothing speaks against the canary."""
