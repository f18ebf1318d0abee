"""What a check reads while a rollout is played: the answers of a Prometheus that is not there."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from canary_operator.domain.clumping import WINDOWS
from canary_operator.domain.readings import Answer, Missing, Past, Readings, Seen
from canary_operator.domain.spec import RolloutSpec
from canary_operator.plugin.offline.simulation.chance import Chance
from canary_operator.plugin.offline.simulation.clock import MILLISECOND
from canary_operator.plugin.offline.simulation.setup import inside, uncounted
from canary_operator.plugin.offline.simulation.stage import Conditions
from canary_operator.plugin.offline.simulation.traffic import (
    Counters,
    Flow,
    Kinds,
    Prometheus,
    Source,
)
from canary_operator.ports import Measure

DOWN = Missing("Prometheus is down, as the scenario has it")

MOST_PAST_PODS = 4
"""Pods of stable's past that are drawn: the A/A test compares two halves of them."""


@dataclass(slots=True)
class Telemetry:
    """Counters of the proxies, and what is read of them."""

    chance: Chance
    spec: RolloutSpec
    started: datetime
    prometheus: Prometheus
    usual: Conditions
    """What holds before anything of the scenario begins."""
    conditions: Conditions = field(init=False)
    """What holds now."""

    def __post_init__(self) -> None:
        self.conditions = self.usual

    @property
    def counters(self) -> Counters:
        """The counters of the proxies."""
        return self.prometheus.counters

    @property
    def kinds(self) -> Kinds:
        """Which number is which among the counts."""
        return self.prometheus.kinds

    def pass_time(self, until: datetime, weight: int, promoted: float) -> None:
        """Draw the requests until a moment.

        Args:
            until: Nothing changes before.
            weight: Share of requests for the canary, in percent.
            promoted: Share of stable's available pods that run the new version, 0 to 1.
        """
        flow = _flow(self.conditions, weight, promoted)
        self.counters.pass_time(self.moment(until), flow.rates(timed=self.kinds.timed))

    def moment(self, at: datetime) -> int:
        """Return a time as the counters have it: milliseconds since the rollout began."""
        return (at - self.started) // MILLISECOND

    def change(self, conditions: Conditions, now: datetime) -> None:
        """Let other conditions hold from now on."""
        was_down, away = self.conditions.prometheus_down, self.prometheus.away
        if conditions.prometheus_down and not was_down:
            away.append((self.moment(now), None))
        elif was_down and not conditions.prometheus_down:
            away[-1] = (away[-1][0], self.moment(now))
        self.conditions = conditions

    def read(self, measure: Measure) -> Readings:
        """Return what a check reads."""
        about = measure.about
        counted = any(check.compared for check in self.spec.analysis.metrics)
        window, since_last = (
            self._seen(about.at, length) if length is not None and counted else None
            for length in (about.window, about.since_last)
        )
        past = None if about.past_until is None else self._past()
        return Readings(about.at, window, since_last, self._answers(), past)

    def _seen(self, ends: datetime, length: timedelta) -> Seen:
        if self.conditions.prometheus_down:
            return Seen(length, DOWN, DOWN)
        if uncounted(self.spec):
            return Seen(length, {})
        counts = self.prometheus.window(self.moment(ends), length // MILLISECOND)
        traffic = self.prometheus.traffic(counts)
        if not self.kinds.timed:
            return Seen(length, traffic)
        return Seen(length, traffic, self.prometheus.durations(counts))

    def _answers(self) -> dict[str, Answer]:
        asked = ((one.name, one.query) for one in self.spec.analysis.metrics if one.query)
        if self.conditions.prometheus_down:
            return dict.fromkeys((name for name, _ in asked), DOWN)
        given = self.conditions.queries
        return {name: (given.get(name, inside(query)),) for name, query in asked}

    def _past(self) -> Past | Missing:
        """Draw what stable did before: as steady as ever."""
        if self.conditions.prometheus_down:
            return DOWN
        if uncounted(self.spec):
            return Past()
        pods = max(1, min(MOST_PAST_PODS, self.spec.least_replicas))
        seconds = self.spec.analysis.interval / timedelta(seconds=1) / pods
        rates = _flow(self.usual, 0, 0.0).rates(timed=self.kinds.timed)
        means, kinds = [rate * seconds for rate in rates], self.kinds
        drawn = [[self.chance.poissons(means) for _ in range(pods)] for _ in range(WINDOWS)]
        stable = (Source.STABLE,)
        requests = [
            {str(pod): kinds.count(one, stable) for pod, one in enumerate(window)}
            for window in drawn
        ]
        if not kinds.timed:
            return Past(requests)
        durations = [
            {str(pod): kinds.histogram(one, stable) for pod, one in enumerate(window)}
            for window in drawn
        ]
        return Past(requests, durations)


def _flow(conditions: Conditions, weight: int, promoted: float) -> Flow:
    share = 0.0 if conditions.bypass else weight / 100
    canary, stable = conditions.rps * share, conditions.rps * (1 - share)
    rps = (canary, stable * (1 - promoted), stable * promoted)
    return Flow(rps, conditions.canary, conditions.stable)
