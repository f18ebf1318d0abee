"""Series of rollouts, made when they are asked for: what is gone has none.

Only the leader tells of rollouts, so that no series comes from two pods at once.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from canary_operator.adapters.telemetry.facts import Facts, facts_between
from canary_operator.adapters.telemetry.states import State, state_of
from canary_operator.domain.reasons import Reason
from canary_operator.domain.status import Verdict
from canary_operator.ports import Key
from canary_operator.telemetry import Look

PREFIX = "canary_operator_"
ROLLOUT = ("namespace", "rollout")

ROLLBACK_REASONS = (
    Reason.ANALYSIS_FAILED,
    Reason.WORSE_THAN_STABLE,
    Reason.SHARED_CAUSE_SUSPECTED,
    Reason.NO_DATA,
    Reason.PROGRESS_DEADLINE_EXCEEDED,
    Reason.ABORTED,
)
"""Counted from 0 as soon as a rollout is under way: `increase` does not see a series' first value.

One that an operator finishes which knows no reason any more appears with its first value.
"""


@dataclass(slots=True)
class Counts:
    """What happened to one rollout since this operator leads."""

    checks: Counter[tuple[str, str]] = field(default_factory=Counter)
    promotions: int = 0
    rollbacks: Counter[str] = field(default_factory=Counter)

    def expect(self, state: State) -> None:
        """Begin at 0 with what may happen to a rollout that is under way.

        Metrics that its spec does not have any more go, so that edits make no series without end.
        """
        if state.checks:
            for name, verdict in list(self.checks):
                if name not in state.checks:
                    del self.checks[name, verdict]
        for name in state.checks:
            for each in Verdict:
                self.checks.setdefault((name, each.value), 0)
        if state.canary:
            for reason in ROLLBACK_REASONS:
                self.rollbacks.setdefault(reason.value, 0)

    def add(self, facts: Facts) -> None:
        """Count what happened."""
        self.checks.update(facts.checks)
        self.promotions += facts.promotions
        self.rollbacks.update(facts.rollbacks)


@dataclass(slots=True)
class Known:
    """One rollout."""

    state: State
    counts: Counts


class RolloutSeries(Collector):
    """Remembers the last look at each rollout, and makes series of it when it is scraped."""

    def __init__(self, leads: Callable[[], bool], on_rollback: Callable[[timedelta], None]) -> None:
        """Begin with nothing.

        Args:
            leads: Whether this operator leads; if not, there are no series.
            on_rollback: Told how long each rollback took, from the rollout's start.
        """
        self._leads = leads
        self._on_rollback = on_rollback
        self._known: dict[Key, Known] = {}

    def looked(self, look: Look) -> None:
        """Compare with the look before; the first one only says where to begin."""
        key, state = look.rollout.key, state_of(look)
        known = self._known.get(key)
        if known is None or known.state.uid != state.uid:
            known = self._known[key] = Known(state, Counts())
        facts = facts_between(known.state, state)
        known.state = state
        known.counts.expect(state)
        known.counts.add(facts)
        for took in facts.times_to_rollback:
            self._on_rollback(took)

    def gone(self, key: Key) -> None:
        """Forget a rollout."""
        self._known.pop(key, None)

    def forget_all(self) -> None:
        """Forget all rollouts."""
        self._known.clear()

    def describe(self) -> Iterable[Metric]:
        """Return the names, so that they are known before there is a rollout."""
        return self._families({})

    def collect(self) -> Iterable[Metric]:
        """Return the series of this moment; called in a thread of its own."""
        return self._families(dict(self._known) if self._leads() else {})

    def _families(self, known: dict[Key, Known]) -> Iterator[Metric]:
        states = [((key.namespace, key.name), one.state) for key, one in known.items()]
        yield from gauges(states)
        counts = [((key.namespace, key.name), one.counts) for key, one in known.items()]
        yield from counters(counts)


Named = tuple[str, str]


def gauges(states: Sequence[tuple[Named, State]]) -> Iterator[Metric]:
    """Yield what holds of each rollout now."""
    phase = _gauge("rollout_phase", "1 for the phase that a rollout is in.", "phase")
    weight = _gauge("rollout_weight_ratio", "The canary's share of the requests, 0 to 1.")
    step = _gauge("rollout_step", "Present step; the first is 1, and 0 is none.")
    steps = _gauge("rollout_steps", "Steps of the spec in force.")
    condition = _gauge("rollout_condition", "1 for a condition that is true.", "type", "reason")
    progressed = _gauge(
        "rollout_progressed_timestamp_seconds",
        "When a rollout that is under way made progress last, in Unix time.",
    )
    revisions = ("stable_revision", "canary_revision", "rejected_revision")
    info = _gauge("rollout_info", "1 for each rollout, with its revisions.", *revisions)
    for name, state in states:
        if state.phase is not None:
            phase.add_metric([*name, state.phase.value], 1)
        weight.add_metric(name, state.weight / 100)
        step.add_metric(name, state.step)
        steps.add_metric(name, state.steps)
        for kind, reason in state.conditions:
            condition.add_metric([*name, kind, reason], 1)
        if state.progressed_at is not None:
            progressed.add_metric(name, state.progressed_at.timestamp())
        info.add_metric([*name, state.stable, state.canary, state.rejected], 1)
    yield from (phase, weight, step, steps, condition, progressed, info)


def counters(counts: Sequence[tuple[Named, Counts]]) -> Iterator[Metric]:
    """Yield what happened to each rollout so far."""
    checks = _counter("checks", "Checks by their verdict.", "metric", "verdict")
    promotions = _counter("promotions", "Canaries that became stable.")
    rollbacks = _counter("rollbacks", "Canaries that were rejected, by the reason.", "reason")
    for name, one in counts:
        promotions.add_metric(name, one.promotions)
        for (metric, verdict), count in one.checks.copy().items():
            checks.add_metric([*name, metric, verdict], count)
        for reason, count in one.rollbacks.copy().items():
            rollbacks.add_metric([*name, reason], count)
    yield from (checks, promotions, rollbacks)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, text, labels=(*ROLLOUT, *labels))


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(PREFIX + name, text, labels=(*ROLLOUT, *labels))
