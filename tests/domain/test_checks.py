import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary_operator.domain.checks import answer_of, cannot_tell, limits_of, threshold_of
from canary_operator.domain.counts import (
    Buckets,
    Count,
    Histograms,
    Outcome,
    Tracks,
    Traffic,
    View,
    outcome_of,
)
from canary_operator.domain.latency import Percentile, Slow, percentile, slower_than
from canary_operator.domain.reasons import Reason
from canary_operator.domain.spec import Latency, MetricCheck, Query, SuccessRate
from canary_operator.domain.status import Verdict
from canary_operator.domain.views import Look

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LOOK = Look(at=AT, window=timedelta(seconds=60), weight=20, min_requests=10)
STABLE = Count(requests=5000, bad=2)
NOTHING = Count()
INCONCLUSIVE, PASS, FAIL = Verdict.INCONCLUSIVE, Verdict.PASS, Verdict.FAIL


def success_rate(least: float = 99) -> MetricCheck:
    return MetricCheck(name="success-rate", success_rate=SuccessRate(min=least))


def latency(milliseconds: float, percent: float = 99) -> MetricCheck:
    limit = Latency(percentile=percent, max=timedelta(milliseconds=milliseconds))
    return MetricCheck(name="latency", latency=limit)


def query(**limits: float) -> MetricCheck:
    return MetricCheck(name="carts", query=Query(promql="carts", **limits))


def seen(callers: Count, pods: Count | None = None, stable: Count = STABLE) -> Traffic:
    return {
        View.CALLERS: Tracks(stable, callers),
        View.PODS: Tracks(stable, callers if pods is None else pods),
    }


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param(("200", "-", "http", ""), Outcome.GOOD, id="an answer"),
        pytest.param(("404", "-", "http", ""), Outcome.GOOD, id="the caller's mistake"),
        pytest.param(("500", "-", "http", ""), Outcome.BAD, id="a server error"),
        pytest.param(("503", "URX,UF", "http", ""), Outcome.BAD, id="a failed connection"),
        pytest.param(("0", "UC", "http", ""), Outcome.BAD, id="no response"),
        pytest.param(("0", "DC", "http", ""), Outcome.HUNG_UP, id="the caller hung up"),
        pytest.param(("200", "UT,DC", "http", ""), Outcome.HUNG_UP, id="hung up, among others"),
        pytest.param(("503", "UDC", "http", ""), Outcome.BAD, id="a flag that only ends with DC"),
        pytest.param(("200", "-", "grpc", "0"), Outcome.GOOD, id="gRPC: OK"),
        pytest.param(("200", "-", "grpc", "5"), Outcome.GOOD, id="gRPC: not found"),
        pytest.param(("200", "-", "grpc", "1"), Outcome.GOOD, id="gRPC: cancelled"),
        *(
            pytest.param(("200", "-", "grpc", code), Outcome.BAD, id=f"gRPC: status {code}")
            for code in ("2", "4", "8", "13", "14", "15")
        ),
        pytest.param(("200", "-", "grpc", ""), Outcome.BAD, id="gRPC: no status"),
        pytest.param(("200", "-", "grpc", "unknown"), Outcome.BAD, id="gRPC: an odd status"),
        pytest.param(("503", "UF", "grpc", "14"), Outcome.BAD, id="gRPC: a failed connection"),
    ],
)
def test_what_labels_say_of_a_request(labels: tuple[str, str, str, str], expected: Outcome) -> None:
    assert expected == outcome_of(*labels)


