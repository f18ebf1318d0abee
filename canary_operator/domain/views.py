"""Two views of the same requests: the worse one counts, and silence is no verdict."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from canary_operator.domain.counts import Count, Tracks, Traffic, View
from canary_operator.domain.figures import amount, seconds, share
from canary_operator.domain.reasons import Reason
from canary_operator.domain.status import Requests, Verdict, worst

HUNG_UP_MARGIN = 0.01
"""By how much the canary's share of callers that hung up may be above stable's."""

MAY_HANG_UP = 1
"""So many callers that hung up prove nothing, however few callers there were."""

FULL_WEIGHT = 100


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a rollout: when, how far back, and how much traffic it takes to tell."""

    at: datetime
    window: timedelta
    weight: int
    """Share of the canary, in percent."""
    min_requests: int

    def enough(self, requests: float) -> bool:
        """Whether so many requests can be judged; none never can."""
        return requests >= max(1, self.min_requests)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one metric, in one view or in all."""

    verdict: Verdict
    text: str
    value: str | None = None
    badness: float = 0.0
    """Orders findings with the same verdict; higher is worse."""
    reason: Reason | None = None
    canary: Requests | None = None
    stable: Requests | None = None


Inspection: TypeAlias = Callable[[View], Finding | None]
"""Judges one view; None when it saw too little."""


def worse_view(inspect: Inspection, traffic: Traffic, look: Look) -> Finding:
    """Return the worst finding of the views that saw enough."""
    return worst_of(_findings(inspect, traffic, look)) or silence(traffic, look)


def hung_up(traffic: Traffic, look: Look) -> Finding | None:
    """Return the worse view of callers that gave up; None while they are as patient as stable's."""
    seen = (_hung_up(traffic.get(view, Tracks()), view, look) for view in View)
    return worst_of(finding for finding in seen if finding)


def worst_of(found: Iterable[Finding]) -> Finding | None:
    """Return the worst of some findings; None of none."""
    findings = list(found)
    if not findings:
        return None
    verdict = worst(finding.verdict for finding in findings)
    equal = [finding for finding in findings if finding.verdict is verdict]
    return max(equal, key=lambda finding: finding.badness)


def requests_of(count: Count) -> Requests:
    """Return a count as it is recorded."""
    return Requests(requests=round(count.requests), bad=round(count.bad))


def seen_by(view: View) -> str:
    """Return the end of a sentence that says whose view it is."""
    return f"seen by the {view}"


def _findings(inspect: Inspection, traffic: Traffic, look: Look) -> Iterator[Finding]:
    for view in View:
        finding = _hung_up(traffic.get(view, Tracks()), view, look) or inspect(view)
        if finding:
            yield finding


def _hung_up(tracks: Tracks, view: View, look: Look) -> Finding | None:
    """Fail a canary whose callers lose patience: that is what a hanging version looks like."""
    canary, stable = tracks.canary, tracks.stable
    if not (look.enough(canary.arrived) and look.enough(stable.arrived)):
        return None
    excess = canary.hung_up_share - stable.hung_up_share
    if canary.hung_up <= MAY_HANG_UP or excess <= HUNG_UP_MARGIN:
        return None
    return Finding(
        Verdict.FAIL,
        f"{_patience(canary)} canary callers hung up before the response, with stable "
        f"{_patience(stable)}, so the canary seems to hang; {seen_by(view)}",
        share(canary.hung_up, canary.arrived) + " hung up",
        badness=excess,
        reason=Reason.CALLERS_HUNG_UP,
        canary=requests_of(canary),
        stable=requests_of(stable),
    )


def _patience(count: Count) -> str:
    return (
        f"{amount(count.hung_up)} of {amount(count.arrived)} "
        f"({share(count.hung_up, count.arrived)})"
    )


def silence(traffic: Traffic, look: Look) -> Finding:
    """Say why no view could be judged."""
    canary = max((tracks.canary for tracks in traffic.values()), key=_arrived, default=Count())
    stable = max((tracks.stable for tracks in traffic.values()), key=_arrived, default=Count())
    window, reason = seconds(look.window), Reason.TOO_FEW_REQUESTS
    if not canary.arrived and look.enough(_due(stable.requests, look.weight)):
        reason = Reason.ROUTING_NOT_OBSERVED
        text = (
            f"{reason}: no request reached the canary in {window}, although "
            f"its weight is {look.weight} % and stable got {amount(stable.requests)}; "
            "do the callers follow the route?"
        )
    elif look.enough(canary.requests):
        reason = Reason.METRICS_UNAVAILABLE
        text = f"no durations of the {amount(canary.requests)} canary requests in {window}"
    else:
        gone = f", {amount(canary.hung_up)} callers hung up" if canary.hung_up else ""
        text = (
            f"{amount(canary.requests)} canary requests in {window}, "
            f"at least {max(1, look.min_requests)} are needed to tell{gone}"
        )
    return Finding(
        Verdict.INCONCLUSIVE,
        text,
        reason=reason,
        canary=requests_of(canary),
        stable=requests_of(stable),
    )


def _arrived(count: Count) -> float:
    return count.arrived


def _due(stable: float, weight: int) -> float:
    """Return how many requests the canary should have got beside so many of stable."""
    if weight >= FULL_WEIGHT:
        return stable
    return stable * weight / (FULL_WEIGHT - weight)
