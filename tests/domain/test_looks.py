"""When rollouts are looked at, and over which stretches of time."""

import itertools
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary_operator.domain.evidence import Evidence
from canary_operator.domain.looks import (
    FEW,
    FINEST_SLOT,
    MOST_AT_ONCE,
    MOST_SLOTS,
    next_check_at,
    next_slot,
    slot_of,
    slots_of,
    stretch_of,
)
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
ODD_INTERVALS = st.integers(5_000, 100_000).map(lambda count: timedelta(milliseconds=count))
FLEETS = st.integers(1, 5_000)
"""How many rollouts the operator checks."""


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


@given(ODD_INTERVALS, MILLISECONDS, FLEETS)
def test_slots_repeat_by_the_interval_exactly(
    interval: timedelta, offset: timedelta, checked: int
) -> None:
    slot = next_slot(NOW + offset, interval, checked)
    assert slot.microsecond % 1000 == 0, "the status tells milliseconds"
    assert next_slot(slot + 1000 * interval, interval, checked) == slot + 1000 * interval


@given(ODD_INTERVALS, st.integers(1, FEW))
def test_up_to_200_rollouts_ask_at_the_same_slots_however_many_they_are(
    interval: timedelta, checked: int
) -> None:
    assert slots_of(interval, checked) == slots_of(interval) <= MOST_SLOTS


@given(ODD_INTERVALS, FLEETS.filter(lambda checked: checked > FEW))
def test_slots_of_many_rollouts_are_as_fine_as_their_number_asks_for(
    interval: timedelta, checked: int
) -> None:
    slots = slots_of(interval, checked)
    assert checked <= MOST_AT_ONCE * slots or interval / (2 * slots) < FINEST_SLOT
    coarser = slots // 2
    assert coarser < slots_of(interval) or checked > MOST_AT_ONCE * coarser


@given(ODD_INTERVALS, MILLISECONDS, FLEETS, FLEETS)
def test_a_finer_grid_has_all_slots_of_the_coarser_one(
    interval: timedelta, offset: timedelta, one: int, other: int
) -> None:
    fewer, more = sorted((one, other))
    slot = next_slot(NOW + offset, interval, fewer)
    assert next_slot(slot, interval, more) == slot


def test_2000_rollouts_that_began_at_any_time_are_not_due_in_the_same_moments() -> None:
    begun = [NOW + seconds(30) * index / 2000 for index in range(2000)]
    found = [next_check_at(replace(applied(at, interval="30s"), checked=2000)) for at in begun]
    at_once = Counter((due - NOW) % seconds(30) for due in found if due)
    assert sum(at_once.values()) == 2000
    assert max(at_once.values()) <= MOST_AT_ONCE


@given(MILLISECONDS, ODD_INTERVALS, st.lists(st.tuples(FLEETS, st.floats(0, 3)), min_size=2))
def test_no_check_is_skipped_or_made_twice_while_the_fleet_grows_and_shrinks(
    offset: timedelta, interval: timedelta, looks: list[tuple[int, float]]
) -> None:
    """However late each look is, in intervals: the moments keep their place on the grid."""
    start, written = NOW + offset, f"{interval // seconds(0.001)}ms"
    at, last = applied(start, interval=written, window=written), None
    for checked, late in looks:
        at = replace(at, checked=checked)
        due = next_check_at(at)
        assert due is not None
        moment = stretch_of(replace(at, now=due + late * interval), due).at
        if last is None:
            assert interval <= due - start <= interval + slot_of(interval)
        else:
            assert due == last + interval
            assert (moment - last) % interval == timedelta()
        last = moment
        at = with_attempt(at, last_check=CheckRecord(at=last, verdict=Verdict.PASS))


def test_a_first_check_waits_for_the_coarser_slot_where_the_fleet_shrinks_meanwhile() -> None:
    at = replace(applied(NOW + seconds(0.2), interval="30s"), checked=2000)
    assert next_check_at(at) == NOW + seconds(30.468)
    assert next_check_at(replace(at, checked=200)) == NOW + seconds(37.5)


def test_an_interval_whose_grid_has_no_such_slot_gives_another_place() -> None:
    looked = CheckRecord(at=NOW + seconds(7.7), verdict=Verdict.PASS)
    at = with_attempt(applied(NOW, interval="40s"), last_check=looked)
    assert next_check_at(at) == NOW + seconds(50)


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