@pytest.mark.parametrize(
    ("traffic", "verdict", "value", "words"),
    [
        pytest.param(
            seen(Count(12_031, bad=6)),
            PASS,
            "99.95 %",
            "6 of 12,031 canary requests failed (99.95 %), at least 99 % is asked; "
            "seen by the callers",
            id="few errors pass",
        ),
        pytest.param(
            seen(Count(1203, bad=14)),
            FAIL,
            "98.83 %",
            "14 of 1,203 canary requests failed (98.83 %), at least 99 % is asked; "
            "seen by the callers",
            id="many errors fail",
        ),
        pytest.param(
            seen(Count(100, bad=1)), PASS, "99 %", "1 of 100", id="exactly the limit passes"
        ),
        pytest.param(
            seen(Count(100_000, bad=1001)),
            FAIL,
            "98.99 %",
            "(98.99 %)",
            id="a value just below the limit is not rounded up to it",
        ),
        pytest.param(
            seen(Count(500), pods=Count(500, bad=50)),
            FAIL,
            "90 %",
            "seen by the pods",
            id="the pods' view counts when it is worse",
        ),
        pytest.param(
            seen(Count(500, bad=500), pods=NOTHING),
            FAIL,
            "0 %",
            "500 of 500 canary requests failed (0 %), at least 99 % is asked; seen by the callers",
            id="connections that reach no pod fail by the callers' view",
        ),
        pytest.param(
            seen(Count(500, bad=3), pods=Count(500, bad=1)),
            PASS,
            "99.4 %",
            "3 of 500",
            id="of two passes the worse one is told",
        ),
        pytest.param(
            seen(Count(9, bad=9), pods=Count(20)),
            PASS,
            "100 %",
            "seen by the pods",
            id="a view with too few requests has no say",
        ),
        pytest.param(
            {View.PODS: Tracks(STABLE, Count(50))},
            PASS,
            "100 %",
            "seen by the pods",
            id="one view is enough",
        ),
        pytest.param(
            seen(Count(9, bad=9)),
            INCONCLUSIVE,
            None,
            "9 canary requests in 60 s, at least 10 are needed to tell",
            id="too few requests prove nothing, not even errors",
        ),
        pytest.param(
            seen(NOTHING, stable=NOTHING),
            INCONCLUSIVE,
            None,
            "0 canary requests in 60 s, at least 10 are needed",
            id="no traffic at all",
        ),
        pytest.param({}, INCONCLUSIVE, None, "0 canary requests", id="no telemetry at all"),
        pytest.param(
            seen(NOTHING),
            INCONCLUSIVE,
            None,
            "RoutingNotObserved: no request reached the canary in 60 s, although "
            "its weight is 20 % and stable got 5,000; do the callers follow the route?",
            id="the canary gets nothing although stable does",
        ),
        pytest.param(
            seen(NOTHING, stable=Count(39)),
            INCONCLUSIVE,
            None,
            "0 canary requests in 60 s",
            id="stable gets too little for the canary to have a share",
        ),
    ],
)
def test_success_rate(traffic: Traffic, verdict: Verdict, value: str | None, words: str) -> None:
    found = limits_of(success_rate(), traffic, {}, LOOK)
    assert (verdict, value) == (found.verdict, found.value)
    assert words in found.text
    assert found.canary is not None


@pytest.mark.parametrize(
    ("canary", "stable", "verdict", "words"),
    [
        pytest.param(
            Count(10, hung_up=40),
            Count(899, hung_up=1),
            FAIL,
            "40 of 50 (80 %) canary callers hung up before the response, with "
            "stable 1 of 900 (0.11 %), so the canary seems to hang; seen by the callers",
            id="a version that hangs fails",
        ),
        pytest.param(
            Count(0, hung_up=40), STABLE, FAIL, "40 of 40", id="also when nobody waited for it"
        ),
        pytest.param(
            Count(980, hung_up=20),
            Count(4900, hung_up=100),
            PASS,
            "980",
            id="as many as with stable",
        ),
        pytest.param(
            Count(9800, hung_up=200), Count(4950, hung_up=50), PASS, "9,800", id="one point more"
        ),
        pytest.param(
            Count(9790, hung_up=210), Count(4950, hung_up=50), FAIL, "hang", id="more than a point"
        ),
        pytest.param(Count(20, hung_up=1), STABLE, PASS, "of 20", id="a single one proves nothing"),
        pytest.param(
            Count(20, hung_up=20), Count(3), PASS, "of 20", id="too little of stable to compare"
        ),
        pytest.param(
            Count(2, hung_up=5),
            STABLE,
            INCONCLUSIVE,
            "2 canary requests in 60 s, at least 10 are needed to tell, 5 callers hung up",
            id="too few callers",
        ),
    ],
)
def test_callers_that_hang_up(canary: Count, stable: Count, verdict: Verdict, words: str) -> None:
    traffic = {View.CALLERS: Tracks(stable, canary)}
    found = limits_of(success_rate(), traffic, {}, LOOK)
    assert words in found.text
    assert verdict is found.verdict


