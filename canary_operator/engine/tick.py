"""One tick: observe → decide → apply, for one rollout at a time."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from canary_operator.domain.actions import Hold
from canary_operator.domain.decide import Decision, decide
from canary_operator.domain.errors import SurroundingsError
from canary_operator.domain.facts import take_in
from canary_operator.domain.notices import Notice
from canary_operator.domain.phase import ON_TRIAL
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import Problem, Settings, Situation, Wanted
from canary_operator.domain.status import RolloutStatus
from canary_operator.domain.target import Target
from canary_operator.engine.accept import Acceptance, Acceptor
from canary_operator.engine.apply import Applied, WriteError, carry_out
from canary_operator.engine.checks import Checks
from canary_operator.engine.journal import write_down
from canary_operator.engine.lending import Lending
from canary_operator.engine.observe import observe
from canary_operator.ports import Key, Ports, Rollout
from canary_operator.telemetry import Look, Silence, Telemetry

FIRST_RETRY = timedelta(seconds=0.5)
LONGEST_RETRY = timedelta(seconds=30)
URGENT_RETRY = timedelta(seconds=3)
"""Longest pause while traffic is to be taken from a canary and the router does not take it."""
MOST_UNSURE = 20
"""Decisions of one rollout that are remembered while none of them can be recorded."""
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

    target: Target
    wanted: Wanted | None
    problem: Problem | None
    """What keeps the world from being all that is wanted."""
    objects: object
    """Of the rollout, when all were found to be as asked; None where one had to be written."""

    def is_still(self, rollout: Rollout, target: Target, acceptance: Acceptance) -> bool:
        """Whether neither the wish nor any object changed, so that comparing is in vain.

        With a problem, such as a host of another rollout, more than that may matter.
        """
        return (
            self.objects is not None
            and self.problem is None
            and acceptance.problem is None
            and (self.objects, self.target, self.wanted)
            == (rollout.objects, target, acceptance.wanted)
        )


@dataclass(frozen=True, slots=True)
class _Unsure:
    """A decision that may have been recorded: no answer came, or one that speaks of a change."""

    version: str
    """Of the rollout that it was made from; once another one is seen, it is known what became."""
    situation: Situation
    decision: Decision


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
        self._lending = Lending(ports, clock)
        self._troubles: dict[Key, _Trouble] = {}
        self._reached: dict[Key, _Reached] = {}
        self._unsure: dict[Key, deque[_Unsure]] = {}

    async def tick(self, key: Key) -> Next:
        """Look at one rollout and do what is due.

        Raises:
            ConflictError: the rollout changed meanwhile; its watch event will wake it.
            SurroundingsError: the API server did not take the record of the decision.
        """
        rollout = self._ports.rollouts.get(key)
        if rollout is None or rollout.deleting:
            return await self._end(key, rollout)
        now = self._clock()
        acceptance = await self._acceptor.accept(rollout, now)
        guarded = await self._lending.guard(rollout, acceptance.wanted)
        if guarded is True:
            return Next(again=True)
        situation = self._observe(rollout, acceptance, now)
        self._telemetry.looked(_look(rollout, situation))
        self._tell_late(rollout, situation.status)
        decision = decide(situation)
        known = self._reached.get(key)
        reached = known is not None and known.is_still(rollout, decision.target, acceptance)
        if decision.status.phase in ON_TRIAL:  # what ends a trial is not outweighed by a later look
            self._look_on(key, situation)
        before = self._unsure.setdefault(key, deque(maxlen=MOST_UNSURE))
        unsure = any(one.version == rollout.resource_version for one in before)
        before.append(_Unsure(rollout.resource_version, situation, decision))
        applied = await carry_out(
            decision, rollout, situation, self._ports, reached=reached, unsure=unsure
        )
        self._unsure.pop(key, None)
        decision = applied.decision
        write_down(key, situation, decision)
        self._checks.recorded(key, situation.check)
        self._checks.start_if_due(key, self._after(situation, decision))
        await self._clean_up(rollout, decision)
        if not reached:
            self._report_drift(rollout, acceptance, applied)
        error = applied.error or guarded or None
        if error is None:
            settled = await self._lending.settle(rollout, self._after(situation, decision))
            if settled is True:
                return Next(again=True)
            error = settled or None
        changed = self._note_trouble(key, error, decision, now)
        return self._next(key, decision, applied, changed, acceptance.retry_at)

    async def _end(self, key: Key, rollout: Rollout | None) -> Next:
        """Forget a rollout that is gone, or that goes when its loans were given back."""
        self._forget(key)
        if rollout is None or not rollout.is_guarded:
            self._lending.forget(key)
            return Next()
        return Next(at=await self._lending.let_go(rollout, self._acceptor.last_accepted(rollout)))

    def _observe(self, rollout: Rollout, acceptance: Acceptance, now: datetime) -> Situation:
        trouble = self._troubles.get(rollout.key)
        return observe(
            rollout,
            acceptance,
            ports=self._ports,
            settings=self._settings,
            trouble=trouble.problem if trouble else None,
            check=self._checks.result(rollout.key),
            checked=self._checks.checked,
            now=now,
        )

    def _tell_late(self, rollout: Rollout, recorded: RolloutStatus) -> None:
        """Tell of a decision whose record was made, although its answer was lost.

        What looks like that in the very version that it was made from changed nothing.
        """
        for one in self._unsure.get(rollout.key, ()):
            same = one.version == rollout.resource_version
            if not same and _essence(one.decision.status) == _essence(recorded):
                del self._unsure[rollout.key]
                write_down(rollout.key, one.situation, one.decision)
                for notice in one.decision.notices:
                    self._ports.events.tell(rollout, notice)
                return

    def _forget(self, key: Key) -> None:
        self._telemetry.gone(key)
        self._acceptor.forget(key)
        self._checks.forget(key)
        self._troubles.pop(key, None)
        self._reached.pop(key, None)
        self._unsure.pop(key, None)

    def forget_all(self) -> None:
        """Drop everything that saves work: another operator may have led since."""
        self._telemetry.forget_all()
        self._acceptor.forget_all()
        self._troubles.clear()
        self._reached.clear()
        self._unsure.clear()

    def _look_on(self, key: Key, at: Situation) -> None:
        """Ask for the next check where the last one could not be recorded when it was made.

        A version that turns bad must not go unnoticed because nobody takes note of the good.
        """
        if (
            at.check is None
            or at.wanted is None
            or at.now < at.check.at + at.spec.analysis.interval
        ):
            return
        self._checks.start_if_due(key, replace(take_in(at), check=None), taken=at.check)

    def _after(self, situation: Situation, decision: Decision) -> Situation:
        return replace(situation, status=decision.status, check=None)

    def _report_drift(self, rollout: Rollout, acceptance: Acceptance, applied: Applied) -> None:
        """Tell of objects that had to be written although nothing new was asked of them."""
        reached = self._reached.pop(rollout.key, None)
        if applied.error is not None:
            return
        target = applied.decision.target
        over = not applied.written and self._ports.router.is_finished(rollout)
        seen = rollout.objects if over else None
        now = _Reached(target, acceptance.wanted, acceptance.problem, seen)
        self._reached[rollout.key] = now
        if reached is None or (reached.wanted, reached.problem) != (now.wanted, now.problem):
            return
        before = reached.target
        same = [one for one in applied.written if one.wish_of(before) == one.wish_of(target)]
        if same:
            what = ", ".join(same).format(name=rollout.key.name)
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


def _essence(status: RolloutStatus) -> dict[str, Any]:
    """Return a status without what is recorded otherwise where the router was not told."""
    return status.model_copy(update={"weight": 0, "traffic_off_at": None}).to_json()
