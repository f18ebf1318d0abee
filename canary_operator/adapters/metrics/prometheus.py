"""The port `MetricsSource` over Prometheus.

Built-in checks of rollouts that are judged at about the same time, with windows of equal length,
share their queries. A custom query runs on its own, in a lane of its own, so however slow it is,
only its own rollout waits. To have that, judge rollouts in concurrent calls: one call returns when
all of its rollouts are judged.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite

from canary_operator.adapters.metrics.batches import Batches
from canary_operator.adapters.metrics.client import OnQuery, PrometheusClient, PrometheusSettings
from canary_operator.adapters.metrics.errors import (
    MetricsError,
    RejectedQueryError,
    UnreadableAnswerError,
)
from canary_operator.adapters.metrics.lanes import Lane
from canary_operator.domain.checks import (
    cannot_tell,
    judge_latency,
    judge_query,
    judge_success_rate,
)
from canary_operator.domain.counts import Durations, Traffic
from canary_operator.domain.istio_telemetry import (
    SUBJECTS_PER_QUERY,
    Row,
    Subject,
    durations_query,
    read_durations,
    read_requests,
    requests_query,
)
from canary_operator.domain.promql import QueryTemplateError, duration, render_query
from canary_operator.domain.situation import Settings
from canary_operator.domain.spec import MetricCheck
from canary_operator.domain.status import Judgement
from canary_operator.domain.views import Look
from canary_operator.ports import Key, Measure

__all__ = ["PrometheusMetrics", "PrometheusSettings"]

SHARED_FOR = timedelta(milliseconds=500)
"""Measures so close to each other share queries."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The time that a shared query looks at."""

    window: timedelta
    ends_at: datetime


class PrometheusMetrics:
    """Judges rollouts by what Prometheus knows of their requests."""

    def __init__(
        self,
        connection: PrometheusSettings,
        settings: Settings,
        on_query: OnQuery = lambda _: None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            connection: How to reach Prometheus.
            settings: What the operator's command line says about every rollout.
            on_query: Told how each query ended, for the operator's own metrics.
        """
        self._settings = settings
        self._client = PrometheusClient(connection, on_query)
        shared = max(1, connection.in_flight // 2)
        self._shared = Lane(shared, "prometheus-shared")
        self._custom = Lane(max(1, connection.in_flight - shared), "prometheus-custom")
        self._ends: dict[timedelta, datetime] = {}
        """End of the latest slice of each window length."""
        self._requests = Batches(self._count_requests, SUBJECTS_PER_QUERY)
        self._durations = Batches(self._measure_durations, SUBJECTS_PER_QUERY)

    async def judge(self, measures: Sequence[Measure]) -> Mapping[Key, tuple[Judgement, ...]]:
        """Return one judgement per configured metric, for each of the rollouts."""
        judged = await asyncio.gather(*(self._judge_rollout(measure) for measure in measures))
        return {measure.key: found for measure, found in zip(measures, judged, strict=True)}

    def close(self) -> None:
        """Let go of threads and connections."""
        self._shared.close()
        self._custom.close()
        self._client.close()

    async def _judge_rollout(self, measure: Measure) -> tuple[Judgement, ...]:
        checks = measure.spec.analysis.metrics
        return tuple(await asyncio.gather(*(self._judge(check, measure) for check in checks)))

    async def _judge(self, check: MetricCheck, measure: Measure) -> Judgement:
        look = Look(measure.at, measure.window, measure.weight, measure.spec.analysis.min_requests)
        try:
            if check.query:
                return judge_query(check, await self._run(check.query.promql, measure), look)
            if check.latency:
                traffic, durations = await asyncio.gather(
                    self._traffic_of(measure), self._durations_of(measure)
                )
                return judge_latency(check, traffic, durations, look)
            return judge_success_rate(check, await self._traffic_of(measure), look)
        except MetricsError as error:
            return cannot_tell(check, str(error), look)

    async def _traffic_of(self, measure: Measure) -> Traffic:
        return await self._requests.get(self._slice(measure), self._subject(measure.key))

    async def _durations_of(self, measure: Measure) -> Durations:
        return await self._durations.get(self._slice(measure), self._subject(measure.key))

    async def _count_requests(
        self, time: Slice, subjects: Sequence[Subject]
    ) -> Mapping[Subject, Traffic]:
        rows = await self._ask_shared(requests_query(subjects, time.window), time)
        return read_requests(rows, subjects)

    async def _measure_durations(
        self, time: Slice, subjects: Sequence[Subject]
    ) -> Mapping[Subject, Durations]:
        rows = await self._ask_shared(durations_query(subjects, time.window), time)
        return read_durations(rows, subjects)

    async def _ask_shared(self, promql: str, time: Slice) -> list[Row]:
        rows = await self._client.query(promql, time.ends_at, self._shared)
        if not all(isfinite(row.value) for row in rows):
            raise UnreadableAnswerError("Prometheus' counts contain something that is no number")
        return rows

    async def _run(self, promql: str, measure: Measure) -> list[float]:
        """Return the values of a rollout's own query."""
        allowed, key = self._settings.custom_queries, measure.key
        if allowed is not None and key.namespace not in allowed:
            raise RejectedQueryError(
                f"custom queries are not allowed in namespace {key.namespace}; "
                "ask who runs the operator (--custom-queries), or use a built-in check"
            )
        try:
            rendered = render_query(promql, self._variables(measure))
        except QueryTemplateError as error:
            raise RejectedQueryError(str(error)) from error
        return [row.value for row in await self._client.query(rendered, measure.at, self._custom)]

    def _variables(self, measure: Measure) -> dict[str, str]:
        subject = self._subject(measure.key)
        return {
            "namespace": subject.namespace,
            "name": subject.name,
            "canary": subject.workload("canary"),
            "stable": subject.workload("stable"),
            "service": subject.host(),
            "window": duration(measure.window),
        }

    def _slice(self, measure: Measure) -> Slice:
        """Return the window, ending a moment later where that makes it the same for others.

        Later and not earlier, so that it never reaches back to the weight before.
        """
        end = self._ends.get(measure.window)
        if end is None or not measure.at <= end <= measure.at + 2 * SHARED_FOR:
            end = self._ends[measure.window] = measure.at + SHARED_FOR
        return Slice(measure.window, end)

    def _subject(self, key: Key) -> Subject:
        return Subject(key.namespace, key.name, self._settings.cluster_domain)
