"""Rollouts that are looked at at the same time share their queries."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from canary_operator.domain.counts import Count, Histograms, Tracks, View
from canary_operator.domain.looks import next_check_at, stretch_of
from canary_operator.domain.readings import Seen
from canary_operator.domain.situation import Wanted
from canary_operator.ports import Key, Measure
from canary_operator.testing.situations import CANARY, on_first_step, with_attempt, with_status
from tests.adapters.metrics.asking import (
    AT,
    LATENCY,
    MINUTE,
    SUCCESS_RATE,
    WEB,
    judged,
    keys,
    measure,
    source,
    spec,
)
from tests.adapters.metrics.pretender import by_metric, sample, success

INTERVAL = timedelta(seconds=30)
BOTH = [SUCCESS_RATE, LATENCY]
COMPARED: list[dict[str, Any]] = [
    {"name": "success-rate", "successRate": {}},
    {"name": "latency", "latency": {"max": "500ms"}},
]


async def test_who_stops_waiting_takes_nobody_along() -> None:
    async with source(success([])) as made:
        impatient = asyncio.ensure_future(made.judge(SUCCESS_RATE))
        patient = asyncio.ensure_future(made.judge(SUCCESS_RATE))
        await asyncio.sleep(0)
        impatient.cancel()
        assert "needed" in (await patient).message


@pytest.mark.parametrize(
    ("rollouts", "checks", "queries"),
    [
        pytest.param(1, [SUCCESS_RATE], 1, id="one rollout"),
        pytest.param(200, [SUCCESS_RATE], 1, id="as many as fit in one query"),
        pytest.param(201, [SUCCESS_RATE], 2, id="one more"),
        pytest.param(200, BOTH, 2, id="as many with both checks"),
        pytest.param(401, BOTH, 6, id="many with both checks"),
    ],
)
async def test_rollouts_of_one_slot_share_queries(
    rollouts: int, checks: list[dict[str, Any]], queries: int
) -> None:
    async with source(success([])) as made:
        calls = [made.metrics.read([measure(*checks, key=key)]) for key in keys(rollouts)]
        found = await asyncio.gather(*calls)
    assert {key for readings in found for key in readings} == set(keys(rollouts))
    assert queries == len(made.queries)


async def test_rollouts_that_began_at_any_time_ask_at_four_slots_of_an_interval() -> None:
    distance = INTERVAL / 200
    begun = [AT + distance / 2 + distance * index for index in range(200)]
    measures = [first_check(key, at) for key, at in zip(keys(200), begun, strict=True)]
    async with source(success([])) as made:
        await made.metrics.read(measures)
    assert len({asked.form["time"] for asked in made.pretender.asked}) == 4
    assert len(made.queries) == 8


def first_check(key: Key, applied: datetime) -> Measure:
    """Return the first check of a rollout whose weight was applied at some time."""
    asked = spec(*BOTH, interval="30s", window="30s")
    at = with_attempt(on_first_step(), last_check=None)
    at = replace(with_status(at, weight_applied_at=applied), wanted=Wanted(CANARY, asked))
    due = next_check_at(at)
    assert due is not None
    return Measure(key, asked, stretch_of(replace(at, now=due), due))


@pytest.mark.parametrize(
    ("window", "queries"),
    [
        pytest.param(None, {"[30s]": 2}, id="no limit is due yet"),
        pytest.param(INTERVAL, {"[30s]": 2}, id="limits look back as far"),
        pytest.param(MINUTE, {"[30s]": 2, "[60s]": 2}, id="limits look back farther"),
    ],
)
async def test_comparisons_share_queries(window: timedelta | None, queries: dict[str, int]) -> None:
    async with source(success([])) as made:
        found = await made.metrics.read([comparison(key, window) for key in keys(200)])
    assert found[Key("demo", "web-7")].since_last == Seen(
        INTERVAL, {view: Tracks() for view in View}, {}
    )
    lengths = ("[30s]", "[60s]")
    asked = {length: sum(length in promql for promql in made.queries) for length in lengths}
    assert asked == {length: queries.get(length, 0) for length in lengths}
    assert sum(queries.values()) == len(made.queries)


def comparison(key: Key, window: timedelta | None) -> Measure:
    return measure(
        *COMPARED,
        key=key,
        window=window,
        since_last=INTERVAL,
        interval="30s",
        comparison={"errorClumping": 1},
    )


async def test_a_comparison_reads_requests_and_histograms_of_both_tracks() -> None:
    counts = [
        count("canary", "50", response_code="200"),
        count("stable", "940", response_code="200"),
        count("stable", "10", response_code="503"),
    ]
    buckets = [
        count("canary", "10", le="500"),
        count("canary", "50", le="+Inf"),
        count("stable", "949", le="500"),
        count("stable", "950", le="+Inf"),
    ]
    asked = comparison(WEB, None)
    async with source(by_metric(success(counts), success(buckets))) as made:
        readings = await made.read(asked)
    seen = readings.since_last
    assert seen is not None
    assert seen.traffic == {
        View.CALLERS: Tracks(Count(950, bad=10), Count(50)),
        View.PODS: Tracks(),
    }
    infinity = float("inf")
    assert seen.durations == {
        View.CALLERS: Histograms({500: 949, infinity: 950}, {500: 10, infinity: 50})
    }
    latency = judged(asked, readings)[1]
    assert "canary 40 of 50 requests took longer than 500 ms, stable 1 of 950" in latency.message


def count(track: str, value: str, **labels: str) -> dict[str, Any]:
    host = f"web-{track}.demo.svc.cluster.local"
    return sample(value, destination_service=host, **labels)


async def test_windows_of_other_length_or_time_are_asked_for_apart() -> None:
    first, second, third = keys(3)
    longer, later = timedelta(seconds=90), AT + timedelta(minutes=5)
    async with source(success([])) as made:
        await made.metrics.read(
            [
                measure(SUCCESS_RATE, key=first),
                measure(SUCCESS_RATE, key=second, window=longer),
                measure(SUCCESS_RATE, key=third, at=later),
            ]
        )
    times = sorted(
        (float(asked.form["time"]), "[90s]" in asked.promql) for asked in made.pretender.asked
    )
    assert times == [
        (AT.timestamp(), False),
        (AT.timestamp(), True),
        (later.timestamp(), False),
    ]