def test_a_hanging_version_fails_the_latency_check_too() -> None:
    traffic = {View.CALLERS: Tracks(STABLE, Count(0, hung_up=40))}
    assert limits_of(latency(500), traffic, {}, LOOK).verdict is FAIL


def test_digits_follow_the_limit() -> None:
    check = success_rate(99.995)
    found = limits_of(check, seen(Count(1_000_000, bad=49)), {}, LOOK)
    assert (found.value, threshold_of(check)) == ("99.995 %", "≥ 99.995 %")


@pytest.mark.parametrize(("weight", "due"), [(0, False), (1, False), (100, True)])
def test_whether_a_silent_canary_is_a_routing_problem(weight: int, due: bool) -> None:
    look = Look(AT, timedelta(seconds=60), weight, min_requests=10)
    found = limits_of(success_rate(), seen(NOTHING, stable=Count(100)), {}, look)
    assert found.verdict is INCONCLUSIVE
    assert due is ("RoutingNotObserved" in found.text)
    assert due is (found.reason is Reason.ROUTING_NOT_OBSERVED)


SPREAD: Buckets = {100: 50, 250: 90, 500: 100, 1000: 100, math.inf: 100}


@pytest.mark.parametrize(
    ("buckets", "percent", "expected"),
    [
        pytest.param(SPREAD, 50, Percentile(100), id="a bound itself"),
        pytest.param(
            SPREAD, 25, Percentile(50, between=(0, 100)), id="inside the first bucket, from zero"
        ),
        pytest.param(SPREAD, 95, Percentile(375, between=(250, 500)), id="between two bounds"),
        pytest.param({100: 5, math.inf: 10}, 90, Percentile(100, beyond=True), id="beyond"),
        pytest.param({math.inf: 10}, 90, Percentile(0, beyond=True), id="no bound at all"),
        pytest.param({100: 0, math.inf: 0}, 90, None, id="no request"),
        pytest.param({}, 90, None, id="no histogram"),
        pytest.param({100: 10, 250: 10}, 90, None, id="a histogram without +Inf"),
        pytest.param({100: 60, 250: 59, math.inf: 60}, 100, Percentile(100), id="a dent"),
    ],
)
def test_percentile(buckets: Buckets, percent: float, expected: Percentile | None) -> None:
    assert expected == percentile(buckets, percent)


@pytest.mark.parametrize(
    ("buckets", "bound", "expected"),
    [
        pytest.param(SPREAD, 250, Slow(100, 10), id="a bound itself counts exactly"),
        pytest.param(SPREAD, 375, Slow(100, 5, (250, 500)), id="between two bounds"),
        pytest.param(SPREAD, 50, Slow(100, 75, (0, 100)), id="below the first bound"),
        pytest.param(SPREAD, 1001, None, id="above the last bound nothing can be told"),
        pytest.param({100: 90, 500: 95, math.inf: 100}, 300, Slow(100, 7.5, (100, 500)), id="gap"),
        pytest.param({100: 10, 250: 10}, 100, None, id="a histogram without +Inf"),
        pytest.param({100: 0, math.inf: 0}, 100, None, id="no request"),
        pytest.param({100: 60, 250: 59, math.inf: 60}, 250, Slow(60, 1), id="a dent"),
        pytest.param({100: 61, math.inf: 60}, 100, Slow(60, 0), id="never less than none"),
    ],
)
def test_slow_requests(buckets: Buckets, bound: float, expected: Slow | None) -> None:
    assert expected == slower_than(buckets, bound)


