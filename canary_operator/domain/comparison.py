"""Is the canary worse than stable? One metric, over the same seconds, in two bets.

The bets themselves are in `bets.py`; what they know stands in `evidence.py`. Here they are read:
which of five things can be said now, and in which words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from canary_operator.domain.bets import Stakes, Window, requests_to_prove_health
from canary_operator.domain.bounds import difference
from canary_operator.domain.counts import Count, Histograms, Tracks, View
from canary_operator.domain.evidence import Evidence
from canary_operator.domain.figures import amount, in_milliseconds, milliseconds, number, odds
from canary_operator.domain.latency import Slow, slower_than
from canary_operator.domain.readings import Missing, Seen
from canary_operator.domain.reasons import Reason
from canary_operator.domain.spec import Analysis, Comparison, MetricCheck, Step
from canary_operator.domain.status import Requests, Verdict
from canary_operator.domain.views import Finding, seen_by

ALL = 100
POINTS = 2
"""Digits of differences between rates, which are told in percentage points."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What both versions did since the last look, by the view that is compared."""

    window: Window
    view: View
    between: tuple[float, float] | None = None
    """Bounds of the histogram that slow requests were estimated between, in milliseconds."""


def stakes_of(analysis: Analysis, steps: Sequence[Step], clumping: float | None) -> Stakes:
    """Return what the bets of each metric are made with.

    Args:
        analysis: With a comparison.
        steps: Of the strategy; their holds tell how many windows there will be.
        clumping: Of the metric's failures, as stable's past shows it; None while it is not known.
    """
    terms = analysis.comparison or Comparison()
    metrics = [check for check in analysis.metrics if check.compared and not check.dry_run]
    planned = sum(max(1, ceil(step.hold / analysis.interval)) for step in steps)
    return Stakes(
        harm_target=max(1, len(metrics)) / terms.false_rollback_risk,
        least_windows=terms.min_windows,
        planned_windows=max(2, planned),
        tolerance=terms.tolerance,
        health_target=1 / terms.healthy.risk,
        least_healthy_windows=terms.healthy.min_windows,
        margin=terms.healthy.margin,
        clumping=terms.error_clumping or clumping or 1.0,
    )


def compared(check: MetricCheck, seen: Seen) -> Compared | Missing:
    """Return what both versions did in one metric; what could not be measured is passed on.

    The callers' view is compared, since it sees every request that follows the route, also those
    that no pod answers. Where callers are not in the mesh, or hardly, the pods' view is.
    """
    if isinstance(seen.traffic, Missing):
        return seen.traffic
    view = _view({view: tracks.canary.requests for view, tracks in seen.traffic.items()})
    tracks = seen.traffic.get(view, Tracks())
    if check.latency is None:
        return Compared(_counts(tracks.canary, tracks.stable), view)
    if isinstance(seen.durations, Missing):
        return seen.durations
    found = seen.durations.get(view, Histograms())
    return _slow_requests(found, view, in_milliseconds(check.latency.max))


def _view(canary_requests: dict[View, float]) -> View:
    """Choose by numbers of requests only, never by how they went, or the bets would not hold."""
    callers, pods = (canary_requests.get(view, 0.0) for view in (View.CALLERS, View.PODS))
    return View.CALLERS if callers >= pods / 2 else View.PODS


def _counts(canary: Count, stable: Count) -> Window:
    return Window(canary.requests, canary.bad, stable.requests, stable.bad)


def _slow_requests(found: Histograms, view: View, asked: float) -> Compared:
    nothing = Slow(0, 0)
    canary, stable = (
        slower_than(buckets, asked) or nothing for buckets in (found.canary, found.stable)
    )
    window = Window(canary.requests, canary.bad, stable.requests, stable.bad)
    return Compared(window, view, canary.between or stable.between)


def both_bad(seen: Window, check: MetricCheck, terms: Comparison, least: int) -> bool:
    """Whether both versions are above the guardrail, so that a shared cause is suspected."""
    if not (seen.canary_requests >= 1 and seen.stable_requests >= max(1, least)):
        return False
    allowed = terms.guardrail.max_bad
    if check.latency and check.latency.percentile:
        allowed += 1 - check.latency.percentile / ALL
    canary = seen.canary_bad / seen.canary_requests
    return canary > allowed and seen.stable_bad / seen.stable_requests > allowed


