"""The simulation decides as the engine does, on the same traffic."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from benchmarks.decision_quality.results import summed
from benchmarks.decision_quality.rules import WEIGHTS, End, Plan, comparison, limits
from benchmarks.decision_quality.scenarios import SCENARIOS
from canary_operator.domain.bets import Window
from canary_operator.domain.counts import Count, Tracks, Traffic, View
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


async def in_the_engine(analysis: dict[str, Any], canary: Share, stable: Share) -> End:
    steps = [{"weight": weight, "hold": "60s"} for weight in WEIGHTS]
    first = spec(analysis=analysis, strategy={"steps": steps, "progressDeadline": "1h"})
    world = World(key=Key("demo", "web"), spec=first)
    driver = Driver(world, Settings(scrape_interval=timedelta(seconds=5)))
    await driver.work()

    def counted(length: timedelta) -> Traffic:
        end = (world.now - START).total_seconds()
        total, span = Window(0, 0, 0, 0), length.total_seconds()
        for start in range(int(end - span), int(end), 10):
            each = window(start, start + 10, world.route.weight or 0, canary, stable)
            total = Window(
                total.canary_requests + each.canary_requests,
                total.canary_bad + each.canary_bad,
                total.stable_requests + each.stable_requests,
                total.stable_bad + each.stable_bad,
            )
        tracks = Tracks(
            Count(total.stable_requests, total.stable_bad),
            Count(total.canary_requests, total.canary_bad),
        )
        return {View.CALLERS: tracks}

    world.counted = counted
    world.edit(template=template("v2"))
    await driver.work()
    for _ in range(1200):
        if driver.status.history:
            break
        await driver.pass_time(1)
    entry = driver.status.history[0]
    seconds = (entry.finished_at - START).total_seconds()
    back = entry.outcome == "RolledBack"
    return End(back, not back, seconds, float(entry.requests_hurt or 0))


CASES = [
    pytest.param(steady(0.001), steady(0.001), id="healthy"),
    pytest.param(steady(0.05), steady(0.001), id="harmful"),
    pytest.param(steady(0.01), steady(0.001), id="somewhat harmful"),
    pytest.param(outage, outage, id="an outage of both"),
]


@pytest.mark.parametrize(("canary", "stable"), CASES)
async def test_a_comparison(canary: Share, stable: Share) -> None:
    expected = comparison(lambda *seen: window(*seen, canary, stable), 1.0, Plan())
    analysis = {"interval": "10s", "comparison": {"errorClumping": 1}}
    found = await in_the_engine(analysis, canary, stable)
    assert (found.rolled_back, found.promoted) == (expected.rolled_back, expected.promoted)
    assert found.seconds == expected.seconds
    assert found.hurt == expected.hurt


@pytest.mark.parametrize(("canary", "stable"), CASES)
async def test_limits(canary: Share, stable: Share) -> None:
    expected = limits(lambda *seen: window(*seen, canary, stable), 1.0, Plan())
    analysis = {"interval": "10s", "window": "60s"}
    found = await in_the_engine(analysis, canary, stable)
    assert (found.rolled_back, found.promoted) == (expected.rolled_back, expected.promoted)
    assert found.seconds == pytest.approx(expected.seconds, abs=10)


def test_a_claim_that_fails_is_told() -> None:
    scenario = next(one for one in SCENARIOS if one.claim.rolled_back_at_most == 0.001)
    good = summed(scenario, "comparison", [End(promoted=True)] * 1000)
    bad = summed(scenario, "comparison", [End(rolled_back=True)] * 2 + [End(promoted=True)] * 998)
    assert good.holds
    assert not bad.holds
    low, high = good.interval
    assert low == pytest.approx(0, abs=1e-9)
    assert 0.003 < high < 0.004
