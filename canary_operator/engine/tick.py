"""One tick: observe → decide → apply, for one rollout at a time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from canary_operator.domain.actions import Hold
from canary_operator.domain.decide import Decision, decide
from canary_operator.domain.errors import SurroundingsError
from canary_operator.domain.notices import Notice
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import Problem, Settings, Situation, Wanted
from canary_operator.engine.accept import Acceptance, Acceptor
from canary_operator.engine.apply import Applied, WriteError, carry_out
from canary_operator.engine.checks import Checks
from canary_operator.engine.journal import write_down
from canary_operator.engine.observe import observe
from canary_operator.ports import Key, Look, Ports, Rollout, Silence, Telemetry

FIRST_RETRY = timedelta(seconds=0.5)
LONGEST_RETRY = timedelta(seconds=30)
URGENT_RETRY = timedelta(seconds=3)
"""Longest pause while traffic is to be taken from a canary and the router does not take it."""
RECORDS_KEPT = 10
"""Accepted revisions that are kept for going back to."""


@dataclass(frozen=True, slots=True)
class Next:
    """When a rollout wants to be looked at again."""

    again: bool = False
    """At once: something was recorded, so another rule may have an opinion now."""
    at: datetime | None = None
    """At this time, if nothing happens before."""


@dataclass(frozen=True, slots=True)
class _Trouble:
    """A write that failed: shown to the user, and tried again with growing pauses."""

    problem: Problem
    attempts: int
    retry_at: datetime


@dataclass(frozen=True, slots=True)
class _Reached:
    """What a rollout's objects were last made to look like, and what that followed from."""

    asked: Mapping[str, object]
    wanted: Wanted | None
    problem: Problem | None
    """What keeps the world from being all that is wanted."""


class Ticker:
    """Runs ticks. What it keeps in memory only saves work: a restart loses nothing that matters."""

    def __init__(
        self,
        ports: Ports,
        settings: Settings,
        checks: Checks,
        clock: Callable[[], datetime],
        telemetry: Telemetry | None = None,
    ) -> None:
        self._ports = ports
        self._telemetry = telemetry or Silence()
        self._settings = settings
        self._checks = checks
        self._clock = clock
        self._acceptor = Acceptor(ports, settings)
        self._troubles: dict[Key, _Trouble] = {}
        self._reached: dict[Key, _Reached] = {}

    async def tick(self, key: Key) -> Next:
        """Look at one rollout and do what is due.

        Raises:
            ConflictError: the rollout changed meanwhile; its watch event will wake it.
            SurroundingsError: the API server did not take the record of the decision.
        """
        rollout = self._ports.rollouts.get(key)
        if rollout is None or rollout.deleting:
            self._forget(key)
            return Next()
        now = self._clock()
        acceptance = await self._acceptor.accept(rollout, now)
        trouble = self._troubles.get(key)
        situation = observe(
            rollout,
            acceptance,
            ports=self._ports,
            settings=self._settings,
            trouble=trouble.problem if trouble else None,
            check=self._checks.result(key),
            now=now,
        )
        self._telemetry.looked(_look(rollout, situation))
        decision = decide(situation)
        applied = await carry_out(decision, rollout, situation, self._ports)
        decision = applied.decision
        write_down(key, situation, decision)
        self._checks.recorded(key, situation.check)
        self._checks.start_if_due(key, self._after(situation, decision))
        await self._clean_up(rollout, decision)
        self._report_drift(rollout, acceptance, applied)
        changed = self._note_trouble(key, applied.error, decision, now)
        return self._next(key, decision, applied, changed, acceptance.retry_at)

    def _forget(self, key: Key) -> None:
        self._telemetry.gone(key)
        self._acceptor.forget(key)
        self._checks.forget(key)
        self._troubles.pop(key, None)
        self._reached.pop(key, None)

    def forget_all(self) -> None:
        """Drop everything that saves work: another operator may have led since."""
        self._telemetry.forget_all()
        self._acceptor.forget_all()
        self._troubles.clear()
        self._reached.clear()

    def _after(self, situation: Situation, decision: Decision) -> Situation:
        return replace(situation, status=decision.status, check=None)

    def _report_drift(self, rollout: Rollout, acceptance: Acceptance, applied: Applied) -> None:
        """Tell of objects that had to be written although nothing new was asked of them."""
        reached = self._reached.pop(rollout.key, None)
        if applied.error is not None:
            return
        now = _Reached(applied.asked, acceptance.wanted, acceptance.problem)
        self._reached[rollout.key] = now
        if reached is None or (reached.wanted, reached.problem) != (now.wanted, now.problem):
            return
        same = [one for one in applied.written if reached.asked.get(one, now) == now.asked[one]]
        if same:
            what = ", ".join(same)
            words = f"Somebody changed or deleted {what}; it was set back."
            self._ports.events.tell(rollout, Notice("Warning", Reason.DRIFT_REPAIRED, words))

    def _note_trouble(
        self, key: Key, error: WriteError | None, decision: Decision, now: datetime
    ) -> bool:
        """Remember or clear what stands in the way; return whether the user must be told."""
        before = self._troubles.pop(key, None)
        if error is None:
            return before is not None
        problem = Problem.quoted(error.reason, error.message, heals=True)
        attempts = before.attempts + 1 if before else 0
        longest = URGENT_RETRY if decision.traffic_first else LONGEST_RETRY
        pause = min(FIRST_RETRY * 2 ** min(attempts, 10), longest)
        asked = error.retry_after if isinstance(error, SurroundingsError) else None
        retry_at = now + (asked or pause)
        self._troubles[key] = _Trouble(problem, attempts, retry_at)
        return before is None or before.problem != problem

    def _next(
        self,
        key: Key,
        decision: Decision,
        applied: Applied,
        trouble_changed: bool,
        retry_at: datetime | None,
    ) -> Next:
        trouble = self._troubles.get(key)
        moments = (decision.wake_at, retry_at, trouble.retry_at if trouble else None)
        again = trouble_changed or (applied.recorded and applied.error is None)
        return Next(again, min((m for m in moments if m is not None), default=None))

    async def _clean_up(self, rollout: Rollout, decision: Decision) -> None:
        """Drop records of revisions that nobody will go back to."""
        if decision.status.canary_revision is not None or not isinstance(decision.action, Hold):
            return
        records = self._ports.workloads.records(rollout)
        needed = {decision.status.stable_revision, decision.status.rejected_revision}
        old = [r.revision for r in records[RECORDS_KEPT:] if r.revision not in needed]
        if old:
            await self._ports.workloads.forget(rollout, old)


def _look(rollout: Rollout, at: Situation) -> Look:
    return Look(rollout, at.status, at.wanted.spec if at.wanted else None)
