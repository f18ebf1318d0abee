"""When rollouts are looked at, and over which stretches of time."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary_operator.domain.evidence import Evidence
from canary_operator.domain.looks import MOST_SLOTS, next_check_at, slot_of, stretch_of
from canary_operator.domain.situation import Situation
from canary_operator.domain.status import CheckRecord, Verdict
from canary_operator.testing.situations import (
    NOW,
    on_first_step,
    wanted,
    with_attempt,
    with_status,
)

MILLISECONDS = st.integers(0, 10**7).map(lambda count: timedelta(milliseconds=count))
INTERVALS = st.integers(5, 600).map(lambda count: timedelta(seconds=count))


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def applied(at: datetime, **analysis: Any) -> Situation:
    """Return a rollout whose weight is in force since `at` and was not looked at yet."""
    situation = replace(on_first_step(last_check=None), wanted=wanted("v2", analysis=analysis))
    return with_status(situation, weight_applied_at=at)


@given(MILLISECONDS, INTERVALS)
def test_the_first_check_waits_for_the_next_slot_and_no_longer(
    offset: timedelta, interval: timedelta
) -> None:
    start = NOW + offset
    written = f"{interval.total_seconds():g}s"
    due = next_check_at(applied(start, interval=written, window=written))
    assert due is not None
    assert interval <= due - start < interval + slot_of(interval)


@given(st.lists(MILLISECONDS, min_size=2, max_size=30))
def test_all_rollouts_of_one_interval_ask_at_few_different_times(
    offsets: list[timedelta],
) -> None:
    interval = seconds(30)
    found = (next_check_at(applied(NOW + offset, interval="30s")) for offset in offsets)
    phases = {(due - NOW) % interval for due in found if due}
    assert len(phases) <= MOST_SLOTS


def test_checks_follow_each_other_by_the_interval() -> None:
    at = applied(NOW, interval="30s", window="30s")
    first = next_check_at(at)
    assert first is not None
    looked = with_attempt(at, last_check=CheckRecord(at=first, verdict=Verdict.PASS))
    assert next_check_at(looked) == first + seconds(30)


@pytest.mark.parametrize(
    ("late", "moment"),
    [
        pytest.param(0, 0, id="in time"),
        pytest.param(4, 0, id="a little late: the end of the stretch is when it was due"),
        pytest.param(11, 10, id="an interval late: it is made for the latest slot"),
    ],
)
def test_a_late_check(late: float, moment: float) -> None:
    due = NOW + seconds(60)
    at = replace(applied(NOW, interval="10s"), now=due + seconds(late))
    assert stretch_of(at, due).at == due + seconds(moment)


def test_limits_are_compared_alone_without_a_comparison() -> None:
    stretch = stretch_of(replace(applied(NOW - seconds(60), interval="10s"), now=NOW), NOW)
    assert stretch.window == seconds(20)  # four scrapes
    assert stretch.since_last is None
    assert stretch.past_until is None


LIMITED: dict[str, Any] = {"name": "limited", "successRate": {"min": 99}}
COMPARED: dict[str, Any] = {"interval": "10s", "window": "60s", "comparison": {}}


def test_a_comparison_looks_after_one_interval_and_limits_after_their_window() -> None:
    at = applied(NOW, **COMPARED, metrics=[LIMITED])
    due = next_check_at(at)
    assert due == NOW + seconds(10)
    first = stretch_of(replace(at, now=due), due)
    assert (first.window, first.since_last) == (None, seconds(10))
    later = NOW + seconds(60)
    assert stretch_of(replace(at, now=later), later).window == seconds(60)


def test_a_comparison_without_limits_asks_for_no_window() -> None:
    metrics = [
        {"name": "rate", "successRate": {}},
        {"name": "own", "query": {"promql": "1", "max": 1}},
    ]
    for asked, window in ((metrics, None), ([*metrics, LIMITED], seconds(60))):
        at = replace(applied(NOW - seconds(90), **COMPARED, metrics=asked), now=NOW)
        assert stretch_of(at, NOW).window == window


@pytest.mark.parametrize(
    ("until", "since_last"),
    [
        pytest.param(None, 10, id="nothing was compared yet"),
        pytest.param(-10, 10, id="one interval ago"),
        pytest.param(-30, 30, id="looks that were missed are made up for"),
        pytest.param(-50, 10, id="but not for ever"),
        pytest.param(-65, 10, id="the last look was at another weight"),
    ],
)
def test_what_a_comparison_looks_back_on(until: float | None, since_last: float) -> None:
    at = replace(applied(NOW - seconds(60), **COMPARED), now=NOW)
    known = None if until is None else NOW + seconds(until)
    stretch = stretch_of(with_attempt(at, compared_until=known), NOW)
    assert stretch.since_last == seconds(since_last)


def test_consecutive_looks_tile_time_exactly() -> None:
    at, ends = applied(NOW, **COMPARED), []
    for _ in range(5):
        due = next_check_at(at)
        assert due is not None
        stretch = stretch_of(replace(at, now=due + seconds(0.7)), due)
        ends.append((stretch.at - (stretch.since_last or seconds(0)), stretch.at))
        record = CheckRecord(at=stretch.at, verdict=Verdict.INCONCLUSIVE)
        at = with_attempt(at, last_check=record, compared_until=stretch.at)
    assert all(begin == end for (_, end), (begin, _) in itertools.pairwise(ends))


@pytest.mark.parametrize(
    ("comparison", "evidence", "asked"),
    [
        pytest.param({}, (), True, id="clumps are not known yet"),
        pytest.param({"errorClumping": 3}, (), False, id="the user said how large they are"),
        pytest.param(
            {}, (Evidence(name="success-rate", clumping=2),), False, id="clumps are known"
        ),
        pytest.param({}, (Evidence(name="success-rate"),), True, id="the past was not told yet"),
        pytest.param(
            {}, (Evidence(name="success-rate", windows=3),), False, id="it is too late for that"
        ),
    ],
)
def test_when_stables_past_is_asked_for(
    comparison: dict[str, Any], evidence: tuple[Evidence, ...], asked: bool
) -> None:
    at = applied(NOW - seconds(60), **{**COMPARED, "comparison": comparison})
    at = replace(with_attempt(at, evidence=evidence), now=NOW)
    stretch = stretch_of(at, NOW)
    assert stretch.past_until == (at.attempt.started_at if asked else None)
