"""Requests are drawn as they should be, and counted as Prometheus would count them.

Statistical tests have fixed seeds. Their limits are what a right distribution exceeds once in a
thousand such tests, and what a wrong one exceeds by far, as `test_the_test_finds_…` shows.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import pairwise

import pytest

from canary_operator.domain.counts import Count, View
from canary_operator.domain.latency import percentile, slower_than, total
from canary_operator.playground.mesh.series import BOUNDS_MILLISECONDS
from canary_operator.plugin.offline.simulation.chance import Chance
from canary_operator.plugin.offline.simulation.traffic import (
    BOUNDS,
    Behaviour,
    Counters,
    Flow,
    Kinds,
    Prometheus,
    Source,
    added,
    taken,
)

DRAWS = 20_000
Z999 = 3.0902

USUAL = Behaviour(errors=0.01, hang_up=0.02, latency=timedelta(milliseconds=40))


def poisson(mean: float) -> Callable[[int], float]:
    return lambda count: math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))


def binomial(count: int, share: float) -> Callable[[int], float]:
    def mass(chosen: int) -> float:
        if chosen > count:
            return 0.0
        ways = math.lgamma(count + 1) - math.lgamma(chosen + 1) - math.lgamma(count - chosen + 1)
        return math.exp(ways + chosen * math.log(share) + (count - chosen) * math.log(1 - share))

    return mass


def excess(draws: Sequence[int], mass: Callable[[int], float]) -> float:
    """Return by how much χ² is above its 99.9th percentile; cells have 10 or more draws."""
    seen, cells = Counter(draws), []
    expected = observed = 0.0
    for value in range(max(draws) + 1):
        expected, observed = expected + len(draws) * mass(value), observed + seen[value]
        if expected >= 10:
            cells.append((observed, expected))
            expected = observed = 0.0
    rest = len(draws) - sum(one for _, one in cells)
    cells[-1] = (cells[-1][0] + observed, cells[-1][1] + rest)
    found = sum((one - other) ** 2 / other for one, other in cells)
    freedom = len(cells) - 1
    spread = 2 / (9 * freedom)
    return found - freedom * (1 - spread + Z999 * math.sqrt(spread)) ** 3


@pytest.mark.parametrize("mean", [0.3, 5, 9.99, 10.01, 60, 300])
def test_poisson_numbers(mean: float) -> None:
    chance = Chance(7)
    assert excess([chance.poisson(mean) for _ in range(DRAWS)], poisson(mean)) < 0


@pytest.mark.parametrize(
    ("count", "share"),
    [(20, 0.1), (100, 0.0999), (100, 0.11), (500, 0.3), (5000, 0.01), (40, 0.5), (1000, 0.97)],
)
def test_binomial_numbers(count: int, share: float) -> None:
    chance = Chance(7)
    draws = [chance.binomial(count, share) for _ in range(DRAWS)]
    assert excess(draws, binomial(count, share)) < 0


def test_the_test_finds_what_is_a_little_wrong() -> None:
    chance = Chance(7)
    assert excess([chance.poisson(60) for _ in range(DRAWS)], poisson(60.5)) > 0
    assert excess([chance.binomial(500, 0.3) for _ in range(DRAWS)], binomial(500, 0.303)) > 0
    rounded = [round(60 + math.sqrt(60) * _normal(chance)) for _ in range(DRAWS)]
    assert excess(rounded, poisson(60)) > 0, "a normal approximation would be found"


def _normal(chance: Chance) -> float:
    radius = math.sqrt(-2 * math.log(1 - chance.uniform()))
    return radius * math.cos(2 * math.pi * chance.uniform())


def test_certain_numbers() -> None:
    chance = Chance(7)
    assert [chance.poisson(mean) for mean in (0, -1)] == [0, 0]
    assert chance.poissons([0.0, 0.0]) == (0, 0)
    assert [chance.binomial(*one) for one in ((0, 0.5), (9, 0), (9, 1), (9, 1.5))] == [0, 0, 9, 9]


def test_the_same_seed_gives_the_same_numbers() -> None:
    first, second, other = ([Chance(seed).poisson(50) for _ in range(3)] for seed in (1, 1, 2))
    assert first == second
    assert first != other


# What requests do.


def test_the_bounds_are_istios() -> None:
    assert (*BOUNDS_MILLISECONDS, math.inf) == BOUNDS


def drawn(behaviour: Behaviour, *, requests: int, timed: bool = True) -> tuple[Kinds, tuple]:
    """Return the counts of about so many requests to the canary."""
    kinds = Kinds(timed=timed)
    flow = Flow((requests, 0.0, 0.0), behaviour, USUAL)
    return kinds, Chance(3).poissons(flow.rates(timed=timed))


def near(found: float, expected: float) -> bool:
    """Whether a Poisson number is what it should be, as 999 of 1000 are."""
    return abs(found - expected) < 3.3 * math.sqrt(expected)


@pytest.mark.parametrize("timed", [True, False])
def test_requests_fail_and_hang_as_often_as_they_should(timed: bool) -> None:
    kinds, counts = drawn(USUAL, requests=200_000, timed=timed)
    assert len(counts) == kinds.size
    count = kinds.count(counts, [Source.CANARY])
    assert near(count.hung_up, 4_000)
    assert near(count.requests, 196_000)
    assert near(count.bad, 1_960)
    assert kinds.count(counts, [Source.STABLE, Source.PROMOTED]) == Count()


def test_requests_take_as_long_as_they_should() -> None:
    kinds, counts = drawn(USUAL, requests=200_000)
    buckets = kinds.histogram(counts, [Source.CANARY])
    assert total(buckets) == kinds.count(counts, [Source.CANARY]).requests
    assert all(below <= above for below, above in pairwise(buckets.values()))
    slow = slower_than(buckets, 50)
    assert slow is not None
    share = 1 - (1 + math.erf(math.log(50 / 40) / 0.5 / math.sqrt(2))) / 2
    assert near(slow.bad, 196_000 * share)
    half = percentile(buckets, 50)
    assert half is not None
    assert half.between == (25, 50)


@pytest.mark.parametrize(
    ("milliseconds", "bucket"), [(0.001, 0.5), (2_000, 2_500), (1e9, math.inf)]
)
def test_extreme_latencies_are_in_the_bucket_where_they_belong(
    milliseconds: float, bucket: float
) -> None:
    latency = timedelta(milliseconds=milliseconds)
    kinds, counts = drawn(Behaviour(0, 0, latency), requests=1000)
    buckets = kinds.histogram(counts, [Source.CANARY])
    fullest = max(zip(BOUNDS, [0, *buckets.values()], buckets.values(), strict=False), key=_growth)
    assert fullest[0] == bucket


def _growth(bucket: tuple[float, float, float]) -> float:
    _, below, here = bucket
    return here - below


# Counters.

RATES = (5.0, 100.0, 0.0)


def counters(seed: int = 1) -> Counters:
    found = Counters(Chance(seed), -10_000, 3)
    for second in (0, 60, 90):
        found.pass_time(1000 * second, RATES)
    return found


def test_counters_begin_with_nothing_and_end_with_the_latest() -> None:
    found = counters()
    assert found.now == 90_000
    assert found.at(-99_000) == found.at(-10_000) == (0, 0, 0)
    assert found.at(99_000) == found.at(90_000)
    before = found.at(90_000)
    found.pass_time(90_000, RATES)
    assert found.at(90_000) == before, "no time, no requests"


def test_a_moment_in_between_stays_as_it_was_drawn() -> None:
    found = counters()
    once = found.at(30_000)
    later = [found.at(moment) for moment in (29_999, 30_001, 59_000)]
    assert found.at(30_000) == once
    assert [found.at(moment) for moment in (29_999, 30_001, 59_000)] == later


def test_counters_never_fall_and_windows_tile() -> None:
    found = counters()
    moments = [-10_000, 17, 60_000, 33_333, 59_999, 90_000, 61_000, 0]
    seen = {moment: found.at(moment) for moment in moments}
    ordered = [seen[moment] for moment in sorted(moments)]
    for before, after in pairwise(ordered):
        assert all(one <= other for one, other in zip(before, after, strict=True))
    windows = [taken(after, before) for before, after in pairwise(ordered)]
    together = (0, 0, 0)
    for window in windows:
        together = added(together, window)
    assert together == found.at(90_000)


def test_a_split_is_binomial() -> None:
    """Given how many there were in a minute, those in its first quarter are chosen evenly."""
    shares = []
    for seed in range(DRAWS // 10):
        found = Counters(Chance(seed), 0, 1)
        found.pass_time(60_000, (4.0,))
        shares.append((found.at(60_000)[0], found.at(15_000)[0]))
    deviations = [(first - all_ / 4) / math.sqrt(all_ * 3 / 16) for all_, first in shares]
    mean = sum(deviations) / len(deviations)
    variance = sum(one * one for one in deviations) / len(deviations)
    assert abs(mean) < 3.3 / math.sqrt(len(deviations))
    assert abs(variance - 1) < 3.3 * math.sqrt(2 / len(deviations))


# Prometheus.


def prometheus(**settings: object) -> Prometheus:
    flow = Flow((10.0, 100.0, 0.0), USUAL, USUAL)
    kinds = Kinds(timed=False)
    found = Counters(Chance(1), -100_000, kinds.size)
    found.pass_time(0, Flow((0.0, 110.0, 0.0), USUAL, USUAL).rates(timed=False))
    found.pass_time(300_000, flow.rates(timed=False))
    return Prometheus(found, kinds, interval=15_000, first=4_000, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("moment", "scrape"), [(4_000, 4_000), (18_999, 4_000), (19_000, 19_000), (3_999, -11_000)]
)
def test_scrapes_have_their_moments(moment: int, scrape: int) -> None:
    assert prometheus().scraped(moment) == scrape


@pytest.mark.parametrize(
    ("moment", "scrape"),
    [
        (60_000, 49_000),
        (63_999, 49_000),
        (64_000, 49_000),
        (99_999, 49_000),
        (123_999, 109_000),
        (200_000, 184_000),
        (299_999, 184_000),
    ],
)
def test_a_prometheus_that_was_away_knows_what_it_scraped_before(moment: int, scrape: int) -> None:
    away = [(60_000, 100_000), (190_000, None)]
    assert prometheus(away=away).scraped(moment) == scrape


def test_a_window_counts_from_scrape_to_scrape() -> None:
    found = prometheus()
    counts = found.window(ends=120_000, length=60_000)
    known = found.counters
    assert counts == taken(known.at(109_000), known.at(49_000))
    traffic = found.traffic(counts)
    assert set(traffic) == set(View)
    assert traffic[View.CALLERS] == traffic[View.PODS]
    assert near(traffic[View.CALLERS].canary.arrived, 600)
    assert near(traffic[View.CALLERS].stable.arrived, 6_000)


def test_consecutive_windows_tile_while_prometheus_is_away() -> None:
    found = prometheus(away=[(60_000, 100_000)])
    first, second, third = (found.window(ends, 30_000) for ends in (60_000, 90_000, 120_000))
    assert second == (0,) * found.kinds.size
    assert added(added(first, second), third) == found.window(120_000, 90_000)


@pytest.mark.parametrize(
    ("away", "ends", "before", "latest"),
    [
        ((60_000, 360_000), 400_000, 49_000, 394_000),  # 291 s before the window: known
        ((60_000, 380_000), 410_000, 394_000, 409_000),  # 301 s: the first one inside
        ((60_000, 420_000), 410_000, 49_000, 49_000),  # none inside: nothing
    ],
)
def test_a_baseline_is_looked_for_as_far_back_as_the_product_does(
    away: tuple[int, int], ends: int, before: int, latest: int
) -> None:
    found = prometheus(away=[away])
    found.counters.pass_time(600_000, Flow((10.0, 100.0, 0.0), USUAL, USUAL).rates(timed=False))
    known = found.counters
    assert found.window(ends, 60_000) == taken(known.at(latest), known.at(before))


def test_silence_is_no_view_at_all() -> None:
    found = prometheus()
    assert found.traffic((0,) * found.kinds.size) == {}
