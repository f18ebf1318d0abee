"""The port `MetricsSource` over Prometheus.

Built-in checks of rollouts that are judged at the same slot, over stretches of equal length, share
their queries. A custom query runs on its own, in a lane of its own, and one that is slow again and
again in the lane of the slow: so however slow it is, only its own rollout waits. To have that, read
rollouts in concurrent calls: one call returns when all of its rollouts are read.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, TypeVar

from canary_operator.adapters.metrics.batches import Batches
from canary_operator.adapters.metrics.client import OnQuery, PrometheusClient, PrometheusSettings
from canary_operator.adapters.metrics.errors import (
    MetricsError,
    RejectedQueryError,
    UnreadableAnswerError,
)
from canary_operator.adapters.metrics.lanes import CustomLanes, Lane, Runs
from canary_operator.adapters.metrics.slices import Slice, past_slice
from canary_operator.domain.clumping import WINDOWS
from canary_operator.domain.counts import Buckets, Count, Durations, Traffic
from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.istio_telemetry import (
    PASTS_PER_QUERY,
    SLOW_PASTS_PER_QUERY,
    SUBJECTS_PER_QUERY,
    Row,
    Series,
    Subject,
    durations_query,
    past_durations_query,
    past_requests_query,
    read_durations,
    read_past_durations,
    read_past_requests,
    read_requests,
    requests_query,
)
from canary_operator.domain.promql import QueryTemplateError, duration, render_query
from canary_operator.domain.readings import Answer, Missing, Past, Readings, Seen
from canary_operator.domain.situation import Settings
from canary_operator.domain.spec import RolloutSpec
from canary_operator.ports import Key, Measure

__all__ = ["PrometheusMetrics", "PrometheusSettings"]

PAST_SECONDS = 2.0
"""How long a check waits for stable's past; it is asked for again at the next one."""

NO_PAST_SECONDS = 60.0
"""How long no past is asked for after one that could not be told: checks come first."""

TRY_OUT_SECONDS = 3.0
"""How long a new spec waits for the answers to its custom queries."""

NO_TRY_OUT_SECONDS = 30.0
"""How long no spec waits any more after one that did so in vain."""

_Measured = TypeVar("_Measured")


