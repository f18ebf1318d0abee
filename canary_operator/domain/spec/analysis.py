"""How the canary's behaviour is judged."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, model_validator

from canary_operator.domain.spec.comparison import Comparison
from canary_operator.domain.spec.kinds import dns_label, duration, number, percent, text, whole
from canary_operator.domain.spec.schema import (
    HERE,
    KEYED_BY_NAME,
    Place,
    Rule,
    Written,
    exactly_one_of,
    unique,
)

SCRAPES_OF_A_WINDOW = 4
"""A rate needs a few scrapes to be steady."""

MOST_REQUESTS = 1_000_000_000

SUCCESS_RATE_WITHOUT_LIMIT: Mapping[str, Any] = {"name": "success-rate", "successRate": {}}
"""What is measured when only a comparison was asked for."""


class SuccessRate(Written):
    """Share of requests that succeed."""

    min: Annotated[float, percent(with_hundred=True)] | None = None
    """Lowest success rate that passes, in percent; may be left out with `comparison`."""


class Latency(Written):
    """Time that requests take."""

    percentile: Annotated[float, percent(with_hundred=False)] | None = None
    """Share of the requests that must be faster than `max`, in percent; may be left out with
    `comparison`."""

    max: Annotated[timedelta, duration(timedelta(milliseconds=1))]
    """Longest time that passes; a request that takes longer is a bad one for `comparison`."""


def _crossed_limits(query: "Query") -> Iterable[Place]:
    if query.min is not None and query.max is not None and query.min > query.max:
        yield HERE


class Query(Written):
    """A PromQL query of your own that gives one number."""

    rules = (
        Rule(
            "must have min, max, or both",
            "has(self.min) || has(self.max)",
            lambda query: [HERE] if query.min is None and query.max is None else [],
        ),
        Rule(
            "must have a min that is not above max",
            "!has(self.min) || !has(self.max) || self.min <= self.max",
            _crossed_limits,
        ),
    )

    promql: Annotated[str, text("a PromQL query", 4096)]
    """The query; knows {{ namespace }}, {{ name }}, {{ canary }}, {{ stable }}, {{ service }} and
    {{ window }}."""

    min: Annotated[float, number()] | None = None
    """Lowest value that passes."""

    max: Annotated[float, number()] | None = None
    """Highest value that passes."""


class MetricCheck(Written):
    """One thing that is measured, and its limits: exactly one kind."""

    rules = (exactly_one_of("success_rate", "latency", "query"),)

    name: Annotated[str, dns_label()]
    """Name in status and messages, unique in the rollout."""

    success_rate: SuccessRate | None = None
    """Share of requests that succeed."""

    latency: Latency | None = None
    """Time that requests take."""

    query: Query | None = None
    """A PromQL query of your own."""

    dry_run: bool = Field(default=False, strict=True)
    """Whether the metric is only measured and shown, and decides nothing."""

    @property
    def compared(self) -> bool:
        """Whether `comparison` can look at it: it counts good and bad requests of both versions."""
        return self.query is None

    @property
    def has_limit(self) -> bool:
        """Whether it has a limit of its own, beside what a comparison says."""
        if self.success_rate is not None:
            return self.success_rate.min is not None
        return self.latency is None or self.latency.percentile is not None


def _limits_left_out(analysis: "Analysis") -> Iterable[Place]:
    if analysis.comparison is not None:
        return
    for index, metric in enumerate(analysis.metrics):
        if metric.success_rate is not None and metric.success_rate.min is None:
            yield ("metrics", index, "successRate")
        if metric.latency is not None and metric.latency.percentile is None:
            yield ("metrics", index, "latency")


def _nothing_decides(analysis: "Analysis") -> Iterable[Place]:
    if all(metric.dry_run for metric in analysis.metrics):
        yield ("metrics",)


def _nothing_to_compare(analysis: "Analysis") -> Iterable[Place]:
    deciding = [metric for metric in analysis.metrics if not metric.dry_run]
    if analysis.comparison is not None and not any(metric.compared for metric in deciding):
        yield ("comparison",)


class Analysis(Written):
    """How the canary's behaviour is judged."""

    rules = (
        unique("metrics", "name"),
        Rule(
            "must have successRate.min and latency.percentile, unless analysis.comparison is set",
            "has(self.comparison) || !has(self.metrics) || self.metrics.all(metric, "
            "(!has(metric.successRate) || has(metric.successRate.min)) && "
            "(!has(metric.latency) || has(metric.latency.percentile)))",
            _limits_left_out,
        ),
        Rule(
            "must have a metric that is no dry run, or no check could ever pass",
            "!has(self.metrics) || self.metrics.exists(metric, "
            "!has(metric.dryRun) || !metric.dryRun)",
            _nothing_decides,
        ),
        Rule(
            "needs a successRate or latency metric that is no dry run: what a query of your own "
            "gives cannot be compared",
            "!has(self.comparison) || !has(self.metrics) || self.metrics.exists(metric, "
            "!has(metric.query) && (!has(metric.dryRun) || !metric.dryRun))",
            _nothing_to_compare,
        ),
    )

    interval: Annotated[timedelta, duration(timedelta(seconds=5))] = timedelta(seconds=30)
    """Time from check to check; 30s when left out."""

    window: Annotated[timedelta, duration(timedelta(seconds=1))] | None = None
    """What a check looks back on; when left out `interval`, or four scrapes where those take
    longer."""

    failure_limit: Annotated[int, whole(0, 1000)] = 2
    """Failed checks that one rollout may have; one more rolls back; 2 when left out."""

    min_requests: Annotated[int, whole(1, MOST_REQUESTS)] = 10
    """With fewer canary requests than this a check is inconclusive; 10 when left out."""

    metrics: Annotated[
        tuple[MetricCheck, ...],
        Field(
            min_length=1,
            max_length=20,
            json_schema_extra=KEYED_BY_NAME,
        ),
    ] = (MetricCheck(name="success-rate", success_rate=SuccessRate(min=99)),)
    """What is measured; when left out a success rate: of at least 99 %, or, with `comparison`, no
    worse than stable's."""

    comparison: Comparison | None = None
    """Asks whether the canary is worse than stable; only limits count when left out."""

    @model_validator(mode="before")
    @classmethod
    def _compare_success_rates(cls, value: Any) -> Any:
        """Set no limit where only a comparison was asked for."""
        if not isinstance(value, Mapping) or value.get("comparison") is None:
            return value
        given = value.get("metrics") is not None
        return value if given else {**value, "metrics": [SUCCESS_RATE_WITHOUT_LIMIT]}

    def resolved_window(self, scrape_interval: timedelta) -> timedelta:
        """Return what a check looks back on, where Prometheus scrapes every `scrape_interval`."""
        if self.window is not None:
            return self.window
        return max(self.interval, SCRAPES_OF_A_WINDOW * scrape_interval)
