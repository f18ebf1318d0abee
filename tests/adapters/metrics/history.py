"""A real Prometheus over a past that a test writes down, series by series."""

import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from canary_operator.adapters.metrics.client import PrometheusClient, PrometheusSettings
from canary_operator.adapters.metrics.lanes import Lane
from canary_operator.domain.counts import Durations, Traffic, View
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
from tests.adapters.metrics.past import Values, write_past

SCRAPE_SECONDS = 15
WINDOW = timedelta(seconds=60)
IN_WINDOW = 4
"""Samples in the window; the one before them is the baseline."""
STARTED = 40
"""Samples since Prometheus started."""


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


def bucket(values: Values, le: str, view: View = View.PODS, **labels: str) -> Series:
    track: Track = "stable" if labels.pop("track", "") == "stable" else "canary"
    labels = {"response_code": "200", "response_flags": "-", "le": le, **labels}
    name = "istio_request_duration_milliseconds_bucket"
    return Series(view, track, values, labels, name)


@dataclass(frozen=True)
class History:
    """A Prometheus with a past, asked the way the operator asks."""

    client: PrometheusClient
    lane: Lane
    ends_at: datetime
    url: str

    async def requests(
        self, subjects: Sequence[Subject], at: datetime
    ) -> Mapping[Subject, Traffic]:
        return read_requests(await self._ask(requests_query(subjects, WINDOW), at), subjects)

    async def durations(self, subjects: Sequence[Subject]) -> Mapping[Subject, Durations]:
        rows = await self._ask(durations_query(subjects, WINDOW), self.ends_at)
        return read_durations(rows, subjects)

    async def _ask(self, promql: str, at: datetime) -> list[Row]:
        return await self.client.query(promql, at, self.lane)


@asynccontextmanager
async def history_of(
    folder: Path, series: Iterable[tuple[Subject, Series]], samples: int = STARTED
) -> AsyncIterator[History]:
    """Run a Prometheus that has scraped `series` so many times, the last time at `ends_at`."""
    named = [(one.name(subject), one.values) for subject, one in series]
    ends_at = int(time.time()) // 7200 * 7200 - 7200 + SCRAPE_SECONDS * samples
    up: tuple[str, Values] = ('up{job="proxies"}', [1] * samples)
    await write_past(folder, [up, *named], ends_at, SCRAPE_SECONDS)
    async with Prometheus(folder, []) as prometheus:
        client = PrometheusClient(PrometheusSettings(prometheus.url), lambda *_: None)
        lane = Lane(2, "test")
        yield History(client, lane, datetime.fromtimestamp(ends_at, tz=UTC), prometheus.url)
        lane.close()
        client.close()
