"""When a rollout that is played is over, and what it came to."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from canary_operator.domain.figures import in_milliseconds
from canary_operator.domain.latency import slower_than
from canary_operator.domain.phase import Phase
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.status import HistoryEntry, Outcome
from canary_operator.plugin.offline.simulation.timeline import End, Ending, Hurt
from canary_operator.plugin.offline.simulation.traffic import NEW, Counts, Kinds

SHORT_PATIENCE = timedelta(minutes=5)


def is_over(status: Mapping[str, Any], *, brief: bool) -> bool:
    """Whether a rollout has ended.

    Args:
        status: As it is recorded.
        brief: Whether it is enough that the end is certain and the canary has no traffic.
    """
    if brief:
        return bool(status.get("history")) and not status.get("weight")
    resting = status.get("phase") in {Phase.STABLE, Phase.ROLLED_BACK}
    return resting and bool(status.get("history"))


def standing(status: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return where a rollout stands; while that stays the same, there is no progress."""
    return status.get("phase"), status.get("weight"), status.get("failedChecks")


def patience(spec: RolloutSpec, phase: str | None) -> timedelta:
    """Return the time without progress after which a rollout does not go on by itself.

    It is longer than everything that the operator would wait for.
    """
    checks = 10 * spec.analysis.interval
    if phase == Phase.PAUSED:
        return max(SHORT_PATIENCE, checks)
    strategy, terms = spec.strategy, spec.analysis.comparison
    hold = max(step.hold for step in strategy.resolved_steps)
    outage = terms.guardrail.max_hold if terms else timedelta()
    window = spec.analysis.window or timedelta(minutes=5)
    return hold + strategy.progress_deadline + outage + window + checks + SHORT_PATIENCE


def end_of(status: Mapping[str, Any], started: datetime, since: datetime, hurt: Hurt) -> End:
    """Return what a rollout came to.

    Args:
        status: As it is recorded.
        started: When it began.
        since: When it last made progress, which counts where it has not ended.
        hurt: What its callers went through.
    """
    if not status.get("history"):
        return _unfinished(status, since - started, hurt)
    entry = HistoryEntry.model_validate(status["history"][0])
    promoted = entry.outcome is Outcome.PROMOTED
    return End(
        ending=Ending.PROMOTED if promoted else Ending.ROLLED_BACK,
        reason=entry.reason,
        message=entry.message,
        took=entry.finished_at - started,
        max_weight=entry.max_weight,
        hurt=hurt,
    )


def _unfinished(status: Mapping[str, Any], took: timedelta, hurt: Hurt) -> End:
    conditions = {one["type"]: one["reason"] for one in status.get("conditions") or ()}
    return End(
        ending=Ending.WAITING,
        reason=conditions.get("Paused") or conditions.get("Ready") or "",
        message=status.get("message") or "",
        took=took,
        max_weight=(status.get("attempt") or {}).get("maxWeight") or 0,
        hurt=hurt,
    )


def hurt_by(counts: Counts, kinds: Kinds, spec: RolloutSpec) -> Hurt:
    """Return what the pods of the new version did to their callers.

    Args:
        counts: Of the rollout alone.
        kinds: Which number is which among them.
        spec: Its first latency metric says what is slow.
    """
    count = kinds.count(counts, NEW)
    bound = next((one.latency.max for one in spec.analysis.metrics if one.latency), None)
    slow = None
    if bound is not None and kinds.timed:
        found = slower_than(kinds.histogram(counts, NEW), in_milliseconds(bound))
        slow = round(found.bad) if found else 0
    return Hurt(round(count.arrived), round(count.hurt), slow)
