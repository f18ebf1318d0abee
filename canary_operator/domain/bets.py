"""Bets on which version fails more often, settled window by window.

A bet multiplies its money by `exp(log e)` in every window. While the null hypothesis holds, the
expected factor is at most 1 whatever the traffic, so the money is a non-negative supermartingale:
it ever reaches 1/risk with a probability of at most risk, however often somebody looks (Ville,
1939; for counts: Lindon and Malek, 2022; Turner, Ly and Grünwald, 2024).

- The harm bet says that the canary fails more often than stable, by more than the tolerance.
- The health bet says that the canary fails less than `margin` more often than stable.

Everything here is about one metric. A "bad" request is one that failed, or one that was slower
than a bound. Rates are fractions, 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

RATIOS: tuple[float, ...] = (1.2, 1.5, 2.2, 4, 10, 40, 250)
"""How many times as often as stable the canary might fail: one harm bet for each."""

REDUCTIONS: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4, 0.7, 0.95)
"""How much of the margin might be unused: one health bet for each."""


@dataclass(frozen=True, slots=True)
class Window:
    """What both versions did in the same seconds."""

    canary_requests: float
    canary_bad: float
    stable_requests: float
    stable_bad: float

    @property
    def tells(self) -> bool:
        """Whether both versions got requests; otherwise there is nothing to compare."""
        return self.canary_requests > 0 and self.stable_requests > 0


@dataclass(frozen=True, slots=True)
class Stakes:
    """What the bets of one metric are made with."""

    harm_target: float
    """Odds at which harm is proven: metrics that share the risk, divided by the risk."""
    least_windows: int
    """Windows that it takes to prove harm; at least 2."""
    planned_windows: int
    """Windows that the rollout will have, if nothing stops it."""
    tolerance: float
    """By how much the canary may fail more often than stable."""
    health_target: float
    """Money at which health is proven: 1 divided by the risk."""
    least_healthy_windows: int
    """Windows of one step that it takes to prove health; at least 2."""
    margin: float
    """By how much more often than stable a healthy canary may fail."""
    clumping: float = 1.0
    """Failures come in clumps of up to so many requests; at least 1."""


@dataclass(frozen=True, slots=True)
class HarmBet:
    """Money on "the canary fails more often than stable"."""

    cash: float = 1.0
    """Not staked yet."""
    staked: tuple[float, ...] = (0.0,) * len(RATIOS)
    """On each of `RATIOS`."""
    windows: int = 0

    @property
    def odds(self) -> float:
        """What one unit of money became; 1 at the start."""
        return self.cash + sum(self.staked)

    def settle(self, window: Window, stakes: Stakes) -> "HarmBet":
        """Return the bet after one more window; one that does not tell changes nothing."""
        if not window.tells:
            return self
        stake = self._stake(stakes)
        most = log(stakes.harm_target) / (stakes.least_windows - 1)
        each = stake / len(RATIOS)
        staked = tuple(
            (money + each) * exp(min(log_harm(ratio, window, stakes), most))
            for money, ratio in zip(self.staked, RATIOS, strict=True)
        )
        return HarmBet(self.cash - stake, staked, self.windows + 1)

    def _stake(self, stakes: Stakes) -> float:
        """Half of the money goes into the first window, so that late harm stays detectable."""
        if self.windows == 0:
            return 0.5
        return min(self.cash, 1 / (2 * max(1, stakes.planned_windows - 1)))


@dataclass(frozen=True, slots=True)
class HealthBet:
    """Money on "the canary fails less than `margin` more often than stable"; of one step."""

    money: tuple[float, ...] = (1 / len(REDUCTIONS),) * len(REDUCTIONS)
    """On each of `REDUCTIONS`."""
    windows: int = 0

    @property
    def total(self) -> float:
        """What one unit of money became; 1 at the start."""
        return sum(self.money)

    def settle(self, window: Window, stakes: Stakes) -> "HealthBet":
        """Return the bet after one more window; one that does not tell changes nothing."""
        if not window.tells:
            return self
        most = log(stakes.health_target) / (stakes.least_healthy_windows - 1)
        money = tuple(
            one * exp(min(log_health(part, window, stakes), most))
            for one, part in zip(self.money, REDUCTIONS, strict=True)
        )
        return HealthBet(money, self.windows + 1)


def log_harm(ratio: float, window: Window, stakes: Stakes) -> float:
    """Return the logarithm of the factor of one harm bet."""
    share = window.canary_requests / (window.canary_requests + window.stable_requests)
    scale = 1 + share * (ratio - 1)
    bad = window.canary_bad + window.stable_bad
    allowed = (ratio / scale - 1) * stakes.tolerance * window.canary_requests
    return (window.canary_bad * log(ratio) - bad * log(scale) - allowed) / stakes.clumping


def log_health(part: float, window: Window, stakes: Stakes) -> float:
    """Return the logarithm of the factor of one health bet."""
    relation = window.canary_requests / window.stable_requests
    lost = window.canary_bad * log(1 - part)
    won = window.stable_bad * log(1 + part * relation)
    return (lost + won + part * stakes.margin * window.canary_requests) / stakes.clumping


def requests_to_prove_health(
    bet: HealthBet, bad_rate: float, relation: float, stakes: Stakes
) -> float | None:
    """Return about how many more canary requests prove health, if both fail at `bad_rate`.

    Args:
        bet: As it stands.
        bad_rate: Share of bad requests of both versions.
        relation: Canary requests for each request of stable.
        stakes: What the bet is made with.

    Returns:
        Requests; None when they never would, because the failures are too many for the margin.
    """
    needs = (
        log(stakes.health_target / money) / gain
        for money, part in zip(bet.money, REDUCTIONS, strict=True)
        if money > 0 and (gain := _health_gain(part, bad_rate, relation, stakes)) > 0
    )
    return min(needs, default=None)


def _health_gain(part: float, bad_rate: float, relation: float, stakes: Stakes) -> float:
    """Return what one canary request adds to the logarithm of a health bet, on average."""
    one = Window(1, bad_rate, 1 / relation, bad_rate / relation)
    return log_health(part, one, stakes)


def rounded(values: Sequence[float]) -> tuple[float, ...]:
    """Return `values` with five significant digits, which is what the status keeps of them."""
    return tuple(float(f"{value:.5g}") for value in values)
