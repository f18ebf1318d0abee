"""The shared query of requests on a real Prometheus, over a past that we write down.

Every case is a rollout of its own, and all are counted by the same query.
"""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from canary_operator.domain.counts import Count, Tracks, Traffic, View
from canary_operator.domain.istio_telemetry import Subject, requests_query
from tests.adapters.metrics.history import (
    SCRAPE_SECONDS,
    STARTED,
    WINDOW,
    History,
    Series,
    callers,
    growing,
    history_of,
    pods,
)
from tests.adapters.metrics.past import promtool

pytestmark = pytest.mark.asyncio(loop_scope="module")

NONE = Count()


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
    "mirrored requests, which no caller's proxy reports": (
        [
            callers(growing(90), track="stable"),
            pods(growing(90), track="stable"),
            pods(growing(90)),
            pods(growing(10), "500"),
        ],
        traffic(Count(), Count(400, bad=40), stable=Count(360)),
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
    "a brand-new pod that fails from its first request on, beside an old one": (
        [pods(growing(10)), pods([3, 6], "500", pod="new"), pods([1, 1], "0", pod="new")],
        traffic(pods_=Count(47, bad=7)),
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
ODD = Subject('de"mo\\d.*|\n', "we.b+({[^$?")
"""No Kubernetes name, but nothing in the queries may rely on that."""
LIKE_ODD = Subject('de"mo\\d.*|\n', "weebb({[^$?")
SCRAPED = Subject("scraped", "web")


def everything() -> Iterator[tuple[Subject, Series]]:
    for case, (series, _) in CASES.items():
        yield from ((SUBJECTS[case], one) for one in series)
    yield ODD, callers(growing(5))
    yield ODD, pods(growing(6))
    yield LIKE_ODD, pods(growing(7))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def history(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[History]:
    async with history_of(tmp_path_factory.mktemp("history"), everything()) as made:
        yield made


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


async def test_a_failed_scrape_does_not_make_counters_new(tmp_path: Path) -> None:
    """Prometheus then writes staleness markers, which only its rule tester can be told."""
    series = pods([]).name(SCRAPED)
    labels = (
        '{destination_workload="web-canary",destination_workload_namespace="scraped",'
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
                "expr": requests_query([SCRAPED], WINDOW),
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
