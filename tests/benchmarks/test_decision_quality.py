"""The simulation decides as the engine does, on the same traffic."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from benchmarks.decision_quality import rules as rules_of_ours
from benchmarks.decision_quality.peers import RULES
from benchmarks.decision_quality.report import claims
from benchmarks.decision_quality.results import summed
from benchmarks.decision_quality.rules import WEIGHTS, End, Plan, Rules, comparison, limits
from benchmarks.decision_quality.scenarios import SCENARIOS, Claim, Scenario
from benchmarks.decision_quality.traffic import Observe, Service, observer
from canary_operator.domain.bets import Window
from canary_operator.domain.counts import Count, Tracks, Traffic, View
from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import Settings
from canary_operator.ports import Key
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import START, World

Share = Callable[[float], float]
"""Share of requests that fail, by the second of the rollout."""

RATE = 100.0


def steady(share: float) -> Share:
    return lambda _: share


def outage(second: float) -> float:
    return 0.5 if 100 <= second < 160 else 0.001


def window(start: float, end: float, weight: int, canary: Share, stable: Share) -> Window:
    """Return traffic without chance, so that both see the same."""
    requests = RATE * (end - start)
    of_canary, middle = requests * weight / 100, (start + end) / 2
    of_stable = requests - of_canary
    return Window(
        of_canary, round(of_canary * canary(middle)), of_stable, round(of_stable * stable(middle))
    )


def added(one: Window, other: Window) -> Window:
    return Window(
        one.canary_requests + other.canary_requests,
        one.canary_bad + other.canary_bad,
        one.stable_requests + other.stable_requests,
        one.stable_bad + other.stable_bad,
    )


def recorded(observe: Observe, into: dict[float, int]) -> Observe:
    """Remember the weight at the end of each window."""

    def seen(start: float, end: float, weight: int) -> Window:
        into[end] = weight
        return observe(start, end, weight)

    return seen


async def in_the_engine(
    analysis: dict[str, Any], observe: Observe, weights: dict[float, int] | None = None
) -> End:
    steps = [{"weight": weight, "hold": "60s"} for weight in WEIGHTS]
    first = spec(analysis=analysis, strategy={"steps": steps, "progressDeadline": "10m"})
    world = World(key=Key("demo", "web"), spec=first)
    driver = Driver(world, Settings(scrape_interval=timedelta(seconds=5)))
    await driver.work()

    def counted(length: timedelta) -> Traffic:
        end = (world.now - START).total_seconds()
        total, span = Window(0, 0, 0, 0), length.total_seconds()
        weight = world.route.weight or 0
        for start in range(int(end - span), int(end), 10):
            total = added(total, observe(start, start + 10, weight))
        if weights is not None and driver.status.phase is Phase.PROGRESSING:
            weights[end] = weight
        tracks = Tracks(
            Count(total.stable_requests, total.stable_bad),
            Count(total.canary_requests, total.canary_bad),
        )
        return {View.CALLERS: tracks}

    world.counted = counted
    world.edit(template=template("v2"))
    await driver.work()
    for _ in range(1000):
        if driver.status.history:
            break
        await driver.pass_time(5, step=5)
    entry = driver.status.history[0]
    seconds = (entry.finished_at - START).total_seconds()
    hurt = float(entry.requests_hurt or 0)
    if entry.reason == Reason.NO_DATA:
        return End(seconds=seconds, hurt=hurt)
    back = entry.outcome == "RolledBack"
    return End(back, not back, seconds, hurt)


COMPARISON = {"interval": "10s", "comparison": {"errorClumping": 1}}
LIMITS = {"interval": "10s", "window": "60s"}

CASES = [
    pytest.param(steady(0.001), steady(0.001), id="healthy"),
    pytest.param(steady(0.05), steady(0.001), id="harmful"),
    pytest.param(steady(0.01), steady(0.001), id="somewhat harmful"),
    pytest.param(outage, outage, id="an outage of both"),
]


@pytest.mark.parametrize(("canary", "stable"), CASES)
async def test_a_comparison(canary: Share, stable: Share) -> None:
    def observe(start: float, end: float, weight: int) -> Window:
        return window(start, end, weight, canary, stable)

    expected = comparison(observe, 1.0, Plan())
    found = await in_the_engine(COMPARISON, observe)
    assert (found.rolled_back, found.promoted) == (expected.rolled_back, expected.promoted)
    assert found.seconds == expected.seconds
    assert found.hurt == expected.hurt


@pytest.mark.parametrize(("canary", "stable"), CASES)
async def test_limits(canary: Share, stable: Share) -> None:
    def observe(start: float, end: float, weight: int) -> Window:
        return window(start, end, weight, canary, stable)

    expected = limits(observe, 1.0, Plan())
    found = await in_the_engine(LIMITS, observe)
    assert (found.rolled_back, found.promoted) == (expected.rolled_back, expected.promoted)
    assert found.seconds == pytest.approx(expected.seconds, abs=10)


HISTORIES = [
    pytest.param(Service(100, stable=0.01), 1, id="healthy"),
    pytest.param(Service(100, stable=0.01, clump=20), 2, id="healthy, failures in clumps"),
    pytest.param(Service(20, canary=0.006), 3, id="few requests"),
    pytest.param(Service(1), 6, id="too few requests, until the deadline"),
    pytest.param(Service(10), 7, id="hardly enough requests"),
    pytest.param(Service(100, canary=0.011), 4, id="harmful"),
    pytest.param(Service(100, outage=(60, 180, 0.3)), 5, id="an outage of both"),
]


@pytest.mark.parametrize(("mode", "rules"), [(COMPARISON, comparison), (LIMITS, limits)])
@pytest.mark.parametrize(("service", "seed"), HISTORIES)
async def test_random_traffic(
    service: Service, seed: int, mode: dict[str, Any], rules: Rules
) -> None:
    """Traffic of a moment and a weight is the same, however often it is asked for."""

    def observe(start: float, end: float, weight: int) -> Window:
        chance = np.random.default_rng([seed, int(start), weight])
        return observer(service, chance)(start, end, weight)

    simulated: dict[float, int] = {}
    real: dict[float, int] = {}
    expected = rules(recorded(observe, simulated), 1.0, Plan())
    found = await in_the_engine(mode, observe, real)
    assert (found.rolled_back, found.promoted) == (expected.rolled_back, expected.promoted)
    assert found.seconds == expected.seconds
    assert real
    assert real == {moment: simulated[moment] for moment in real}
    assert set(real.values()) == set(simulated.values())


async def test_what_an_earlier_step_saw_is_no_data_about_this_one() -> None:
    def observe(start: float, end: float, weight: int) -> Window:
        if 60 <= start < 150:
            return Window(2, 0, 18, 0)
        return window(start, end, weight, steady(0.001), steady(0.001))

    simulated: dict[float, int] = {}
    real: dict[float, int] = {}
    expected = comparison(recorded(observe, simulated), 1.0, Plan())
    found = await in_the_engine(COMPARISON, observe, real)
    assert (found.promoted, found.seconds) == (expected.promoted, expected.seconds) == (True, 280)
    assert real == simulated


@pytest.mark.parametrize("service", [history.values[0] for history in HISTORIES])
def test_always_asking_for_the_verdict_ends_in_the_same_way(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends() -> list[End]:
        chance = np.random.default_rng(8)
        return [comparison(observer(service, chance), 1.0, Plan()) for _ in range(10)]

    seldom = ends()
    monkeypatch.setattr(rules_of_ours, "may_decide", lambda *_, **__: True)
    assert seldom == ends()


GOOD, BAD = End(promoted=True), End(rolled_back=True, seconds=30)


def scenario(claim: Claim) -> Scenario:
    return Scenario("one", Service(100), claim)


@pytest.mark.parametrize(
    ("claim", "bad", "good", "holds"),
    [
        pytest.param(Claim(rolled_back_at_most=0.001), 0, 5000, True, id="never, often enough"),
        pytest.param(Claim(rolled_back_at_most=0.001), 0, 1000, False, id="never, too few runs"),
        pytest.param(Claim(rolled_back_at_most=0.001), 4, 4996, False, id="perhaps too often"),
        pytest.param(Claim(rolled_back_at_most=0.0), 0, 100, True, id="none, as claimed"),
        pytest.param(Claim(rolled_back_at_most=0.0), 1, 999, False, id="one too many"),
        pytest.param(Claim(rolled_back_at_least=0.9), 950, 50, True, id="often enough"),
        pytest.param(Claim(rolled_back_at_least=0.9), 905, 95, False, id="perhaps too seldom"),
        pytest.param(Claim(rolled_back_at_least=1.0), 100, 0, True, id="all, as claimed"),
        pytest.param(Claim(rolled_back_at_least=1.0), 999, 1, False, id="all but one"),
        pytest.param(Claim(median_seconds_at_most=30), 9, 1, True, id="soon enough"),
        pytest.param(Claim(median_seconds_at_most=20), 9, 1, False, id="too late"),
        pytest.param(Claim(median_seconds_at_most=20), 0, 10, False, id="never found"),
    ],
)
def test_a_claim(claim: Claim, bad: int, good: int, holds: bool) -> None:
    result = summed(scenario(claim), "comparison", [BAD] * bad + [GOOD] * good)
    assert result.holds is holds
    assert claims([result]).startswith("holds: one: " if holds else "DOES NOT HOLD: one: ")


def test_the_interval_is_wilsons() -> None:
    low, high = summed(SCENARIOS[0], "comparison", [BAD] * 10 + [GOOD] * 90).interval
    assert (low, high) == pytest.approx((0.05523, 0.17437), abs=1e-5)


def test_argo_fails_without_requests_and_errs_without_series() -> None:
    def silent(_start: float, _end: float, _weight: int) -> Window:
        return Window(0, 0, 100, 0)

    def once(start: float, _end: float, _weight: int) -> Window:
        return Window(1 if start == 0 else 0, 0, 100, 0)

    rules = RULES["Argo 95 %, 10 s"]
    assert rules(silent, 1.0, Plan()).seconds == 50
    assert rules(once, 1.0, Plan()).seconds == 50
    assert RULES["Argo 95 %, 1 m"](silent, 1.0, Plan()).promoted