@pytest.mark.parametrize(
    ("buckets", "limit", "verdict", "value", "words"),
    [
        pytest.param(
            SPREAD,
            500,
            PASS,
            "475 ms",
            "99 % of 100 canary requests took up to about 475 ms (estimated between the bounds 250 "
            "and 500 ms), at most 500 ms is asked; seen by the callers",
            id="fast enough",
        ),
        pytest.param(SPREAD, 474, FAIL, "475 ms", "at most 474 ms is asked", id="too slow"),
        pytest.param(
            {100: 9, 500: 90, math.inf: 1_000},
            400,
            FAIL,
            "> 500 ms",
            "took more than 500 ms",
            id="slower than the histogram can tell, and than the limit",
        ),
        pytest.param(
            {100: 9, 500: 90, math.inf: 1_000},
            500,
            FAIL,
            "> 500 ms",
            "more than 500 ms",
            id="slower than the last bound, which is the limit",
        ),
        pytest.param(
            {100: 9, 500: 90, math.inf: 1_000},
            60_000,
            INCONCLUSIVE,
            "> 500 ms",
            "at most 60,000 ms is asked",
            id="slower than the histogram can tell, but not than the limit",
        ),
        pytest.param(
            {100: 9, math.inf: 9},
            500,
            INCONCLUSIVE,
            None,
            "no durations of the 500 canary requests in 60 s",
            id="requests without durations",
        ),
    ],
)
def test_latency(
    buckets: Buckets, limit: float, verdict: Verdict, value: str | None, words: str
) -> None:
    durations = {
        View.CALLERS: Histograms(canary=buckets),
        View.PODS: Histograms(canary={100.0: 500.0, math.inf: 500.0}),
    }
    if value is None:
        del durations[View.PODS]
    found = limits_of(latency(limit), seen(Count(500)), durations, LOOK)
    assert (verdict, value) == (found.verdict, found.value)
    assert words in found.text


def test_latency_without_traffic_is_told_like_the_success_rate() -> None:
    found = limits_of(latency(500), seen(NOTHING), {}, LOOK)
    assert found.verdict is INCONCLUSIVE
    assert "RoutingNotObserved" in found.text


@pytest.mark.parametrize(
    ("limits", "values", "verdict", "words"),
    [
        ({"max": 0.01}, [0.003], PASS, "the query gave 0.003, ≤ 0.01 is asked"),
        ({"max": 0.01}, [0.01], PASS, "0.01"),
        ({"max": 0.01}, [0.02], FAIL, "the query gave 0.02, ≤ 0.01 is asked"),
        ({"min": 5}, [4], FAIL, "≥ 5"),
        ({"min": 5, "max": 7}, [6], PASS, "≥ 5 and ≤ 7 is asked"),
        ({"max": 1}, [], INCONCLUSIVE, "the query gave nothing"),
        ({"max": 1}, [math.nan], INCONCLUSIVE, "NaN"),
        ({"max": 1}, [math.inf], INCONCLUSIVE, "+Inf"),
        ({"max": 1}, [-math.inf], INCONCLUSIVE, "-Inf"),
        ({"max": 1}, [0, 0], INCONCLUSIVE, "2 series where one is expected"),
    ],
)
def test_query(limits: dict[str, Any], values: list[float], verdict: Verdict, words: str) -> None:
    found = answer_of(query(**limits), values)
    assert verdict is found.verdict
    assert words in found.text
    assert (found.value is None) is (verdict is INCONCLUSIVE)


def test_a_check_that_could_not_be_made_says_why() -> None:
    found = cannot_tell("Prometheus did not answer within 5 s")
    assert found.verdict is INCONCLUSIVE
    assert found.text == "Prometheus did not answer within 5 s"
    assert found.value is None


def test_a_check_is_not_judged_as_another_kind() -> None:
    with pytest.raises(ValueError, match="of another kind"):
        answer_of(success_rate(), [1])


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (success_rate(99.9), "≥ 99.9 %"),
        (latency(1.5), "≤ 1.5 ms"),
        (latency(2500), "≤ 2,500 ms"),
        (query(min=1), "≥ 1"),
        (query(min=1, max=2.5), "≥ 1 and ≤ 2.5"),
    ],
)
def test_thresholds(check: MetricCheck, expected: str) -> None:
    assert expected == threshold_of(check)
