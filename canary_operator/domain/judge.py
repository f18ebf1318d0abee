"""From readings to judgements: limits, comparison with stable, and the share of the requests.

Each metric is judged by everything that was asked of it, and the worst says what it is. Pure: the
same readings on the same status give the same verdict, also after a restart.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from canary_operator.domain.bets import Stakes
from canary_operator.domain.checks import answer_of, cannot_tell, limits_of, threshold_of
from canary_operator.domain.clumping import clumping_of, failures, slow_requests
from canary_operator.domain.comparison import Compared, both_bad, compared, read, stakes_of
from canary_operator.domain.counts import Traffic
from canary_operator.domain.evidence import Evidence
from canary_operator.domain.figures import in_milliseconds, seconds, share
from canary_operator.domain.phase import Phase
from canary_operator.domain.readings import NOT_MEASURED, Missing, Past, Readings, Seen
from canary_operator.domain.reasons import Reason
from canary_operator.domain.share import routing_not_applied
from canary_operator.domain.situation import Situation
from canary_operator.domain.spec import Comparison, MetricCheck
from canary_operator.domain.status import Judgement, Requests, Verdict
from canary_operator.domain.steps import hold_ends_at
from canary_operator.domain.views import Finding, Look, hung_up, silence, worst_of


@dataclass(frozen=True, slots=True)
class Judged:
    """What a check found, and what the comparison knows after it."""

    judgements: tuple[Judgement, ...]
    evidence: tuple[Evidence, ...] = ()
    compared_until: datetime | None = None
    """End of what the comparison has looked at."""
    hurt: float | None = None
    """Canary requests that went wrong since the last check; None where nobody counted."""


def judge(at: Situation, readings: Readings) -> Judged:
    """Return what `readings` say about every metric of a rollout, in the order of its spec."""
    judge_ = _Judge(at, readings)
    each = [judge_.metric(check) for check in at.spec.analysis.metrics]
    return Judged(
        tuple(judgement for judgement, _ in each),
        tuple(evidence for _, evidence in each if evidence),
        judge_.compared_until(),
        _hurt(at, readings),
    )


@dataclass(frozen=True, slots=True)
class _Judge:
    at: Situation
    readings: Readings

    @property
    def _terms(self) -> Comparison | None:
        return self.at.spec.analysis.comparison

    def metric(self, check: MetricCheck) -> tuple[Judgement, Evidence | None]:
        if not check.compared:
            finding = self._answer(check)
            return _judgement(check, [finding], self.readings.at), None
        if self._terms is None:
            found = [self._limits(check, None)]
            return _judgement(check, self._gated(found), self.readings.at), None
        seen = self._seen(check)
        evidence = self._weigh(check, seen, self._terms)
        found = [self._compare(check, seen, evidence, self._terms), *self._beside(check, evidence)]
        return _judgement(check, self._gated(found), self.readings.at, evidence), evidence

    def compared_until(self) -> datetime | None:
        """Return the end of what was looked at; while Prometheus is away it stays where it was."""
        since_last = self.readings.since_last
        if since_last is None or isinstance(since_last.traffic, Missing):
            return self.at.attempt.compared_until
        return self.readings.at

    # Limits.

    def _answer(self, check: MetricCheck) -> Finding:
        answer = self.readings.answers.get(check.name, NOT_MEASURED)
        return cannot_tell(answer.why) if isinstance(answer, Missing) else answer_of(check, answer)

    def _limits(self, check: MetricCheck, evidence: Evidence | None) -> Finding:
        window = self.readings.window
        if window is None:
            return self._later()
        if isinstance(window.traffic, Missing):
            return cannot_tell(window.traffic.why)
        look, durations = self._look(window), window.durations
        if isinstance(durations, Missing):
            why = cannot_tell(durations.why)
            return hung_up(window.traffic, look) or why
        found = limits_of(check, window.traffic, durations, look)
        shared = evidence is not None and self._shared_cause(evidence, window)
        return _excused(found) if shared and found.verdict is Verdict.FAIL else found

    def _later(self) -> Finding:
        window = self.at.spec.analysis.resolved_window(self.at.settings.scrape_interval)
        text = f"its limit looks back on {seconds(window)} at this weight, which are not over yet"
        return Finding(Verdict.INCONCLUSIVE, text, reason=Reason.GATHERING_EVIDENCE)

    def _beside(self, check: MetricCheck, evidence: Evidence) -> Iterator[Finding]:
        """Yield what limits say beside a comparison; without any, callers may still hang up."""
        if check.has_limit:
            yield self._limits(check, evidence)
            return
        seen = self.readings.since_last
        if seen is not None and not isinstance(seen.traffic, Missing):
            found = hung_up(seen.traffic, self._look(seen))
            if found:
                yield found

    def _shared_cause(self, evidence: Evidence, window: Seen) -> bool:
        """Whether both versions failed in the window, so that it says nothing about the canary.

        While stable is being rolled to the canary's template it is no control any more.
        """
        last = evidence.both_bad_at
        control = self.at.status.phase is not Phase.PROMOTING
        return control and last is not None and last > self.readings.at - window.length

    # Comparison.

    def _seen(self, check: MetricCheck) -> Compared | Missing:
        since_last = self.readings.since_last
        return NOT_MEASURED if since_last is None else compared(check, since_last)

    def _weigh(self, check: MetricCheck, seen: Compared | Missing, terms: Comparison) -> Evidence:
        """Return what is known with what was seen since the last look."""
        known = {one.name: one for one in self.at.attempt.evidence}
        evidence = known.get(check.name) or Evidence(name=check.name)
        if self._in_new_step():
            evidence = evidence.in_new_step()
        if evidence.clumping is None and terms.error_clumping is None:
            evidence = evidence.model_copy(update={"clumping": self._clumping(check)})
        if isinstance(seen, Missing) or not seen.window.tells:
            return evidence
        least = self.at.spec.analysis.min_requests
        evidence = evidence.settled(seen.window, self._stakes(evidence), least)
        return evidence.guarded(both_bad(seen.window, check, terms, least), self.readings.at)

    def _in_new_step(self) -> bool:
        """Whether nothing was compared yet at the present weight."""
        until, applied = self.at.attempt.compared_until, self.at.status.weight_applied_at
        return until is None or applied is None or until <= applied

    def _stakes(self, evidence: Evidence) -> Stakes:
        spec = self.at.spec
        return stakes_of(spec.analysis, spec.strategy.resolved_steps, evidence.clumping)

    def _clumping(self, check: MetricCheck) -> float | None:
        past = self.readings.past
        if not isinstance(past, Past):
            return None
        if check.latency is None:
            pods = failures(past.requests)
        else:
            pods = slow_requests(past.durations, in_milliseconds(check.latency.max))
        return round(clumping_of(pods), 2)

    def _compare(
        self,
        check: MetricCheck,
        seen: Compared | Missing,
        evidence: Evidence,
        terms: Comparison,
    ) -> Finding:
        if isinstance(seen, Missing):
            return cannot_tell(seen.why)
        ends = hold_ends_at(self.at)
        over = ends is not None and self.readings.at >= ends
        stakes = self._stakes(evidence)
        found = read(check, evidence, seen, terms, stakes, hold_is_over=over)
        if seen.window.tells or found.verdict is Verdict.FAIL:
            return found
        return replace(self._silence(), badness=found.badness)

    def _silence(self) -> Finding:
        seen = self.readings.since_last
        traffic: Traffic = {}
        if seen is not None and not isinstance(seen.traffic, Missing):
            traffic = seen.traffic
        return silence(traffic, self._look(seen or Seen(self.at.spec.analysis.interval, traffic)))

    # Share of the requests.

    def _gated(self, found: list[Finding]) -> list[Finding]:
        """Add what is wrong with the share of the requests, so that nothing passes on it."""
        seen = self.readings.window or self.readings.since_last
        if seen is None or isinstance(seen.traffic, Missing):
            return found
        off = routing_not_applied(seen.traffic, self._look(seen))
        passes = all(finding.verdict is Verdict.PASS for finding in found)
        return [off, *found] if off and passes else found

    def _look(self, seen: Seen) -> Look:
        least = self.at.spec.analysis.min_requests
        return Look(self.readings.at, seen.length, self.at.weight, least)


def _excused(found: Finding) -> Finding:
    words = "stable fails as well, so a shared cause is suspected"
    return replace(
        found,
        verdict=Verdict.INCONCLUSIVE,
        reason=Reason.SHARED_CAUSE_SUSPECTED,
        text=f"{found.text}; {words}",
    )


def _judgement(
    check: MetricCheck,
    found: list[Finding],
    measured_at: datetime,
    evidence: Evidence | None = None,
) -> Judgement:
    """Return one judgement of all that was found about a metric; the worst comes first."""
    worst = worst_of(found) or cannot_tell(NOT_MEASURED.why)
    first = [worst, *(one for one in found if one is not worst and one.verdict is not Verdict.PASS)]
    counted = next((one for one in found if one.canary), worst)
    value, threshold = _value(check, found, counted)
    text = "; ".join(finding.text for finding in first)
    return Judgement(
        name=check.name,
        verdict=worst.verdict,
        reason=worst.reason,
        dry_run=True if check.dry_run else None,
        value=value,
        threshold=threshold,
        odds=_shown_odds(evidence) if evidence else None,
        canary=counted.canary,
        stable=counted.stable,
        message=f"{check.name}: {'dry run: ' if check.dry_run else ''}{text}",
        measured_at=measured_at,
    )


def _value(check: MetricCheck, found: list[Finding], counted: Finding) -> tuple[str | None, str]:
    """Return the value and what it is compared with: a limit, or else stable's own."""
    limit = threshold_of(check)
    if limit:
        return next((one.value for one in found if one.value), None), limit
    own, other = _good(counted.canary), _good(counted.stable)
    return own, f"stable {other}" if other else ""


def _good(requests: Requests | None) -> str | None:
    if requests is None or not requests.requests:
        return None
    return share(requests.requests - requests.bad, requests.requests)


def _shown_odds(evidence: Evidence) -> float:
    return float(f"{evidence.harm.odds:.3g}")


def _hurt(at: Situation, readings: Readings) -> float | None:
    """Return the canary's requests that went wrong since the last check.

    Windows of limits overlap; then the part of the window that is new counts, as if failures were
    spread evenly over it.
    """
    seen = readings.since_last or readings.window
    if seen is None or isinstance(seen.traffic, Missing) or not seen.traffic:
        return None
    hurt = max(tracks.canary.hurt for tracks in seen.traffic.values())
    last = at.attempt.last_check
    if readings.since_last is not None or last is None:
        return hurt
    return hurt * min(1.0, (readings.at - last.at) / seen.length)