class PrometheusMetrics:
    """Reads what Prometheus knows of the requests of rollouts."""

    def __init__(
        self,
        connection: PrometheusSettings,
        settings: Settings,
        on_query: OnQuery = lambda *_: None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            connection: How to reach Prometheus.
            settings: What the operator's command line says about every rollout.
            on_query: Told how each query ended and how long it took.
        """
        self._settings = settings
        self._client = PrometheusClient(connection, on_query)
        quarter = max(1, connection.in_flight // 4)
        self._shared = Lane(quarter, "prometheus-shared")
        self._aside = Lane(quarter, "prometheus-aside")
        self._past_lane = Lane(1, "prometheus-past")  # dear queries: one at a time
        rest = connection.in_flight - 2 * quarter
        self._custom: CustomLanes[tuple[Key, str]] = CustomLanes(rest, "prometheus-custom")
        self._requests = Batches(self._count_requests, SUBJECTS_PER_QUERY)
        self._durations = Batches(self._measure_durations, SUBJECTS_PER_QUERY)
        self._past_requests = Batches(self._count_past, PASTS_PER_QUERY)
        self._past_durations = Batches(self._measure_past, SLOW_PASTS_PER_QUERY)
        self._no_try_out_before = 0.0
        self._no_past_before = 0.0

    async def read(self, measures: Sequence[Measure]) -> Mapping[Key, Readings]:
        """Return what was measured for each of the rollouts."""
        found = await asyncio.gather(*map(self._read, measures))
        return {measure.key: one for measure, one in zip(measures, found, strict=True)}

    async def try_out(self, key: Key, spec: RolloutSpec) -> None:
        """Ask whether the custom queries of a new spec can be run.

        Raises:
            InvalidSpecError: Prometheus rejects one, in its own words.
        """
        queries = [
            (index, check.query.promql)
            for index, check in enumerate(spec.analysis.metrics)
            if check.query
        ]
        loop = asyncio.get_running_loop()
        if not queries or loop.time() < self._no_try_out_before:
            return
        try:
            async with asyncio.timeout(TRY_OUT_SECONDS):
                await asyncio.gather(*(self._try(key, spec, *query) for query in queries))
        except TimeoutError:
            self._no_try_out_before = loop.time() + NO_TRY_OUT_SECONDS

    def close(self) -> None:
        """Let go of threads and connections."""
        for lane in (self._shared, self._aside, self._past_lane, self._custom):
            lane.close()
        self._client.close()

    async def aclose(self) -> None:
        """Let go, as the other parts of the operator do."""
        self.close()

    async def _read(self, measure: Measure) -> Readings:
        about = measure.about
        window, since_last, answers, past = await asyncio.gather(
            self._seen(measure, about.window),
            self._seen(measure, about.since_last),
            self._answers(measure),
            self._past(measure),
        )
        return Readings(about.at, window, since_last, answers, past)

    async def _seen(self, measure: Measure, length: timedelta | None) -> Seen | None:
        """Return what the proxies counted, if a built-in check asks for it."""
        metrics = measure.spec.analysis.metrics
        if length is None or not any(check.compared for check in metrics):
            return None
        time = Slice(length, measure.about.at)
        subject = self._subject(measure.key, measure.spec)
        traffic = _measured(self._requests.get(time, subject))
        if not any(check.latency for check in metrics):
            return Seen(length, await traffic)
        durations = _measured(self._durations.get(time, subject))
        return Seen(length, *(await asyncio.gather(traffic, durations)))

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
        _check_finite(row.value for row in rows)
        return rows

    # The past of stable.

    async def _past(self, measure: Measure) -> Past | Missing | None:
        until = measure.about.past_until
        loop = asyncio.get_running_loop()
        if until is None:
            return None
        if loop.time() < self._no_past_before:
            return Missing("stable's past is not asked for while Prometheus is slow")
        time = past_slice(until, measure.spec.analysis.interval)
        subject = self._subject(measure.key, measure.spec)
        asked: list[Awaitable[Any]] = [self._past_requests.get(time, subject)]
        if any(check.latency for check in measure.spec.analysis.metrics):
            asked.append(self._past_durations.get(time, subject))
        try:
            async with asyncio.timeout(PAST_SECONDS):
                return Past(*(await asyncio.gather(*asked)))
        except TimeoutError:
            self._no_past_before = loop.time() + NO_PAST_SECONDS
            return Missing("Prometheus is too slow to tell stable's past")
        except MetricsError as error:
            return Missing(str(error))

    async def _count_past(
        self, time: Slice, subjects: Sequence[Subject]
    ) -> Mapping[Subject, Sequence[Mapping[str, Count]]]:
        series = await self._ask_past(past_requests_query(subjects, time.window), time)
        return read_past_requests(series, subjects)

    async def _measure_past(
        self, time: Slice, subjects: Sequence[Subject]
    ) -> Mapping[Subject, Sequence[Mapping[str, Buckets]]]:
        series = await self._ask_past(past_durations_query(subjects, time.window), time)
        return read_past_durations(series, subjects)

    async def _ask_past(self, promql: str, time: Slice) -> list[Series]:
        first = time.ends_at - (WINDOWS - 1) * time.window
        moments = (first, time.ends_at)
        series = await self._client.query_range(promql, moments, time.window, self._past_lane)
        _check_finite(value for one in series for _, value in one.values)
        return series

    # Custom queries.

    async def _answers(self, measure: Measure) -> Mapping[str, Answer]:
        asked = {
            check.name: _measured(self._run(check.name, check.query.promql, measure))
            for check in measure.spec.analysis.metrics
            if check.query
        }
        return dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))

    async def _run(self, name: str, promql: str, measure: Measure) -> Sequence[float]:
        """Return the values of a rollout's own query."""
        rendered = self._rendered(promql, measure.key, measure.spec)
        lane = self._custom.of((measure.key, name))
        return [row.value for row in await self._ask_custom(rendered, measure.about.at, lane)]

    async def _try(self, key: Key, spec: RolloutSpec, index: int, promql: str) -> None:
        try:
            rendered = self._rendered(promql, key, spec)
            await self._ask_custom(rendered, datetime.now(UTC), self._aside)
        except RejectedQueryError as error:
            if error.malformed:
                field = f"spec.analysis.metrics[{index}].query.promql"
                raise InvalidSpecError(f"{field}: {error}.") from error
        except MetricsError:
            pass  # nothing was said about the query

    async def _ask_custom(self, query: str, at: datetime, lane: Runs) -> list[Row]:
        """Ask what a user wrote, who can correct it."""
        try:
            return await self._client.query(query, at, lane)
        except RejectedQueryError as error:
            words = f"{error}; try the query in Prometheus, and correct it"
            raise RejectedQueryError(words, malformed=error.malformed) from error

    def _rendered(self, promql: str, key: Key, spec: RolloutSpec) -> str:
        allowed = self._settings.custom_queries
        if allowed is not None and key.namespace not in allowed:
            raise RejectedQueryError(
                f"custom queries are not allowed in namespace {key.namespace}; "
                "ask who runs the operator (--custom-queries), or use a built-in check"
            )
        try:
            return render_query(promql, self._variables(key, spec))
        except QueryTemplateError as error:
            raise RejectedQueryError(str(error)) from error

    def _variables(self, key: Key, spec: RolloutSpec) -> dict[str, str]:
        subject = self._subject(key, spec)
        window = spec.analysis.resolved_window(self._settings.scrape_interval)
        return {
            "namespace": subject.namespace,
            "name": subject.name,
            "canary": subject.workload("canary"),
            "stable": subject.workload("stable"),
            "service": subject.host(),
            "window": duration(window),
        }

    def _subject(self, key: Key, spec: RolloutSpec) -> Subject:
        focused = spec.strategy.is_focused
        return Subject(key.namespace, key.name, self._settings.cluster_domain, focused)


async def _measured(asked: Awaitable[_Measured]) -> _Measured | Missing:
    try:
        return await asked
    except MetricsError as error:
        return Missing(str(error))


def _check_finite(values: Iterator[float]) -> None:
    if not all(map(isfinite, values)):
        raise UnreadableAnswerError("Prometheus' counts contain something that is no number")
