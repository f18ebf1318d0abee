"""What the operator does all day: ticks, requests to the API server, queries to Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from canary_operator.adapters.metrics.errors import QueryOutcome
from canary_operator.adapters.telemetry.rollouts import PREFIX
from canary_operator.telemetry import TickOutcome

TICK_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
QUERY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Ticks:
    """Looks at rollouts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._count = counter(registry, "ticks", "Ticks by how they ended.", "outcome")
        self._seconds = histogram(
            registry, "tick_duration_seconds", "How long ticks took.", TICK_BUCKETS
        )
        self._lag = histogram(
            registry,
            "tick_lag_seconds",
            "How long ticks had been due when they began.",
            LAG_BUCKETS,
        )
        for outcome in TickOutcome:  # `increase` does not see the first value of a series
            self._count.labels(outcome.value)

    def add(self, outcome: TickOutcome, *, seconds: float, lag: float) -> None:
        """Count one."""
        self._count.labels(outcome.value).inc()
        self._seconds.observe(seconds)
        self._lag.observe(lag)


class Requests:
    """Requests to the API server."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._count = counter(
            registry,
            "api_requests",
            "Requests to the API server; code 0 is no answer.",
            "verb",
            "resource",
            "code",
        )
        self._seconds = histogram(
            registry,
            "api_request_duration_seconds",
            "How long the API server took to answer; for a watch, to begin to.",
            REQUEST_BUCKETS,
            "verb",
        )

    def add(self, verb: str, resource: str, code: int, seconds: float) -> None:
        """Count one; code 0 is no answer."""
        self._count.labels(verb, resource, str(code)).inc()
        self._seconds.labels(verb).observe(seconds)


class Queries:
    """Queries to Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._count = counter(
            registry, "prometheus_queries", "Queries to Prometheus by how they ended.", "outcome"
        )
        self._seconds = histogram(
            registry,
            "prometheus_query_duration_seconds",
            "How long queries to Prometheus that were answered took.",
            QUERY_BUCKETS,
        )
        for outcome in QueryOutcome:
            self._count.labels(outcome.value)

    def add(self, outcome: QueryOutcome, seconds: float) -> None:
        """Count one; only answers say how long it takes."""
        self._count.labels(outcome.value).inc()
        if outcome in {QueryOutcome.ANSWERED, QueryOutcome.REJECTED}:
            self._seconds.observe(seconds)


def counter(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Counter:
    """Return a counter of a registry."""
    return Counter(PREFIX + name, text, labels, registry=registry)


def histogram(
    registry: CollectorRegistry, name: str, text: str, buckets: tuple[float, ...], *labels: str
) -> Histogram:
    """Return a histogram of a registry."""
    return Histogram(PREFIX + name, text, labels, buckets=buckets, registry=registry)
