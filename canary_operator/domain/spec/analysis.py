"""How the canary's behaviour is judged."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

from pydantic import Field

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


class SuccessRate(Written):
    """Share of requests that succeed."""

    min: Annotated[float, percent(with_hundred=True)]
    """Lowest success rate that passes, in percent."""


class Latency(Written):
    """Time that requests take."""

    percentile: Annotated[float, percent(with_hundred=False)]
    """Share of the requests that must be faster than `max`, in percent."""

    max: Annotated[timedelta, duration(timedelta(milliseconds=1))]
    """Longest time that passes."""


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


class Analysis(Written):
    """How the canary's behaviour is judged."""

    rules = (unique("metrics", "name"),)

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
    """What is measured; a success rate of at least 99 % when left out."""

    def resolved_window(self, scrape_interval: timedelta) -> timedelta:
        """Return what a check looks back on, where Prometheus scrapes every `scrape_interval`."""
        if self.window is not None:
            return self.window
        return max(self.interval, SCRAPES_OF_A_WINDOW * scrape_interval)
