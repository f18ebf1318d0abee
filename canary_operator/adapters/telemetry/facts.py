"""What happened to a rollout between two looks at its status. Pure.

The status says what was recorded, so a fact is counted when the API server has it, and once: a
write that failed is not there, and one whose answer was lost is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile

from canary_operator.adapters.telemetry.states import Ended, State
from canary_operator.domain.status import Outcome


@dataclass(frozen=True, slots=True)
class Facts:
    """What is new."""

    checks: tuple[tuple[str, str], ...] = ()
    """Metric and verdict of each check."""
    promotions: int = 0
    rollbacks: tuple[str, ...] = ()
    """Why, in one word each."""
    times_to_rollback: tuple[timedelta, ...] = ()
    """From the start of a rollout until all traffic was back on stable."""


def facts_between(before: State, after: State) -> Facts:
    """Return what happened to one rollout after `before`, up to `after`."""
    new = _new_endings(before, after)
    return Facts(
        checks=tuple((n, v) for n, v, at in after.judged if (n, v, at) not in before.judged),
        promotions=sum(outcome is Outcome.PROMOTED for _, outcome, *_ in new),
        rollbacks=tuple(reason for _, outcome, reason, *_ in new if outcome is Outcome.ROLLED_BACK),
        times_to_rollback=tuple(_times(before, after)),
    )


def _new_endings(before: State, after: State) -> tuple[Ended, ...]:
    """Return the rollouts that ended: those above the newest that was known."""
    if not before.ended:
        return after.ended
    return tuple(takewhile(lambda one: one != before.ended[0], after.ended))


def _times(before: State, after: State) -> Iterator[timedelta]:
    """Tell how long a rollback took, when the canary has no traffic any more.

    That is a later look where stable had no pod, or the router could not be told.
    """
    ending = after.ended[0] if after.ended else None
    if ending is None or ending[1] is not Outcome.ROLLED_BACK or after.weight > 0:
        return
    known = bool(before.ended) and before.ended[0] == ending
    if known and before.weight == 0:
        return
    *_, started, finished = ending
    took = max(finished, after.traffic_off_at or finished) - started
    yield max(took, timedelta())  # the wall clock may have been set back
