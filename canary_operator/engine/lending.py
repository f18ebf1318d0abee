"""What a rollout borrowed is given back: when it is not needed any more, and on deletion."""

import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from canary_operator.domain.errors import (
    InvalidRolloutError,
    NotSetBackYetError,
    RouteMissingError,
    SurroundingsError,
    UnavailableError,
)
from canary_operator.domain.loans import FINALIZER, Loan, loans_of, with_loans, without
from canary_operator.domain.notices import Notice
from canary_operator.domain.reasons import Reason
from canary_operator.domain.report import report
from canary_operator.domain.situation import Problem, Situation, Wanted
from canary_operator.domain.status import RolloutStatus, merge_patch
from canary_operator.engine.apply import WriteError
from canary_operator.ports import Key, Ports, Rollout

logger = logging.getLogger(__name__)

FIRST_RETRY = timedelta(seconds=0.5)
LONGEST_RETRY = timedelta(seconds=30)


@dataclass(slots=True)
class _Waiting:
    """A deleted rollout that still has something to give back."""

    attempts: int = 0
    told: str = ""


class Lending:
    """Keeps rollouts with loans from being forgotten, and gives loans back."""

    def __init__(self, ports: Ports, clock: Callable[[], datetime]) -> None:
        self._ports = ports
        self._clock = clock
        self._waiting: dict[Key, _Waiting] = {}

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a rollout that is gone."""
        self._waiting.pop(key, None)

    async def guard(self, rollout: Rollout, wanted: Wanted | None) -> WriteError | bool:
        """See to it that a rollout with loans outlives its deletion until they are given back.

        Nothing may be changed before for the first time. But a rollout that has changed it already
        goes on without: traffic that has to be taken back must not wait for a finalizer.

        Returns:
            Whether something was written; or what kept it from being written.

        Raises:
            ConflictError, SurroundingsError: nothing is borrowed yet, and must not be.
        """
        borrowed = bool(rollout.status.get("borrowed"))
        if rollout.is_guarded or not (borrowed or (wanted and loans_of(wanted.spec))):
            return False
        try:
            await self._ports.rollouts.guard(rollout)
        except SurroundingsError as error:
            if not borrowed:
                raise
            return error
        return True

    async def settle(self, rollout: Rollout, at: Situation) -> WriteError | bool:
        """Give back what the spec in force does not need any more, then let the rollout go.

        Args:
            rollout: Which one.
            at: What was just recorded of it.

        Returns:
            Whether something was written, so that it has to be looked at again; or what kept it
            from being written.
        """
        if at.wanted is None:
            return False
        borrowed = at.status.borrowed or ()
        needed = loans_of(at.wanted.spec)
        surplus = without(borrowed, needed)
        error = await self._give_back(rollout, surplus, needed)
        if error is not None:
            return error
        if not surplus and (borrowed or not rollout.is_guarded):
            return False
        newest = self._ports.rollouts.get(rollout.key)
        if newest is None or newest.uid != rollout.uid or newest.deleting:
            return True
        if surplus:
            left = without(borrowed, surplus)
            patch = {"borrowed": [loan.model_dump(mode="json", by_alias=True) for loan in left]}
            await self._ports.rollouts.write_status(newest, patch if left else {"borrowed": None})
        else:
            await self._ports.rollouts.release(newest)
        return True

    async def let_go(self, rollout: Rollout, wanted: Wanted | None) -> datetime | None:
        """Give back everything that a deleted rollout borrowed; then it goes.

        Args:
            rollout: Which one.
            wanted: What was accepted last; the newest spec may be refused, and changed nothing.

        Returns:
            When to try again; None where it is done.
        """
        recorded = RolloutStatus.read(rollout.status).borrowed or ()
        loans = with_loans(recorded, loans_of(wanted.spec) if wanted else ())
        error = await self._give_back(rollout, loans)
        if error is None:
            await self._ports.rollouts.release(rollout)
            self.forget(rollout.key)
            return None
        waiting = self._waiting.setdefault(rollout.key, _Waiting())
        if isinstance(error, NotSetBackYetError) and error.retry_after is not None:
            return self._clock() + error.retry_after  # a moment, which nobody has to be told of
        pause: timedelta = min(FIRST_RETRY * 2 ** min(waiting.attempts, 10), LONGEST_RETRY)
        waiting.attempts += 1
        await self._explain(rollout, wanted, waiting, error)
        return self._clock() + pause

    async def _give_back(
        self, rollout: Rollout, loans: Iterable[Loan], kept: Collection[Loan] = ()
    ) -> WriteError | None:
        """Give back one after the other; what keeps one does not keep the others."""
        first: WriteError | None = None
        for loan in loans:
            try:
                await self._give_back_one(rollout, loan, kept)
            except (InvalidRolloutError, SurroundingsError) as error:
                first = first or error
        return first

    async def _give_back_one(self, rollout: Rollout, loan: Loan, kept: Collection[Loan]) -> None:
        lender = self._ports.lenders.get(loan.kind)
        if lender is None:
            raise UnavailableError(
                f"This version of the operator does not know how to set {loan} back: it was "
                "changed by a newer one."
            )
        try:
            written = await lender.give_back(rollout, loan, kept)
        except RouteMissingError as error:
            if not rollout.deleting and self._ports.workloads.track(rollout, "canary").pods > 0:
                raise  # they serve what it still sends them
            words = f"{loan} was not set back. {error.message}"
            self._ports.events.tell(rollout, Notice("Warning", error.reason, words))
            return
        if written:
            facts = {"rollout": str(rollout.key), "reason": Reason.RESTORED.value}
            logger.info("%s was set back.", loan, extra=facts)
            notice = Notice("Normal", Reason.RESTORED, f"{loan} was set back.")
            self._ports.events.tell(rollout, notice)

    async def _explain(
        self, rollout: Rollout, wanted: Wanted | None, waiting: _Waiting, error: WriteError
    ) -> None:
        """Say in the status, and once in an Event, why a deleted rollout is still there."""
        words = (
            f"The CanaryRollout is being deleted, and waits to set back what it changed: "
            f"{error.message} This is tried again. To delete it without, remove its finalizer "
            f"{FINALIZER}."
        )
        problem = Problem.quoted(error.reason, words, heals=True)
        if waiting.told != problem.message:
            waiting.told = problem.message
            kind: Literal["Normal", "Warning"] = (
                "Normal" if isinstance(error, NotSetBackYetError) else "Warning"
            )
            self._ports.events.tell(rollout, Notice(kind, problem.reason, problem.message))
        status = RolloutStatus.read(rollout.status)
        at = Situation(
            now=self._clock(),
            name=rollout.key.name,
            generation=rollout.generation,
            status=status,
            wanted=wanted,
            problem=problem,
            stable=self._ports.workloads.track(rollout, "stable"),
            canary=self._ports.workloads.track(rollout, "canary"),
            route=self._ports.router.state(rollout),
        )
        said = report(at).model_copy(update={"message": problem.message})
        patch = merge_patch(rollout.status, said.to_json())
        if patch:
            await self._ports.rollouts.write_status(rollout, patch)
