"""The operator's own metrics: one registry, told by the engine and by the clients.

telemetry = OperatorTelemetry("1.2.3", leads=lambda: election.working)
body, content_type = telemetry.exposition(request.headers["Accept"])
"""

import logging
from collections.abc import Callable
from datetime import timedelta

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from canary_operator.adapters.metrics.errors import QueryOutcome
from canary_operator.adapters.telemetry.rollouts import PREFIX, RolloutSeries
from canary_operator.adapters.telemetry.work import Queries, Requests, Ticks, histogram
from canary_operator.ports import Key
from canary_operator.telemetry import Look, TickOutcome

logger = logging.getLogger(__name__)

ROLLBACK_BUCKETS = (10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 86400)

# A second series for each counter that says when it began: nobody here asks for that.
disable_created_metrics()  # type: ignore[no-untyped-call]


class OperatorTelemetry:
    """Port `Telemetry`, and what clients tell, as series for Prometheus."""

    def __init__(self, version: str, leads: Callable[[], bool] = lambda: True) -> None:
        """Begin to count.

        Args:
            version: Of the operator.
            leads: Whether this operator leads and works.
        """
        self.registry = registry = CollectorRegistry(auto_describe=False)
        self._rollback = histogram(
            registry,
            "time_to_rollback_seconds",
            "From the start of a rollout until all traffic was back on stable.",
            ROLLBACK_BUCKETS,
        )
        self._rollouts = RolloutSeries(leads, self._rolled_back)
        registry.register(self._rollouts)
        self._ticks, self._requests = Ticks(registry), Requests(registry)
        self._queries = Queries(registry)
        leader = Gauge(PREFIX + "leader", "1 if this operator leads and works.", registry=registry)
        leader.set_function(lambda: float(leads()))
        build = Gauge(PREFIX + "build_info", "1, with the version.", ["version"], registry=registry)
        build.labels(version).set(1)
        ProcessCollector(registry=registry)

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
        self._ticks.add(outcome, seconds=seconds, lag=lag)

    # What clients tell.

    def answered(self, verb: str, resource: str, code: int, seconds: float) -> None:
        """Count a request to the API server; code 0 is no answer."""
        self._requests.add(verb, resource, code, seconds)

    def queried(self, outcome: QueryOutcome, seconds: float) -> None:
        """Count a query to Prometheus."""
        self._queries.add(outcome, seconds)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return all series as text, and its content type.

        Args:
            accept: What the client takes, as its header says: OpenMetrics, or the older format.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def _rolled_back(self, took: timedelta) -> None:
        self._rollback.observe(took.total_seconds())
