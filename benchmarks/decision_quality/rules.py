"""One rollout under one set of rules: ours in two modes, and those of two peers as documented.

Each set of rules looks at the same kind of traffic and says when it rolled back or promoted. The
verdicts of our modes are made by the operator's own code; what is here only counts seconds and
steps, as the engine does (a test compares both).
"""

from collections import deque
from collections.abc import Callable, Mapping
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
"""Seconds after the hold of a step at which the progress deadline ends a rollout that cannot tell.
That is no verdict of the rules: it counts neither as promoted nor as rolled back."""
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
            seen = Compared(window, View.CALLERS)
            over = now - applied >= plan.hold
            found = read(CHECK, evidence, seen, terms, stakes, hold_is_over=over)
            if found.verdict is Verdict.FAIL:
                return End(rolled_back=True, seconds=now, hurt=hurt)
            if over and found.verdict is Verdict.PASS and window.tells:
                break
            if now - applied > plan.hold + DEADLINE:
                return End(seconds=now, hurt=hurt)
    return End(promoted=True, seconds=now, hurt=hurt)


def _weighed(
    evidence: Evidence, window: Window, stakes: Stakes, terms: Comparison, least: int
) -> Evidence:
    if not window.tells:
        return evidence
    after = evidence.settled(window, stakes, least)
    return after.guarded(both_bad(window, CHECK, terms, least), EPOCH)


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
            if now - applied > plan.hold + DEADLINE:
                return End(seconds=now, hurt=hurt)
    return End(promoted=True, seconds=now, hurt=hurt)


def _look(weight: int, least: int) -> Look:
    return Look(EPOCH, timedelta(seconds=60), weight, least)


def _traffic(windows: deque[Window]) -> Mapping[View, Tracks]:
    stable = Count(sum(w.stable_requests for w in windows), sum(w.stable_bad for w in windows))
    canary = Count(sum(w.canary_requests for w in windows), sum(w.canary_bad for w in windows))
    return {View.CALLERS: Tracks(stable, canary)}


def flagger(interval: float, threshold: int = 5) -> Rules:
    """Return Flagger's rules: each interval asks for 99 % over a minute, no value is a failure.

    A passed check goes on to the next weight, so a step lasts as many checks as fit into the hold;
    `threshold` failed checks in all roll back.
    """

    def rules(observe: Observe, _: float, plan: Plan) -> End:
        now, hurt, failed = 0.0, 0.0, 0
        recent: deque[Window] = deque(maxlen=int(60 / INTERVAL))
        for weight in plan.weights:
            passed = 0.0
            while passed < plan.hold:
                for _tick in range(int(interval / INTERVAL)):
                    window = observe(now, now + INTERVAL, weight)
                    now, hurt = now + INTERVAL, hurt + window.canary_bad
                    recent.append(window)
                if _succeeds(recent):
                    passed += interval
                    continue
                failed += 1
                if failed >= threshold:
                    return End(rolled_back=True, seconds=now, hurt=hurt)
        return End(promoted=True, seconds=now, hurt=hurt)

    return rules


def argo(interval: float, failure_limit: int, errors: int = 4) -> Rules:
    """Return Argo Rollouts' rules: an analysis in the background of steps with a fixed pause.

    A value below 99 % is a failure, and no value is an error; more than `failure_limit` failures,
    or more than `errors` errors in a row, abort. The query is an `irate`, so it sees the last two
    scrapes, here of ten seconds.
    """

    def rules(observe: Observe, _: float, plan: Plan) -> End:
        now, hurt, failed, odd = 0.0, 0.0, 0, 0
        for weight in plan.weights:
            applied = now
            while now - applied < plan.hold:
                window = observe(now, now + INTERVAL, weight)
                now, hurt = now + INTERVAL, hurt + window.canary_bad
                if now % interval:
                    continue
                if not window.canary_requests:
                    odd += 1
                else:
                    odd, failed = 0, failed + (not _succeeds(deque([window])))
                if failed > failure_limit or odd > errors:
                    return End(rolled_back=True, seconds=now, hurt=hurt)
        return End(promoted=True, seconds=now, hurt=hurt)

    return rules


def _succeeds(windows: deque[Window]) -> bool:
    requests = sum(window.canary_requests for window in windows)
    bad = sum(window.canary_bad for window in windows)
    return bool(requests) and 100 * (requests - bad) / requests >= LEAST


RULES: Mapping[str, Rules] = {
    "comparison": comparison,
    "limits": limits,
    "Flagger, 1 m": flagger(60),
    "Flagger, 10 s": flagger(10),
    "Argo, 1 m": argo(60, failure_limit=3),
    "Argo, 10 s": argo(10, failure_limit=3),
}
