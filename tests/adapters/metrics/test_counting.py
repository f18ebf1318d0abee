"""The shared queries on a real Prometheus, over a past that we write down.

Every case is a rollout of its own, and all are counted by the same two queries.
"""

import asyncio
import json
import math
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from canary_operator.adapters.metrics.client import PrometheusClient, PrometheusSettings
from canary_operator.adapters.metrics.lanes import Lane
from canary_operator.domain.counts import Count, Durations, Tracks, Traffic, View
from canary_operator.domain.istio_telemetry import (
    Row,
    Subject,
    Track,
    durations_query,
    read_durations,
    read_requests,
    requests_query,
)
from canary_operator.playground.prometheus import Prometheus
from tests.adapters.metrics.past import Values, promtool, write_past

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCRAPE_SECONDS = 15
WINDOW = timedelta(seconds=60)
IN_WINDOW = 4
"""Samples in the window; the one before them is the baseline."""
STARTED = 40
"""Samples since Prometheus started."""
NONE = Count()


@dataclass(frozen=True)
class Series:
    """One series of a rollout that is still to be named."""

    view: View
    track: Track
    values: Values
    labels: Mapping[str, str]
    metric: str = "istio_requests_total"

    def name(self, subject: Subject) -> str:
        labels = {"pod": "a", **_identity(subject, self.view, self.track), **self.labels}
        inside = ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
        return f"{self.metric}{{{inside}}}"


def _identity(subject: Subject, view: View, track: Track) -> dict[str, str]:
    if view is View.CALLERS:
        return {"reporter": "source", "destination_service": subject.host(track)}
    return {
        "reporter": "destination",
        "destination_service": "not used in this view",
        "destination_workload": subject.workload(track),
        "destination_workload_namespace": subject.namespace,
    }


def requests(view: View, values: Values, code: str = "200", **labels: str) -> Series:
    track: Track = "stable" if labels.pop("track", "") == "stable" else "canary"
    usual = {"response_code": code, "response_flags": "-", "request_protocol": "http"}
    return Series(view, track, values, {**usual, **labels})


def callers(values: Values, code: str = "200", **labels: str) -> Series:
    return requests(View.CALLERS, values, code, **labels)


def pods(values: Values, code: str = "200", **labels: str) -> Series:
    return requests(View.PODS, values, code, **labels)


def growing(by: float, start: float = 1000) -> list[float]:
    return [start + by * index for index in range(STARTED)]


def bucket(values: Values, le: str, **labels: str) -> Series:
    labels = {"response_code": "200", "response_flags": "-", "le": le, **labels}
    name = "istio_request_duration_milliseconds_bucket"
    return Series(View.PODS, "canary", values, labels, name)


def traffic(callers_: Count = NONE, pods_: Count = NONE, stable: Count = NONE) -> Traffic:
    return {View.CALLERS: Tracks(stable, callers_), View.PODS: Tracks(stable, pods_)}


CASES: Mapping[str, tuple[Sequence[Series], Traffic]] = {
    "healthy": (
        [
            callers(growing(10)),
            pods(growing(10)),
            callers(growing(90), track="stable"),
            pods(growing(90), track="stable"),
        ],
        traffic(Count(40), Count(40), stable=Count(360)),
    ),
    "idle": ([callers(growing(0)), pods(growing(0))], traffic()),
    "5xx in both views": (
        [
            callers(growing(9)),
            pods(growing(9)),
            callers(growing(1), "500"),
            pods(growing(1), "500"),
        ],
        traffic(Count(40, bad=4), Count(40, bad=4)),
    ),
    "connections that only callers see fail": (
        [
            callers(growing(3), "503", response_flags="UF"),
            callers(growing(1), "503", response_flags="UH", destination_workload="unknown"),
            callers(growing(1), "0", response_flags="UC"),
        ],
        traffic(Count(20, bad=20)),
    ),
    "callers that hang up": (
        [callers(growing(5)), callers(growing(2), "0", response_flags="DC")],
        traffic(Count(20, hung_up=8)),
    ),
    "gRPC errors over HTTP 200": (
        [
            pods(growing(5), request_protocol="grpc", grpc_response_status="0"),
            pods(growing(2), request_protocol="grpc", grpc_response_status="14"),
            pods(growing(1), request_protocol="grpc"),
        ],
        traffic(pods_=Count(32, bad=12)),
    ),
    "several pods and callers are summed": (
        [pods(growing(5)), pods(growing(7), pod="b"), pods(growing(1), source_app="x")],
        traffic(pods_=Count(52)),
    ),
    "a waypoint sees for the pods": (
        [pods(growing(5), reporter="waypoint")],
        traffic(pods_=Count(20)),
    ),
    "a brand-new series whose first samples are errors": (
        [callers([7, 8, 8], "503", response_flags="UF")],
        traffic(Count(8, bad=8)),
    ),
    "a new series with a single sample": ([pods([3], "500")], traffic(pods_=Count(3, bad=3))),
    "a counter that was reset in the window": (
        [pods([5000, 5000, 5010, 4, 9])],
        traffic(pods_=Count(9)),
    ),
    "a counter that was reset between baseline and window": (
        [pods([5000, 2, 4, 6, 8])],
        traffic(pods_=Count(8)),
    ),
    "a series that vanished inside the window": (
        [pods([5000, 5010, 5020, None, None])],
        traffic(pods_=Count(20)),
    ),
    "a series that vanished before the window": ([pods([10, 20, 30, *[None] * 5])], traffic()),
    "a series that missed scrapes before the window": (
        [pods([5000, *[None] * 10, 5010, 5020])],
        traffic(pods_=Count(20)),
    ),
    "a series without a code": ([pods(growing(5), "")], traffic()),
    "another reporter": ([pods(growing(5), reporter="ztunnel")], traffic()),
}

