"""What stable did before the rollout: pod by pod, window by window, and never at a check's cost."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from canary_operator.adapters.metrics.prometheus import (
    PAST_SECONDS,
    PrometheusMetrics,
    PrometheusSettings,
)
from canary_operator.domain.clumping import WINDOWS
from canary_operator.domain.counts import Count, Tracks, View
from canary_operator.domain.istio_telemetry import Subject
from canary_operator.domain.readings import Missing, Past, Seen
from canary_operator.domain.situation import Settings
from canary_operator.ports import Key, Measure
from tests.adapters.metrics.asking import AT, WEB, Source, keys, measure, source
from tests.adapters.metrics.history import (
    SCRAPE_SECONDS,
    History,
    Series,
    bucket,
    history_of,
    requests,
)
from tests.adapters.metrics.pretender import (
    Asked,
    Reply,
    failure,
    http,
    sample,
    silence,
    success,
    with_past,
)

on_one_loop = pytest.mark.asyncio(loop_scope="module")

INTERVAL = timedelta(seconds=30)
SCRAPES = 2
"""In one window."""
BEFORE = 30
"""Samples before the first window."""
RATE: dict[str, Any] = {"name": "success-rate", "successRate": {}}
SLOW: dict[str, Any] = {"name": "latency", "latency": {"max": "500ms"}}
FIRST, SECOND, NOT_ASKED = Subject("a", "web"), Subject("b", "api"), Subject("b", "web")
"""The third one has the namespace of one and the name of the other."""
INF = math.inf
EVERY = range(WINDOWS)

Windows = Mapping[int, float]
"""How many there were in each window; no sample in those that are left out."""


def counter(windows: Windows, start: float | None = 1000) -> list[float | None]:
    """Return the samples of a counter; without `start` there are none before its first window."""
    value = start or 0.0
    values: list[float | None] = [start] * BEFORE
    for index in EVERY:
        value += windows.get(index, 0)
        values += [value if index in windows else None] * SCRAPES
    return values


def stable(pod: str, values: Sequence[float | None], code: str = "200", **labels: str) -> Series:
    named = {"track": "stable", "pod": pod, "instance": f"10.0.0.1:{pod}", **labels}
    return requests(View.PODS, values, code, **named)


def took(pod: str, values: Sequence[float | None], le: str) -> Series:
    return bucket(values, le, track="stable", pod=pod, instance=f"10.0.0.1:{pod}")


def name(pod: str) -> str:
    return f"10.0.0.1:{pod} {pod}"


WRITTEN: list[tuple[Subject, Series]] = [
    (FIRST, stable("old", counter({index: 10 + index for index in EVERY}))),
    (FIRST, stable("old", counter({40: 5, 41: 0}, None), "503")),
    (FIRST, stable("old", counter(dict.fromkeys(EVERY, 2)), "0", response_flags="DC")),
    (FIRST, stable("new", counter({index: 7 for index in EVERY if index >= 30}, None))),
    (FIRST, stable("gone", counter({index: 3 for index in EVERY if index < 10}))),
    (FIRST, requests(View.PODS, counter(dict.fromkeys(EVERY, 99)), pod="canary")),
    (FIRST, requests(View.CALLERS, counter(dict.fromkeys(EVERY, 99)), track="stable")),
    (SECOND, stable("other", counter(dict.fromkeys(EVERY, 1)))),
    (NOT_ASKED, stable("old", counter(dict.fromkeys(EVERY, 99)))),
    (FIRST, took("old", counter({index: 10 + index for index in EVERY}), "500")),
    (FIRST, took("old", counter({index: 12 + index for index in EVERY}), "+Inf")),
    (FIRST, bucket(counter(dict.fromkeys(EVERY, 99)), "+Inf", pod="canary")),
]


def expected(index: int) -> dict[str, Count]:
    old = Count(10 + index, hung_up=2)
    found = {name("old"): old + Count(5, bad=5) if index == 40 else old}
    if index >= 30:
        found[name("new")] = Count(7)
    if index < 10:
        found[name("gone")] = Count(3)
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def history(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[History]:
    folder = tmp_path_factory.mktemp("past")
    async with history_of(folder, WRITTEN, BEFORE + WINDOWS * SCRAPES) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pasts(history: History) -> Mapping[str, Past]:
    """Return what the adapter reads about both rollouts."""
    assert INTERVAL.total_seconds() == SCRAPES * SCRAPE_SECONDS
    begun = history.ends_at + timedelta(seconds=3)
    metrics = PrometheusMetrics(PrometheusSettings(history.url), Settings())
    subjects = [Key(subject.namespace, subject.name) for subject in (FIRST, SECOND)]
    try:
        found = await metrics.read([after(begun, RATE, SLOW, key=key) for key in subjects])
    finally:
        metrics.close()
    read = {key.name: readings.past for key, readings in found.items()}
    return {key: past for key, past in read.items() if isinstance(past, Past)}


def after(
    begun: datetime | None, *metrics: dict[str, Any], key: Key = WEB, interval: str = "30s"
) -> Measure:
    """Return the check of a rollout that began at some time and is to be compared."""
    return measure(
        *metrics,
        key=key,
        window=None,
        since_last=INTERVAL,
        past_until=begun,
        interval=interval,
        comparison={},
    )


@on_one_loop
async def test_requests_of_each_pod_in_each_window(pasts: Mapping[str, Past]) -> None:
    told = [
        {pod: count for pod, count in window.items() if count != Count()}
        for window in pasts[FIRST.name].requests
    ]
    assert told == [expected(index) for index in EVERY]


@on_one_loop
async def test_rollouts_in_one_query_are_told_apart(pasts: Mapping[str, Past]) -> None:
    assert pasts[SECOND.name].requests == [{name("other"): Count(1)}] * WINDOWS


@on_one_loop
async def test_durations_of_each_pod_in_each_window(pasts: Mapping[str, Past]) -> None:
    assert pasts[FIRST.name].durations == [
        {name("old"): {500: 10 + index, INF: 12 + index}} for index in EVERY
    ]
    assert pasts[SECOND.name].durations == []


@pytest.mark.parametrize(
    ("rollouts", "metrics", "queries"),
    [
        pytest.param(1, [RATE], 1, id="one"),
        pytest.param(50, [RATE], 1, id="as many as fit in one query"),
        pytest.param(51, [RATE], 2, id="one more"),
        pytest.param(10, [RATE, SLOW], 2, id="with durations"),
        pytest.param(11, [RATE, SLOW], 3, id="durations of one more"),
    ],
)
async def test_rollouts_that_began_in_one_slot_share_range_queries(
    rollouts: int, metrics: list[dict[str, Any]], queries: int
) -> None:
    slot = timedelta(seconds=7.5)
    begun = [AT + slot * index / rollouts for index in range(rollouts)]
    async with source(with_past(matrix(), success([]))) as made:
        found = await made.metrics.read(
            [after(at, *metrics, key=key) for key, at in zip(keys(rollouts), begun, strict=True)]
        )
    assert all(isinstance(one.past, Past) for one in found.values())
    assert queries == len(ranges(made))


async def test_rollouts_that_began_in_other_slots_ask_apart() -> None:
    async with source(with_past(matrix(), success([]))) as made:
        await made.metrics.read(
            [
                after(AT + timedelta(seconds=10 * index), RATE, key=key)
                for index, key in enumerate(keys(3))
            ]
        )
    assert len(ranges(made)) == 3


def matrix(*rows: dict[str, Any]) -> Reply:
    return success(list(rows), "matrix")


def ranges(made: Source) -> list[Asked]:
    return [asked for asked in made.pretender.asked if "/query_range" in asked.line]


@pytest.mark.parametrize("interval", [7, 10, 30, 45, 60, 90])
async def test_the_windows_end_before_the_rollout_begins(interval: int) -> None:
    """Ranges are asked for in whole seconds, and no window may be lost by that."""
    async with source(with_past(matrix(), success([]))) as made:
        seconds = [AT + timedelta(seconds=index / 4) for index in range(4 * interval)]
        for begun in seconds[:: len(seconds) // 12]:
            made.pretender.asked.clear()
            await made.read(after(begun, RATE, interval=f"{interval}s"))
            (asked,) = ranges(made)
            assert asked.line == "POST /api/v1/query_range HTTP/1.1"
            first, last = (float(asked.form[end]) for end in ("start", "end"))
            assert float(asked.form["step"]) == interval
            assert last - first == (WINDOWS - 1) * interval
            assert 0 <= begun.timestamp() - last < max(7, interval / 4) + 1
            assert f"[{interval}s]" in asked.promql


async def test_a_past_that_nobody_needs_is_not_asked_for() -> None:
    async with source(with_past(matrix(), success([]))) as made:
        readings = await made.read(after(None, RATE, SLOW))
    assert readings.past is None
    assert ranges(made) == []


BAD_PASTS = [
    pytest.param(
        failure("503 Service Unavailable", "query timed out", "timeout"),
        "Prometheus answered HTTP 503 (query timed out)",
        id="refused",
    ),
    pytest.param(
        http("200 OK", "<html>"),
        "what answers at Prometheus' address does not speak Prometheus' API",
        id="a login page",
    ),
    pytest.param(
        success([sample("1")]),
        "the query gives a vector where a number is expected",
        id="no matrix",
    ),
    pytest.param(matrix({"metric": {}}), "Prometheus' answer cannot be read", id="no values"),
    pytest.param(
        matrix({"metric": {"pod": "a"}, "values": [[1, "1"], [2, "NaN"]]}),
        "Prometheus' counts contain something that is no number",
        id="no number",
    ),
]


@pytest.mark.parametrize(("reply", "why"), BAD_PASTS)
async def test_a_bad_past_is_missing_and_the_rest_is_there(reply: Reply, why: str) -> None:
    async with source(with_past(reply, success([]))) as made:
        readings = await made.read(after(AT, RATE))
    assert readings.past == Missing(why)
    assert readings.since_last == Seen(INTERVAL, {view: Tracks() for view in View})


async def test_a_slow_past_is_missing_and_delays_no_check_for_long() -> None:
    """However many rollouts begin, at however many slots."""
    reply = with_past(silence, success([]))
    begun = [AT + INTERVAL * index for index in range(6)]
    many = [after(at, RATE, SLOW, key=key) for key, at in zip(keys(6), begun, strict=True)]
    async with source(reply, timeout=timedelta(seconds=3)) as made:
        async with asyncio.timeout(PAST_SECONDS + 0.5):
            found = await made.metrics.read(many)
        assert ranges(made)
    assert len(found) == 6
    for readings in found.values():
        assert readings.past == Missing("Prometheus is too slow to tell stable's past")
        assert readings.since_last == Seen(INTERVAL, {view: Tracks() for view in View})
