"""One rollout under our two sets of rules.

Verdicts are made by the operator's own code; what is here only counts seconds and steps, as the
engine does (a test compares both).
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks.decision_quality.traffic import Observe
from canary_operator.domain.bets import Stakes, Window
from canary_operator.domain.checks import limits_of
from canary_operator.domain.comparison import Compared, both_bad, read, stakes_of
from canary_operator.domain.counts import Count, Tracks, View
from canary_operator.domain.evidence import Evidence
from canary_operator.domain.spec import Analysis, Comparison, MetricCheck, Step, SuccessRate
from canary_operator.domain.status import Verdict
from canary_operator.domain.views import Look

INTERVAL = 10.0
HOLD = 60.0
WEIGHTS = (5, 10, 20, 50)
DEADLINE = 600.0
"""Seconds after the hold of a step at which the progress deadline takes back a rollout that cannot
tell, with the reason `NoData`. That is no verdict about the canary, so it is counted apart: neither
as promoted nor as rolled back."""
LEAST = 99.0
"""Lowest success rate, in percent, that limits ask for."""
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class End:
    """How a rollout ended."""

    rolled_back: bool = False
    promoted: bool = False
    seconds: float = 0.0
    hurt: float = 0.0
    """Canary requests that failed."""


@dataclass(frozen=True)
class Plan:
    """What the user wrote."""

    weights: tuple[int, ...] = WEIGHTS
    hold: float = HOLD


Rules = Callable[[Observe, float, Plan], End]
"""Traffic, size of stable's clumps, plan."""

CHECK = MetricCheck(name="success-rate", success_rate=SuccessRate())
LIMIT = MetricCheck(name="success-rate", success_rate=SuccessRate(min=LEAST))


def analysis_of(plan: Plan) -> tuple[Analysis, tuple[Step, ...]]:
    """Return the comparison with its defaults, and the steps."""
    steps = tuple(Step(weight, timedelta(seconds=plan.hold)) for weight in plan.weights)
    interval = timedelta(seconds=INTERVAL)
    return Analysis(interval=interval, metrics=(CHECK,), comparison=Comparison()), steps


def comparison(observe: Observe, clumping: float, plan: Plan) -> End:
    """Compare canary and stable, with the defaults."""
    analysis, steps = analysis_of(plan)
    terms = analysis.comparison or Comparison()
    stakes = stakes_of(analysis, steps, clumping)
    evidence, now, hurt = Evidence(name=CHECK.name), 0.0, 0.0
    for weight in plan.weights:
        evidence, applied = evidence.in_new_step(), now
        while True:
            window = observe(now, now + INTERVAL, weight)
            now, hurt = now + INTERVAL, hurt + window.canary_bad
            evidence = _weighed(evidence, window, stakes, terms, analysis.min_requests)
            over = now - applied >= plan.hold
            if window.tells and may_decide(evidence, stakes, over=over):
                seen = Compared(window, View.CALLERS)
                found = read(CHECK, evidence, seen, terms, stakes, hold_is_over=over)
                if found.verdict is Verdict.FAIL:
                    return End(rolled_back=True, seconds=now, hurt=hurt)
                if over and found.verdict is Verdict.PASS:
                    break
            if now - applied >= plan.hold + DEADLINE:
                return End(seconds=now, hurt=hurt)
    return End(promoted=True, seconds=now, hurt=hurt)


def may_decide(evidence: Evidence, stakes: Stakes, *, over: bool) -> bool:
    """Whether a verdict could end a step; only then it is asked for, since its words take long.

    This is no rule of its own: a test shows that always asking ends in the same way.
    """
    if evidence.harm.odds >= stakes.harm_target:
        return True
    proven = evidence.health.total >= stakes.health_target
    return over and (proven or evidence.full_windows_in_step > 0)


def _weighed(
    evidence: Evidence, window: Window, stakes: Stakes, terms: Comparison, least: int
) -> Evidence:
    if not window.tells:
        return evidence
    after = evidence.settled(window, stakes, least)
    return after.guarded(both_bad(window, CHECK, terms, least), EPOCH)


def unclumped(observe: Observe, _: float, plan: Plan) -> End:
    """Compare as if failures never came in clumps: `errorClumping: 1`."""
    return comparison(observe, 1.0, plan)


def limits(observe: Observe, _: float, plan: Plan) -> End:
    """Ask for 99 % in each window of 60 s, with the defaults: two failed checks are tolerated."""
    analysis = Analysis()
    now, hurt, failed = 0.0, 0.0, 0
    for weight in plan.weights:
        applied = held_since = now
        recent: deque[Window] = deque(maxlen=int(60 / INTERVAL))
        while True:
            window = observe(now, now + INTERVAL, weight)
            now, hurt = now + INTERVAL, hurt + window.canary_bad
            recent.append(window)
            if len(recent) < int(60 / INTERVAL):
                continue
            found = limits_of(LIMIT, _traffic(recent), {}, _look(weight, analysis.min_requests))
            if found.verdict is Verdict.FAIL:
                failed, held_since = failed + 1, now
                if failed > analysis.failure_limit:
                    return End(rolled_back=True, seconds=now, hurt=hurt)
            if found.verdict is Verdict.PASS and now - held_since >= plan.hold:
                break
            if now - applied >= plan.hold + DEADLINE:
                return End(seconds=now, hurt=hurt)
    return End(promoted=True, seconds=now, hurt=hurt)


def _look(weight: int, least: int) -> Look:
    return Look(EPOCH, timedelta(seconds=60), weight, least)


def _traffic(seen: Iterable[Window]) -> Mapping[View, Tracks]:
    windows = list(seen)
    stable = Count(sum(w.stable_requests for w in windows), sum(w.stable_bad for w in windows))
    canary = Count(sum(w.canary_requests for w in windows), sum(w.canary_bad for w in windows))
    return {View.CALLERS: Tracks(stable, canary)}
