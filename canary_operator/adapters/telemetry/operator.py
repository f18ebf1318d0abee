"""The operator's own metrics: one registry, told by the engine and by the clients.

telemetry = OperatorTelemetry("1.2.3", leads=election.leads)
body, content_type = telemetry.exposition(request.headers["Accept"])
"""

import logging
from collections.abc import Callable
from datetime import timedelta

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from canary_operator.adapters.metrics.errors import QueryOutcome
from canary_operator.adapters.telemetry.rollouts import PREFIX, RolloutSeries
from canary_operator.ports import Key, Look, TickOutcome

logger = logging.getLogger(__name__)

TICK_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
QUERY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ROLLBACK_BUCKETS = (10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 86400)

# A second series for each counter that says when it began: nobody here asks for that.
disable_created_metrics()  # type: ignore[no-untyped-call]


class OperatorTelemetry:
    """Port `Telemetry`, and what clients tell, as series for Prometheus."""

    def __init__(self, version: str, leads: Callable[[], bool] = lambda: True) -> None:
        """Begin to count.

        Args:
            version: Of the operator.
            leads: Whether this operator leads.
        """
        self.registry = CollectorRegistry(auto_describe=False)
        self._rollback = self._histogram(
            "time_to_rollback_seconds",
            "From the start of a rollout until all traffic was back on stable.",
            ROLLBACK_BUCKETS,
        )
        self._rollouts = RolloutSeries(leads, self._rolled_back)
        self.registry.register(self._rollouts)
        self._tick_seconds = self._histogram(
            "tick_duration_seconds", "How long ticks took.", TICK_BUCKETS
        )
        self._tick_lag = self._histogram(
            "tick_lag_seconds", "How long ticks had been due when they began.", LAG_BUCKETS
        )
        self._ticks = self._counter("ticks", "Ticks by how they ended.", "outcome")
        self._requests = self._counter(
            "api_requests",
            "Requests to the API server; code 0 is no answer.",
            "verb",
            "resource",
            "code",
        )
        self._request_seconds = self._histogram(
            "api_request_duration_seconds",
            "How long the API server took to answer; for a watch, to begin to.",
            REQUEST_BUCKETS,
            "verb",
        )
        self._queries = self._counter(
            "prometheus_queries", "Queries to Prometheus by how they ended.", "outcome"
        )
        self._query_seconds = self._histogram(
            "prometheus_query_duration_seconds",
            "How long queries to Prometheus that were answered took.",
            QUERY_BUCKETS,
        )
        leader = Gauge(PREFIX + "leader", "1 if this operator leads.", registry=self.registry)
        leader.set_function(lambda: float(leads()))
        build = Gauge(
            PREFIX + "build_info", "1, with the version.", ["version"], registry=self.registry
        )
        build.labels(version).set(1)
        ProcessCollector(registry=self.registry)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Show what can happen before it does: `increase` does not see a series' first value."""
        for outcome in TickOutcome:
            self._ticks.labels(outcome.value)
        for ending in QueryOutcome:
            self._queries.labels(ending.value)

    # Port `Telemetry`.

    def looked(self, look: Look) -> None:
        """Take in what a tick begins with; whatever a status says, no tick fails by it."""
        try:
            self._rollouts.looked(look)
        except Exception:
            facts = {"rollout": str(look.rollout.key)}
            logger.exception("A look at a rollout was not counted", extra=facts)

    def gone(self, key: Key) -> None:
        """Forget a rollout that was deleted."""
        self._rollouts.gone(key)

    def forget_all(self) -> None:
        """Forget all rollouts: another operator may have led since."""
        self._rollouts.forget_all()

    def ticked(self, outcome: TickOutcome, *, seconds: float, lag: float) -> None:
        """Count a tick."""
        self._ticks.labels(outcome.value).inc()
        self._tick_seconds.observe(seconds)
        self._tick_lag.observe(lag)

    # What clients tell.

    def answered(self, verb: str, resource: str, code: int, seconds: float) -> None:
        """Count a request to the API server; code 0 is no answer."""
        self._requests.labels(verb, resource, str(code)).inc()
        self._request_seconds.labels(verb).observe(seconds)

    def queried(self, outcome: QueryOutcome, seconds: float) -> None:
        """Count a query to Prometheus; only answers say how long it takes."""
        self._queries.labels(outcome.value).inc()
        if outcome in {QueryOutcome.ANSWERED, QueryOutcome.REJECTED}:
            self._query_seconds.observe(seconds)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return all series as text, and its content type.

        Args:
            accept: What the client takes, as its header says: OpenMetrics, or the older format.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def _rolled_back(self, took: timedelta) -> None:
        self._rollback.observe(took.total_seconds())

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, text, labels, registry=self.registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(PREFIX + name, text, labels, buckets=buckets, registry=self.registry)
