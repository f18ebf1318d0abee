"""Port `Telemetry`: who counts what the engine does."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.status import RolloutStatus
from canary_operator.ports import Key, Rollout


class TickOutcome(StrEnum):
    """How a tick ended."""

    OK = "ok"
    PUT_OFF = "put_off"
    """The API server did not take a write, or somebody was quicker; it is decided anew."""
    FAILED = "failed"
    """An error that should not be: it is in the log, with a traceback."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a tick found recorded about a rollout: what the API server has, not what is wished."""

    rollout: Rollout
    status: RolloutStatus
    spec: RolloutSpec | None
    """The spec in force; None where none was accepted yet."""


class Telemetry(Protocol):
    """Is told what the engine does, so that others can count it; never raises, never waits."""

    def looked(self, look: Look) -> None:
        """Take in what a tick begins with.

        Every status that was written is looked at by the next tick. So who compares a look with
        the one before knows each fact once, whatever became of answers and retries.
        """
        ...

    def gone(self, key: Key) -> None:
        """Forget a rollout that was deleted."""
        ...

    def forget_all(self) -> None:
        """Forget all rollouts: another operator may have led since."""
        ...

    def ticked(self, outcome: TickOutcome, *, seconds: float, lag: float) -> None:
        """Count a tick.

        Args:
            outcome: How it ended.
            seconds: How long it took.
            lag: How long it had been due when it began, in seconds.
        """
        ...


class Silence:
    """Port `Telemetry` for those who count nothing."""

    def looked(self, look: Look) -> None:
        """Do nothing."""

    def gone(self, key: Key) -> None:
        """Do nothing."""

    def forget_all(self) -> None:
        """Do nothing."""

    def ticked(self, outcome: TickOutcome, *, seconds: float, lag: float) -> None:
        """Do nothing."""
