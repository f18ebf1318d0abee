"""Every metric is judged by all that was asked of it; the worst says what it is."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from canary_operator.domain.counts import Count, Durations, Histograms, Tracks, Traffic, View
from canary_operator.domain.evidence import Evidence
from canary_operator.domain.judge import judge
from canary_operator.domain.phase import Phase
from canary_operator.domain.readings import Missing, Past, Readings, Seen
from canary_operator.domain.situation import Situation
from canary_operator.domain.status import CheckRecord, Judgement, RolloutStatus, Verdict
from canary_operator.testing.situations import (
    NOW,
    on_first_step,
    wanted,
    with_attempt,
    with_status,
)

PASS, INCONCLUSIVE, FAIL = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL
INTERVAL = timedelta(seconds=10)
RATE: dict[str, Any] = {"name": "success-rate", "successRate": {}}
LIMITED: dict[str, Any] = {"name": "success-rate", "successRate": {"min": 99}}
SLOW: dict[str, Any] = {"name": "latency", "latency": {"max": "500ms"}}
CARTS: dict[str, Any] = {"name": "carts", "query": {"promql": "carts", "max": 1}}
AWAY = Missing("Prometheus did not answer within 5 s")


def seen(
    canary: tuple[float, float] = (50, 0), stable: tuple[float, float] = (950, 0), **pods: Count
) -> Traffic:
    """Return what both views counted: requests and bad ones."""
    tracks = Tracks(Count(*stable), Count(*canary))
    return {View.CALLERS: tracks, View.PODS: Tracks(tracks.stable, pods.get("pods", tracks.canary))}


def rollout(*metrics: dict[str, Any], comparison: Any = None, **attempt: Any) -> Situation:
    """Return a rollout at 5 %, 55 s after that weight was applied; the hold lasts 10 s."""
    analysis = {"interval": "10s", "window": "20s", "minRequests": 10, "metrics": list(metrics)}
    if comparison is not None:
        analysis["comparison"] = comparison
    at = replace(on_first_step(**attempt), wanted=wanted("v2", analysis=analysis))
    return with_status(at, weight_applied_at=NOW - timedelta(seconds=55))


def read(traffic: Traffic | Missing, durations: Durations | Missing | None = None) -> Readings:
    each = Seen(INTERVAL, traffic, durations if durations is not None else {})
    return Readings(NOW, replace(each, length=timedelta(seconds=20)), each)


def looked(at: Situation, looks: Sequence[Traffic], first: Readings | None = None) -> Situation:
    """Return the rollout after some looks, an interval apart; the last one is now."""
    for index, traffic in enumerate(looks):
        moment = NOW - INTERVAL * (len(looks) - 1 - index)
        readings = replace(first or read(traffic), at=moment)
        if first is None:
            readings = replace(readings, since_last=Seen(INTERVAL, traffic))
        judged = judge(replace(at, now=moment), readings)
        at = with_status(at, metrics=judged.judgements)
        at = with_attempt(at, evidence=judged.evidence, compared_until=judged.compared_until)
    return at


def first(at: Situation, readings: Readings) -> Judgement:
    return judge(at, readings).judgements[0]


HOLDING = {"hold_started_at": NOW}
"""The hold of the step is not over."""

COMPARED = [
    pytest.param([seen()], {}, INCONCLUSIVE, "GatheringEvidence", id="one look tells little"),
    pytest.param([seen()] * 3, {}, PASS, "NoSignOfHarm", id="nothing speaks against it"),
    pytest.param([seen()] * 3, HOLDING, INCONCLUSIVE, "GatheringEvidence", id="the hold goes on"),
    pytest.param(
        [seen(canary=(9, 0))] * 5, {}, INCONCLUSIVE, "GatheringEvidence", id="windows are not full"
    ),
    pytest.param(
        [seen(canary=(500, 0), stable=(9500, 0))] * 6,
        HOLDING,
        PASS,
        "NoWorseThanStable",
        id="proven healthy",
    ),
    pytest.param([seen(canary=(50, 10))] * 2, {}, INCONCLUSIVE, "WorseSuspected", id="two looks"),
    pytest.param([seen(canary=(50, 10))] * 3, {}, FAIL, "WorseThanStable", id="harm"),
    pytest.param(
        [seen(canary=(50, 10), stable=(950, 190))] * 3,
        {},
        INCONCLUSIVE,
        "SharedCauseSuspected",
        id="an outage of both",
    ),
    pytest.param(
        [seen(canary=(50, 40), stable=(950, 190))] * 3,
        {},
        FAIL,
        "WorseThanStable",
        id="an outage of both that hits the canary harder",
    ),
    pytest.param(
        [seen(canary=(50, 50), pods=Count())] * 3,
        {},
        FAIL,
        "WorseThanStable",
        id="connections that reach no pod, by the callers' view",
    ),
    pytest.param(
        [seen()] * 5 + [seen(canary=(0, 0))],
        {},
        INCONCLUSIVE,
        "RoutingNotObserved",
        id="no requests any more",
    ),
    pytest.param(
        [seen(canary=(0, 0), stable=(0, 0))] * 9,
        {},
        INCONCLUSIVE,
        "TooFewRequests",
        id="no traffic",
    ),
    pytest.param(
        [seen(canary=(500, 0), stable=(500, 0))] * 4,
        {},
        INCONCLUSIVE,
        "RoutingNotApplied",
        id="half of the requests at a weight of 5 %",
    ),
]


@pytest.mark.parametrize(("looks", "attempt", "verdict", "reason"), COMPARED)
def test_a_comparison(
    looks: list[Traffic], attempt: dict[str, Any], verdict: Verdict, reason: str
) -> None:
    judged = looked(rollout(RATE, comparison={}, **attempt), looks).status.metrics[0]
    assert (judged.verdict, judged.reason) == (verdict, reason), judged.message


def test_the_words_of_a_rollback() -> None:
    at = looked(rollout(RATE, comparison={"errorClumping": 1}), [seen((401, 5), (7639, 4))] * 3)
    judged = at.status.metrics[0]
    assert judged.message == (
        "success-rate: canary 15 of 1,203 requests failed, stable 12 of 22,917; "
        "odds 395:1 that the canary is worse; rolled back at 100:1; "
        "difference +0.70 to +2.00 percentage points; seen by the callers"
    )
    assert (judged.value, judged.threshold) == ("98.75 %", "stable 99.94 %")
    assert judged.canary is not None
    assert (judged.canary.requests, judged.canary.bad) == (1203, 15)


def test_what_is_needed_is_told() -> None:
    at = looked(rollout(RATE, comparison={}), [seen()])
    assert "more canary requests, in 5 or more intervals, are needed to prove" in _message(at)
    at = looked(rollout(RATE, comparison={}, **HOLDING), [seen((9000, 0), (171000, 0))] * 5)
    assert "more canary requests are needed to prove that it is no worse; seen" in _message(at)
    at = looked(rollout(RATE, comparison={}), [seen((9, 0), (171, 0))] * 5)
    assert "and 3 intervals with minRequests of each version to go on without (0 had)" in _message(
        at
    )
    at = looked(rollout(RATE, comparison={}), [seen(canary=(0, 0), stable=(0, 0))])
    assert "0 canary requests in 10 s, at least 10 are needed" in _message(at)


def _message(at: Situation) -> str:
    return at.status.metrics[0].message


def test_a_dry_run_is_shown_and_decides_nothing() -> None:
    at = looked(rollout({**RATE, "dryRun": True}, SLOW, comparison={}), [seen((50, 10))] * 3)
    judged = at.status.metrics[0]
    assert (judged.verdict, judged.dry_run) == (FAIL, True)
    assert judged.message.startswith("success-rate: dry run: canary 30 of 150 requests failed")


# Limits beside a comparison.

BESIDE = [
    pytest.param(seen(canary=(50, 1)), FAIL, "OutsideLimits", id="a limit that is broken counts"),
    pytest.param(
        seen(canary=(50, 3), stable=(950, 57)),
        FAIL,
        "OutsideLimits",
        id="also when stable breaks it, below the guardrail",
    ),
    pytest.param(
        seen(canary=(50, 10), stable=(950, 190)),
        INCONCLUSIVE,
        "SharedCauseSuspected",
        id="but not while both are above the guardrail",
    ),
]


@pytest.mark.parametrize(("traffic", "verdict", "reason"), BESIDE)
def test_a_limit_beside_a_comparison(traffic: Traffic, verdict: Verdict, reason: str) -> None:
    judged = first(rollout(LIMITED, comparison={}), read(traffic))
    assert (judged.verdict, judged.reason) == (verdict, reason), judged.message
    assert judged.threshold == "≥ 99 %"
    assert "canary" in judged.message


def test_the_end_of_an_outage_of_both_is_excused_as_well() -> None:
    """The window of the limit still holds the outage when the last interval is quiet."""
    at = looked(rollout(LIMITED, comparison={}), [seen((50, 20), (950, 380)), seen()])
    judged = judge(
        at, replace(read(seen((100, 20), (1900, 380))), since_last=Seen(INTERVAL, seen()))
    )
    assert judged.judgements[0].verdict is INCONCLUSIVE
    later = replace(read(seen((100, 20), (1900, 38))), at=NOW + timedelta(seconds=30))
    assert first(at, later).verdict is FAIL


def test_while_promoting_stable_is_no_control_that_excuses_anything() -> None:
    at = with_status(rollout(LIMITED, comparison={}), phase=Phase.PROMOTING)
    assert first(at, read(seen((50, 10), (950, 190)))).verdict is FAIL


def test_a_limit_waits_for_a_whole_window_at_this_weight() -> None:
    judged = first(rollout(LIMITED, comparison={}), replace(read(seen()), window=None))
    assert judged.verdict is INCONCLUSIVE
    assert "looks back on 20 s at this weight, which are not over yet" in judged.message


def test_callers_that_hang_up_fail_a_comparison_without_limits() -> None:
    traffic = {View.CALLERS: Tracks(Count(950), Count(50, hung_up=50))}
    judged = first(rollout(RATE, comparison={}), read(traffic))
    assert (judged.verdict, judged.reason) == (FAIL, "CallersHungUp")


# Latency.


def timed(canary_slow: float, stable_slow: float) -> Durations:
    """Return durations of 100 and 1,900 requests, of which so many took over 500 ms."""
    each = Histograms(
        stable={250: 1000, 500: 1900 - stable_slow, 1000: 1900, math.inf: 1900},
        canary={250: 50, 500: 100 - canary_slow, 1000: 100, math.inf: 100},
    )
    return {View.CALLERS: each, View.PODS: each}


@pytest.mark.parametrize(
    ("slow", "stable", "verdict"),
    [(0, 0, PASS), (30, 19, FAIL), (1, 19, PASS)],
)
def test_latency_is_compared_by_slow_requests(slow: int, stable: int, verdict: Verdict) -> None:
    readings = read(seen((100, 0), (1900, 0)), timed(slow, stable))
    at = looked(rollout(SLOW, comparison={}), [{}] * 3, readings)
    judged = at.status.metrics[0]
    assert judged.verdict is verdict, judged.message
    assert f"canary {3 * slow} of 300 requests took longer than 500 ms" in judged.message


def test_a_bound_between_two_buckets_is_estimated_and_says_so() -> None:
    check = {"name": "latency", "latency": {"max": "750ms"}}
    at = looked(rollout(check, comparison={}), [{}], read(seen(), timed(40, 19)))
    assert "canary 20 of 100 requests took longer than 750 ms, estimated between" in _message(at)


def test_metrics_share_the_risk() -> None:
    alone = looked(rollout(RATE, comparison={}), [seen((50, 10))] * 3)
    shared = looked(
        rollout(RATE, SLOW, comparison={}),
        [{}] * 3,
        read(seen((50, 10)), timed(0, 0)),
    )
    assert "rolled back at 100:1" in _message(alone)
    assert "rolled back at 200:1" in _message(shared)


# What was not measured.


@pytest.mark.parametrize(
    ("metrics", "comparison"),
    [
        pytest.param([LIMITED], None, id="limits"),
        pytest.param([RATE], {}, id="a comparison"),
        pytest.param([LIMITED], {}, id="both"),
        pytest.param([SLOW], {}, id="durations"),
    ],
)
def test_a_prometheus_that_is_away_is_inconclusive(
    metrics: list[dict[str, Any]], comparison: Any
) -> None:
    at = rollout(*metrics, comparison=comparison)
    judged = judge(at, read(AWAY, AWAY))
    assert judged.judgements[0].verdict is INCONCLUSIVE
    assert judged.judgements[0].reason == "MetricsUnavailable"
    assert AWAY.why in judged.judgements[0].message
    assert judged.compared_until is None
    assert judged.hurt is None


def test_looks_that_failed_are_made_up_for() -> None:
    at = looked(rollout(RATE, comparison={}), [seen()])
    judged = judge(at, replace(read(AWAY), at=NOW + INTERVAL))
    assert judged.compared_until == NOW
    assert judged.evidence == at.attempt.evidence


def test_a_query_that_nobody_answered_is_inconclusive() -> None:
    judged = judge(rollout(CARTS), Readings(NOW))
    assert judged.judgements[0].verdict is INCONCLUSIVE
    found = judge(rollout(CARTS), Readings(NOW, answers={"carts": [2.0]}))
    assert found.judgements[0].verdict is FAIL


# What is kept.


def test_health_has_to_be_proven_at_every_weight() -> None:
    at = looked(rollout(RATE, comparison={}), [seen()] * 4)
    assert at.attempt.evidence[0].healthy_windows == 4
    raised = with_status(at, weight_applied_at=NOW + timedelta(seconds=1))
    after = judge(raised, replace(read(seen()), at=NOW + 2 * INTERVAL)).evidence[0]
    assert (after.healthy_windows, after.windows, after.full_windows_in_step) == (1, 5, 1)


def test_no_data_in_a_step_is_no_pass_however_much_there_was_before() -> None:
    at = looked(rollout(RATE, comparison={}), [seen()] * 4)
    raised = with_status(at, weight_applied_at=NOW + timedelta(seconds=1))
    idle = replace(read(seen((0, 0), (0, 0))), at=NOW + 2 * INTERVAL)
    assert first(raised, idle).verdict is INCONCLUSIVE
    few = replace(read(seen((9, 0), (171, 0))), at=NOW + 2 * INTERVAL)
    assert first(raised, few).verdict is INCONCLUSIVE


def test_the_past_of_stable_says_how_failures_clump() -> None:
    bursts = [
        {"a": Count(500, 20 if n % 10 == 0 else 0), "b": Count(500, 20 if n % 10 == 5 else 0)}
        for n in range(60)
    ]
    at = rollout(RATE, comparison={})
    evidence = judge(at, replace(read(seen()), past=Past(bursts))).evidence[0]
    assert evidence.clumping is not None
    assert evidence.clumping > 5
    assert judge(at, replace(read(seen()), past=AWAY)).evidence[0].clumping is None
    assert judge(at, replace(read(seen()), past=Past())).evidence[0].clumping == 1


def test_the_evidence_of_three_metrics_is_smaller_than_two_kilobytes() -> None:
    metrics = [{**RATE, "name": f"success-rate-{n}"} for n in range(3)]
    at = rollout(*metrics, comparison={})
    chance = [seen((4983 + n, 17 * n % 7), (91237 + n, 83 * n % 97)) for n in range(40)]
    at = looked(at, chance)
    kept = RolloutStatus(attempt=at.attempt).model_dump_json(by_alias=True, exclude_none=True)
    assert len(kept) < 2048 + 300  # the rest of the attempt


def test_evidence_survives_its_way_through_the_api() -> None:
    at = looked(rollout(RATE, comparison={}), [seen((50, 1), (950, 3))] * 5)
    written = RolloutStatus.read(at.status.to_json())
    assert written.attempt is not None
    assert written.attempt.evidence == at.attempt.evidence
    assert isinstance(written.attempt.evidence[0], Evidence)


@pytest.mark.parametrize(
    ("last", "hurt"),
    [
        pytest.param(None, 8, id="the first window counts in full"),
        pytest.param(NOW - timedelta(seconds=5), 2, id="of an overlapping one the new part"),
        pytest.param(NOW - timedelta(seconds=60), 8, id="never more than there was"),
    ],
)
def test_requests_hurt_where_windows_overlap(last: Any, hurt: float) -> None:
    record = None if last is None else CheckRecord(at=last, verdict=PASS)
    at = with_attempt(rollout(LIMITED), last_check=record)
    readings = replace(read(seen((50, 8))), since_last=None)
    assert judge(at, readings).hurt == hurt