SUBJECTS = {case: Subject(f"case-{index}", "web") for index, case in enumerate(CASES)}
ODD = Subject('de"mo\\d.*|', "we.b+")
"""No Kubernetes name, but nothing in the queries may rely on that."""
LIKE_ODD = Subject('de"mo\\d.*|', "weebb")
TIMED = Subject("timed", "web")
TIMED_SERIES = [
    bucket(growing(5), "100"),
    bucket(growing(9), "250.0"),
    bucket(growing(10), "+Inf"),
    bucket([1, 1], "100", pod="new"),
    bucket([1, 2], "250.0", pod="new"),
    bucket([2, 2], "+Inf", pod="new"),
    bucket(growing(50), "+Inf", response_flags="DC", pod="hung-up"),
    bucket(growing(50), "+Inf", response_flags="UT,DC", pod="hung-up"),
    bucket(growing(50), "", pod="broken"),
    bucket(growing(50), "wide", pod="broken"),
]


@dataclass(frozen=True)
class History:
    """A Prometheus with a past, asked the way the operator asks."""

    client: PrometheusClient
    lane: Lane
    ends_at: datetime

    async def requests(
        self, subjects: Sequence[Subject], at: datetime
    ) -> Mapping[Subject, Traffic]:
        return read_requests(await self._ask(requests_query(subjects, WINDOW), at), subjects)

    async def durations(self, subjects: Sequence[Subject]) -> Mapping[Subject, Durations]:
        rows = await self._ask(durations_query(subjects, WINDOW), self.ends_at)
        return read_durations(rows, subjects)

    async def _ask(self, promql: str, at: datetime) -> list[Row]:
        return await self.client.query(promql, at, self.lane)


def everything() -> Iterator[tuple[str, Values]]:
    yield 'up{job="proxies"}', [1] * STARTED
    for case, (series, _) in CASES.items():
        yield from ((one.name(SUBJECTS[case]), one.values) for one in series)
    yield from ((one.name(TIMED), one.values) for one in TIMED_SERIES)
    yield callers(growing(5)).name(ODD), growing(5)
    yield pods(growing(6)).name(ODD), growing(6)
    yield pods(growing(7)).name(LIKE_ODD), growing(7)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def history(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[History]:
    folder = tmp_path_factory.mktemp("history")
    ends_at = int(time.time()) // 7200 * 7200 - 7200 + SCRAPE_SECONDS * STARTED
    await write_past(folder, everything(), ends_at, SCRAPE_SECONDS)
    async with Prometheus(folder, []) as prometheus:
        client = PrometheusClient(PrometheusSettings(prometheus.url), lambda _: None)
        lane = Lane(2, "test")
        yield History(client, lane, datetime.fromtimestamp(ends_at, tz=UTC))
        lane.close()
        client.close()


@pytest.mark.parametrize("case", CASES)
async def test_requests_of(case: str, history: History) -> None:
    counted = await history.requests(list(SUBJECTS.values()), history.ends_at)
    assert CASES[case][1] == counted[SUBJECTS[case]]


async def test_consecutive_windows_lose_nothing(history: History) -> None:
    subject = SUBJECTS["a brand-new series whose first samples are errors"]
    ends = [history.ends_at + timedelta(seconds=offset) for offset in (-60, -20, 0, 40, 300)]
    counts = [await history.requests([subject], end) for end in ends]
    bad = [count[subject][View.CALLERS].canary.bad for count in counts]
    assert bad == [0, 7, 8, 1, 0]


async def test_a_prometheus_that_just_started_takes_nothing_for_new(history: History) -> None:
    """A minute after its first scrape, what the counters had before is no traffic of the window."""
    started = history.ends_at - timedelta(seconds=SCRAPE_SECONDS * (STARTED - 1))
    subject = SUBJECTS["healthy"]
    counted = await history.requests([subject], started + timedelta(seconds=30))
    assert counted[subject][View.CALLERS] == Tracks(Count(180), Count(20))


async def test_names_are_literal(history: History) -> None:
    counted = await history.requests([ODD], history.ends_at)
    assert counted[ODD] == traffic(Count(20), Count(24))


async def test_durations_without_callers_that_hung_up(history: History) -> None:
    found = await history.durations([TIMED, SUBJECTS["healthy"]])
    assert found[TIMED] == {View.PODS: {100.0: 21, 250.0: 38, math.inf: 42}}
    assert found[SUBJECTS["healthy"]] == {}


async def test_a_failed_scrape_does_not_make_counters_new(tmp_path: Path) -> None:
    """Prometheus then writes staleness markers, which only its rule tester can be told."""
    series = pods([]).name(TIMED)
    labels = (
        '{destination_workload="web-canary",destination_workload_namespace="timed",'
        'request_protocol="http",response_code="200",response_flags="-"}'
    )
    test = {
        "interval": "15s",
        "input_series": [
            {"series": 'up{job="proxies"}', "values": "1x40"},
            {"series": series, "values": "5000x33 stale _x3 5010 5020 stale"},
        ],
        "promql_expr_test": [
            {
                "expr": requests_query([TIMED], WINDOW),
                "eval_time": f"{15 * 40}s",
                "exp_samples": [{"labels": labels, "value": 20}],
            }
        ],
    }
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"evaluation_interval": "15s", "tests": [test]}))
    done = await asyncio.to_thread(
        subprocess.run, [promtool(), "test", "rules", file], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode()