def read(  # noqa: PLR0913 - a reading has that many sources
    check: MetricCheck,
    evidence: Evidence,
    seen: Compared,
    terms: Comparison,
    stakes: Stakes,
    *,
    hold_is_over: bool,
) -> Finding:
    """Return what the evidence says now; the first that is so, from the worst on."""
    text = _Text(check, evidence, seen, terms, stakes)
    harm, health = evidence.harm, evidence.health
    target = stakes.harm_target
    enough = evidence.windows >= terms.min_windows
    if enough and harm.odds >= target:
        return text.finding(Verdict.FAIL, Reason.WORSE_THAN_STABLE)
    if evidence.both_bad_since is not None:
        return text.finding(Verdict.INCONCLUSIVE, Reason.SHARED_CAUSE_SUSPECTED)
    if harm.odds >= terms.hold_at_odds:
        return text.finding(Verdict.INCONCLUSIVE, Reason.WORSE_SUSPECTED)
    long_enough = evidence.healthy_windows >= terms.healthy.min_windows
    if long_enough and health.total >= stakes.health_target:
        return text.finding(Verdict.PASS, Reason.NO_WORSE_THAN_STABLE)
    may_advance = terms.on_insufficient_data == "Advance" and hold_is_over
    if may_advance and _nothing_against(evidence, terms):
        return text.finding(Verdict.PASS, Reason.NO_SIGN_OF_HARM)
    return text.finding(Verdict.INCONCLUSIVE, Reason.GATHERING_EVIDENCE)


def _nothing_against(evidence: Evidence, terms: Comparison) -> bool:
    """Whether enough was seen to say that nothing speaks against the canary; no data never is."""
    return evidence.full_windows >= terms.min_windows and evidence.full_windows_in_step > 0


@dataclass(frozen=True, slots=True)
class _Text:
    """Words for what the evidence says: counts of both, the odds, the difference, what is next."""

    check: MetricCheck
    evidence: Evidence
    seen: Compared
    terms: Comparison
    stakes: Stakes

    def finding(self, verdict: Verdict, reason: Reason) -> Finding:
        total = self.evidence.total
        words = f"{self._counts()}; {self._conclusion(reason)}{self._difference()}"
        return Finding(
            verdict,
            f"{words}; {seen_by(self.seen.view)}",
            badness=self.evidence.harm.odds,
            reason=reason,
            canary=Requests(requests=round(total.canary_requests), bad=round(total.canary_bad)),
            stable=Requests(requests=round(total.stable_requests), bad=round(total.stable_bad)),
        )

    def _counts(self) -> str:
        total, what = self.evidence.total, self._what()
        return (
            f"canary {amount(total.canary_bad)} of {amount(total.canary_requests)} requests "
            f"{what}, stable {amount(total.stable_bad)} of {amount(total.stable_requests)}"
        )

    def _what(self) -> str:
        if self.check.latency is None:
            return "failed"
        asked = in_milliseconds(self.check.latency.max)
        estimate = ", estimated between bounds" if self.seen.between else ""
        return f"took longer than {milliseconds(asked, asked)}{estimate}"

    def _conclusion(self, reason: Reason) -> str:
        told = f"odds {odds(self.evidence.harm.odds)} that the canary is worse"
        target = odds(self.stakes.harm_target)
        match reason:
            case Reason.WORSE_THAN_STABLE:
                return f"{told}; rolled back at {target}"
            case Reason.SHARED_CAUSE_SUSPECTED:
                limit = f"{number(self.terms.guardrail.max_bad * ALL)} %"
                return f"both are above the guardrail of {limit}, so a shared cause is suspected"
            case Reason.WORSE_SUSPECTED:
                return (
                    f"{told}; not raised from {self.terms.hold_at_odds}:1, rolled back at {target}"
                )
            case Reason.NO_WORSE_THAN_STABLE:
                margin = f"{number(self.terms.healthy.margin * ALL)} percentage points"
                return f"proven to be less than {margin} worse than stable"
            case Reason.NO_SIGN_OF_HARM:
                return f"{told}, so nothing speaks against it after the whole hold"
            case _:
                return f"{told}; {self._needed()}"

    def _needed(self) -> str:
        """Say what it takes to go on before the hold is over, or after it."""
        evidence = self.evidence
        if not evidence.total.tells:
            return "no interval had requests to both versions yet"
        missing = requests_to_prove_health(
            evidence.health, self._bad_rate(), self._relation(), self.stakes
        )
        if missing is None:
            return "too many failures to prove that it is no worse"
        left = self.terms.healthy.min_windows - evidence.healthy_windows
        spread = f", in {left} or more intervals," if left > 1 else ""
        return (
            f"about {amount(missing)} more canary requests{spread} are needed to prove that it is "
            f"no worse{self._few_full_windows()}"
        )

    def _few_full_windows(self) -> str:
        """Say what keeps a rollout from going on without a proof, where that is so."""
        full, needed = self.evidence.full_windows, self.terms.min_windows
        if self.terms.on_insufficient_data != "Advance" or full >= needed:
            return ""
        return (
            f", and {needed} intervals with minRequests of each version to go on without "
            f"({full} had)"
        )

    def _bad_rate(self) -> float:
        total = self.evidence.total
        bad = total.canary_bad + total.stable_bad
        return bad / (total.canary_requests + total.stable_requests)

    def _relation(self) -> float:
        window = self.seen.window if self.seen.window.tells else self.evidence.total
        return window.canary_requests / window.stable_requests

    def _difference(self) -> str:
        total = self.evidence.total
        if not total.tells or not total.canary_bad + total.stable_bad:
            return ""
        low, high = difference(total, self.stakes.clumping)
        return f"; difference {low * ALL:+.{POINTS}f} to {high * ALL:+.{POINTS}f} percentage points"
