"""What the comparison of one metric knows so far: its bets and totals, as the status keeps them.

It stands in the status, so that a restarted operator knows what the last one knew. About half a
kilobyte for each metric.
"""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from canary_operator.domain.bets import (
    RATIOS,
    REDUCTIONS,
    HarmBet,
    HealthBet,
    Stakes,
    Window,
    rounded,
)
from canary_operator.domain.recorded import Amount, Count, Recorded, Time

MOST_MONEY = 1e12
"""A bet that was won that high needs no more; it keeps a dry run from running over."""

Money = Annotated[float, Field(ge=0, le=MOST_MONEY)]


class Evidence(Recorded):
    """The bets on one metric of one rollout."""

    name: str
    """Name of the metric."""
    windows: Count = 0
    """Windows of the rollout in which both versions got requests."""
    full_windows: Count = 0
    """Those in which both got `minRequests`."""
    full_windows_in_step: Count = 0
    cash: Money = 1.0
    """Money of the harm bet that is not staked yet."""
    staked: Annotated[tuple[Money, ...], Field(min_length=len(RATIOS), max_length=len(RATIOS))] = (
        0.0,
    ) * len(RATIOS)
    """Money on each of the ratios of harm."""
    healthy_windows: Count = 0
    """Windows of this step in which both versions got requests."""
    healthy: Annotated[
        tuple[Money, ...], Field(min_length=len(REDUCTIONS), max_length=len(REDUCTIONS))
    ] = HealthBet().money
    """Money of the health bet of this step."""
    clumping: Annotated[float, Field(ge=1, le=1e18)] | None = None
    """Size of stable's clumps of failures; absent until its past was read."""
    canary_requests: Amount = 0
    canary_bad: Amount = 0
    stable_requests: Amount = 0
    stable_bad: Amount = 0
    both_bad_since: Time | None = None
    """Since when both versions are above the guardrail; absent while they are not."""
    both_bad_at: Time | None = None
    """When both versions were seen above the guardrail last."""

    @property
    def harm(self) -> HarmBet:
        """The bet that the canary is worse."""
        return HarmBet(self.cash, self.staked, self.windows)

    @property
    def health(self) -> HealthBet:
        """The bet that the canary is no worse."""
        return HealthBet(self.healthy, self.healthy_windows)

    @property
    def total(self) -> Window:
        """Everything that was compared in this rollout; bad requests are among the requests."""
        canary, stable = _counted(self.canary_requests), _counted(self.stable_requests)
        return Window(canary, min(self.canary_bad, canary), stable, min(self.stable_bad, stable))

    def in_new_step(self) -> "Evidence":
        """Return the evidence for another weight, where health has to be proven anew."""
        new = HealthBet()
        return self.model_copy(
            update={
                "healthy": new.money,
                "healthy_windows": new.windows,
                "full_windows_in_step": 0,
            }
        )

    def settled(self, window: Window, stakes: Stakes, least: int) -> "Evidence":
        """Return the evidence after one more window.

        Args:
            window: What both versions did since the last look.
            stakes: What the bets are made with.
            least: Requests of each version that make a window a full one.
        """
        if not window.tells:
            return self
        harm, health = self.harm.settle(window, stakes), self.health.settle(window, stakes)
        full = int(min(window.canary_requests, window.stable_requests) >= max(1, least))
        return self.model_copy(
            update={
                "windows": harm.windows,
                "full_windows": self.full_windows + full,
                "full_windows_in_step": self.full_windows_in_step + full,
                "cash": rounded([harm.cash])[0],
                "staked": rounded([min(one, MOST_MONEY) for one in harm.staked]),
                "healthy_windows": health.windows,
                "healthy": rounded([min(one, MOST_MONEY) for one in health.money]),
                "canary_requests": _counted(self.canary_requests + window.canary_requests),
                "canary_bad": _counted(self.canary_bad + window.canary_bad),
                "stable_requests": _counted(self.stable_requests + window.stable_requests),
                "stable_bad": _counted(self.stable_bad + window.stable_bad),
            }
        )

    def guarded(self, both_bad: bool, at: datetime) -> "Evidence":
        """Return the evidence with what the guardrail says now."""
        if not both_bad:
            return self.model_copy(update={"both_bad_since": None})
        return self.model_copy(
            update={"both_bad_since": self.both_bad_since or at, "both_bad_at": at}
        )


def _counted(requests: float) -> float:
    """Return a count as it is written: whole where it is, estimates with two decimals."""
    return round(requests, 2)
