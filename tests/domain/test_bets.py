"""The bets: what they promise holds on generated traffic, whatever it looks like."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary_operator.domain.bets import (
    RATIOS,
    REDUCTIONS,
    HarmBet,
    HealthBet,
    Stakes,
    Window,
    log_harm,
    log_health,
    requests_to_prove_health,
)
from canary_operator.domain.bounds import difference

STAKES = Stakes(
    harm_target=100,
    least_windows=3,
    planned_windows=24,
    tolerance=0.0,
    health_target=20,
    least_healthy_windows=6,
    margin=0.005,
)
RATES = st.floats(0.0001, 0.5)
REQUESTS = st.integers(1, 400)


def poisson_mean(rate_canary: float, rate_stable: float, factor: tuple[float, float]) -> float:
    """Return the logarithm of E[exp(a·X + b·Y)] for Poisson X and Y."""
    a, b = factor
    return rate_canary * (math.exp(a) - 1) + rate_stable * (math.exp(b) - 1)


@given(REQUESTS, REQUESTS, RATES, st.sampled_from(RATIOS))
def test_a_harm_bet_wins_nothing_on_average_when_both_fail_alike(
    canary: int, stable: int, rate: float, ratio: float
) -> None:
    window = Window(canary, 0, stable, 0)
    one_canary = log_harm(ratio, Window(canary, 1, stable, 0), STAKES)
    one_stable = log_harm(ratio, Window(canary, 0, stable, 1), STAKES)
    still = log_harm(ratio, window, STAKES)
    mean = poisson_mean(canary * rate, stable * rate, (one_canary - still, one_stable - still))
    assert mean + still <= 1e-9


@given(REQUESTS, REQUESTS, RATES, st.sampled_from(REDUCTIONS))
def test_a_health_bet_wins_nothing_on_average_at_the_margin(
    canary: int, stable: int, rate: float, part: float
) -> None:
    still = log_health(part, Window(canary, 0, stable, 0), STAKES)
    one_canary = log_health(part, Window(canary, 1, stable, 0), STAKES)
    one_stable = log_health(part, Window(canary, 0, stable, 1), STAKES)
    worse = rate + STAKES.margin
    mean = poisson_mean(canary * worse, stable * rate, (one_canary - still, one_stable - still))
    assert mean + still <= 1e-9


@given(REQUESTS, REQUESTS, st.sampled_from(RATIOS), st.floats(1, 50))
def test_clumps_weaken_a_bet(canary: int, stable: int, ratio: float, clumping: float) -> None:
    window = Window(canary, 1, stable, 0)
    weak = Stakes(100, 3, 24, 0.0, 20, 6, 0.005, clumping)
    assert log_harm(ratio, window, weak) == pytest.approx(
        log_harm(ratio, window, STAKES) / clumping
    )


@pytest.mark.parametrize(
    "window",
    [
        pytest.param(Window(0, 0, 100, 100), id="no canary requests"),
        pytest.param(Window(100, 100, 0, 0), id="no stable requests"),
        pytest.param(Window(0, 0, 0, 0), id="no requests at all"),
    ],
)
def test_a_window_without_requests_on_either_side_changes_nothing(window: Window) -> None:
    assert HarmBet().settle(window, STAKES) == HarmBet()
    assert HealthBet().settle(window, STAKES) == HealthBet()


def test_half_is_staked_first_and_the_rest_little_by_little() -> None:
    quiet = Window(100, 0, 900, 0)
    bet = HarmBet().settle(quiet, STAKES)
    assert bet.cash == 0.5
    bet = bet.settle(quiet, STAKES)
    assert bet.cash == pytest.approx(0.5 - 1 / 46)
    for _ in range(40):
        bet = bet.settle(quiet, STAKES)
    assert bet.cash == pytest.approx(0)
    assert bet.odds == pytest.approx(1)


def test_no_single_window_proves_harm() -> None:
    disaster = Window(10_000, 10_000, 90_000, 0)
    bet = HarmBet().settle(disaster, STAKES)
    assert bet.odds < STAKES.harm_target
    for _ in range(2):
        bet = bet.settle(disaster, STAKES)
    assert bet.odds >= STAKES.harm_target


def test_no_few_windows_prove_health() -> None:
    perfect = Window(1_000_000, 0, 1_000_000, 10_000)
    bet = HealthBet()
    for _ in range(4):
        bet = bet.settle(perfect, STAKES)
    assert bet.total < STAKES.health_target
    assert bet.settle(perfect, STAKES).settle(perfect, STAKES).total >= STAKES.health_target


def test_the_forecast_of_a_proof_of_health_is_about_right() -> None:
    rate, relation = 0.001, 1 / 9
    asked = requests_to_prove_health(HealthBet(), rate, relation, STAKES)
    assert asked is not None
    bet, seen = HealthBet(), 0
    while bet.total < STAKES.health_target:
        bet, seen = bet.settle(Window(50, 50 * rate, 450, 450 * rate), STAKES), seen + 50
    assert seen == pytest.approx(asked, rel=0.25)


def test_a_noisy_service_cannot_prove_a_narrow_margin() -> None:
    narrow = Stakes(100, 3, 24, 0.0, 20, 6, 0.000001)
    assert requests_to_prove_health(HealthBet(), 0.4, 1, narrow) is None


def test_a_healthy_canary_is_hardly_ever_called_worse() -> None:
    """5,000 rollouts of 24 looks; the promise is 1 %, and the bets keep far below."""
    chance = random.Random(7)
    called = sum(_rolled_back(chance) for _ in range(5000))
    assert called <= 15


def _rolled_back(chance: random.Random) -> bool:
    bet = HarmBet()
    for look in range(24):
        weight = (0.05, 0.1, 0.2, 0.5)[look // 6]
        bad = _binomial(chance, 10)
        canary = sum(chance.random() < weight for _ in range(bad))
        window = Window(1000 * weight, canary, 1000 * (1 - weight), bad - canary)
        bet = bet.settle(window, STAKES)
        if bet.windows >= STAKES.least_windows and bet.odds >= STAKES.harm_target:
            return True
    return False


def _binomial(chance: random.Random, mean: float) -> int:
    """Return a Poisson number (Knuth's method)."""
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product, count = product * chance.random(), count + 1
    return count


@given(st.integers(1, 5000), st.integers(1, 5000), st.data())
def test_the_interval_holds_what_was_seen(canary: int, stable: int, data: st.DataObject) -> None:
    bad, other = data.draw(st.integers(0, canary)), data.draw(st.integers(0, stable))
    low, high = difference(Window(canary, bad, stable, other))
    assert -1 - 1e-9 <= low <= bad / canary - other / stable + 1e-9
    assert bad / canary - other / stable - 1e-9 <= high <= 1 + 1e-9
    wide = difference(Window(canary, bad, stable, other), clumping=10)
    assert wide[0] <= low + 1e-9
    assert wide[1] >= high - 1e-9
