"""What begins and ends with a term as leader."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from canary_operator.engine.checks import Checks
from canary_operator.engine.scheduler import Scheduler
from canary_operator.ports import Key


@dataclass(frozen=True, slots=True)
class Term:
    """The work of a leader."""

    scheduler: Scheduler
    checks: Checks
    catch_up: Callable[[], Awaitable[object]]
    """Reads what the last leader may have written since the watches spoke."""
    all_rollouts: Callable[[], list[Key]]
    forgetting: tuple[Callable[[], None], ...]
    """Drop what is remembered of a term, and what is still to be told."""

    async def begin(self) -> None:
        """Look at every rollout, knowing all that the last leader did."""
        await self.catch_up()
        self.start()

    def start(self) -> None:
        """Look at every rollout that is known."""
        for key in self.all_rollouts():
            self.scheduler.wake(key)
        self.scheduler.start()

    async def end(self) -> None:
        """Cancel all work; what was not written yet, the next leader decides anew."""
        await self.scheduler.stop()
        await self.checks.stop()
        for forget in self.forgetting:
            forget()
