"""The shared query of durations on a real Prometheus, over a past that we write down.

Every case is a rollout of its own, and all are measured by the same query.
"""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import pytest
import pytest_asyncio

from canary_operator.domain.counts import Count, Durations, Histograms, Tracks, View
from canary_operator.domain.istio_telemetry import Subject
from canary_operator.domain.readings import Readings, Seen
from canary_operator.domain.status import Verdict
from tests.adapters.metrics.asking import judged, measure
from tests.adapters.metrics.history import (
    WINDOW,
    History,
    Series,
    bucket,
    growing,
    history_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMIT = {"name": "latency", "latency": {"percentile": 90, "max": "250ms"}}
INF = math.inf


def histogram(each: Mapping[str, float], **labels: str) -> list[Series]:
    """Return buckets that grow by so much with each scrape; there are 4 in the window."""
    return [bucket(growing(by), le, **labels) for le, by in each.items()]


def by_callers(each: Mapping[str, float], **labels: str) -> list[Series]:
    return [bucket(growing(by), le, View.CALLERS, **labels) for le, by in each.items()]


def canary(buckets: Mapping[float, float]) -> Durations:
    return {View.PODS: Histograms(canary=buckets)}


@dataclass(frozen=True)
class Case:
    """What is written, what is to be read, and what is to be said about the canary."""

    series: Sequence[Series]
    durations: Durations
    verdict: Verdict = Verdict.INCONCLUSIVE
    words: str = "no durations of the 40 canary requests in 60 s"


CASES: Mapping[str, Case] = {
    "both tracks in both views": Case(
        [
            *by_callers({"100": 19, "250": 20, "+Inf": 20}, track="stable"),
            *by_callers({"100": 9, "250": 10, "+Inf": 10}),
            *histogram({"100": 20, "250": 20, "+Inf": 20}, track="stable"),
            *histogram({"100": 5, "250": 8, "+Inf": 10}),
        ],
        {
            View.CALLERS: Histograms({100: 76, 250: 80, INF: 80}, {100: 36, 250: 40, INF: 40}),
            View.PODS: Histograms({100: 80, 250: 80, INF: 80}, {100: 20, 250: 32, INF: 40}),
        },
        Verdict.FAIL,
        "90 % of 40 canary requests took more than 250 ms, at most 250 ms is asked; "
        "seen by the pods",
    ),
    "several pods are summed": Case(
        [
            *histogram({"100": 5, "250.0": 9, "+Inf": 10}),
            bucket([1, 1], "100", pod="new"),
            bucket([1, 2], "250.0", pod="new"),
            bucket([2, 2], "+Inf", pod="new"),
        ],
        canary({100: 21, 250: 38, INF: 42}),
        Verdict.PASS,
        "(estimated between the bounds 100 and 250 ms)",
    ),
    "callers that hung up are left out": Case(
        [
            *histogram({"100": 10, "+Inf": 10}),
            bucket(growing(50), "+Inf", response_flags="DC", pod="hung-up"),
            bucket(growing(50), "+Inf", response_flags="UT,DC", pod="hung-up"),
            bucket(growing(50), "+Inf", response_flags="DC,UT", pod="hung-up"),
        ],
        canary({100: 40, INF: 40}),
        Verdict.PASS,
        "90 % of 40 canary requests took up to about 90 ms (estimated between the bounds 0 and 100",
    ),
    "bounds that are no numbers": Case(
        [
            *histogram({"100": 10, "+Inf": 10}),
            *histogram({"": 50, "wide": 50, "NaN": 50}, pod="broken"),
        ],
        canary({100: 40, INF: 40}),
        Verdict.PASS,
        "up to about 90 ms",
    ),
    "the bound that is asked for is missing, so it is estimated": Case(
        histogram({"100": 5, "500": 10, "+Inf": 10}),
        canary({100: 20, 500: 40, INF: 40}),
        Verdict.FAIL,
        "up to about 420 ms (estimated between the bounds 100 and 500 ms)",
    ),
    "no finite bucket": Case(
        histogram({"+Inf": 10}),
        canary({INF: 40}),
        Verdict.INCONCLUSIVE,
        "90 % of 40 canary requests took more than 0 ms",
    ),
    "without the last bucket nobody knows how many there were": Case(
        histogram({"100": 10, "250": 10}),
        canary({100: 40, 250: 40}),
    ),
    "one pod lacks a bucket that others have, which looks slow rather than fast": Case(
        [
            *histogram({"100": 4, "250": 5, "+Inf": 5}),
            *histogram({"100": 5, "+Inf": 5}, pod="other"),
        ],
        canary({100: 36, 250: 20, INF: 40}),
        Verdict.PASS,
        "90 % of 40 canary requests took up to about 100 ms, at most",
    ),
    "histograms that were reset in the window": Case(
        [
            bucket([500, 500, 510, 4, 9], "100"),
            bucket([900, 900, 910, 5, 10], "+Inf"),
        ],
        canary({100: 9, INF: 10}),
        Verdict.PASS,
        "took up to about 100 ms",
    ),
    "a brand-new pod that is slow from its first request on": Case(
        [bucket([0, 0], "100"), bucket([0, 0], "250"), bucket([12, 12], "+Inf")],
        canary({100: 0, 250: 0, INF: 12}),
        Verdict.FAIL,
        "90 % of 12 canary requests took more than 250 ms",
    ),
    "idle": Case(
        histogram({"100": 0, "+Inf": 0}),
        canary({100: 0, INF: 0}),
    ),
    "nothing": Case([], {}),
}

SUBJECTS = {case: Subject(f"case-{index}", "web") for index, case in enumerate(CASES)}
ODD = Subject('de"mo\\d.*|', "we.b+")
"""No Kubernetes name, but nothing in the queries may rely on that."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def history(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[History]:
    cases = [(SUBJECTS[case], one) for case, made in CASES.items() for one in made.series]
    odd = [(ODD, one) for one in histogram({"100": 10, "+Inf": 10})]
    async with history_of(tmp_path_factory.mktemp("history"), [*cases, *odd]) as made:
        yield made


@pytest.mark.parametrize("case", CASES)
async def test_durations_of(case: str, history: History) -> None:
    found = (await history.durations(list(SUBJECTS.values())))[SUBJECTS[case]]
    assert CASES[case].durations == found
    counted = {View.PODS: Tracks(Count(160), Count(40))}
    readings = Readings(history.ends_at, Seen(WINDOW, counted, found))
    (said,) = judged(measure(LIMIT), readings)
    assert CASES[case].words in said.message
    assert CASES[case].verdict is said.verdict


async def test_names_are_literal(history: History) -> None:
    found = await history.durations([ODD])
    assert found[ODD] == canary({100: 40, INF: 40})
