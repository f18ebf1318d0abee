"""Limits: is one metric of the canary as it was asked to be?

The built-in checks look at two views and judge each that has enough requests; the worse one
counts. Whatever cannot be told is Inconclusive: it never passes and never counts as a failure.
Every finding says in one sentence what was measured and what was asked.
"""

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

from canary_operator.domain.counts import Buckets, Durations, Histograms, Tracks, Traffic, View
from canary_operator.domain.figures import amount, in_milliseconds, milliseconds, number, percent
from canary_operator.domain.latency import percentile, slower_than, total
from canary_operator.domain.reasons import Reason
from canary_operator.domain.spec import Latency, MetricCheck, Query, SuccessRate
from canary_operator.domain.status import Requests, Verdict
from canary_operator.domain.views import Finding, Look, requests_of, seen_by, worse_view

_Limit = TypeVar("_Limit", SuccessRate, Latency, Query)


def limits_of(check: MetricCheck, traffic: Traffic, durations: Durations, look: Look) -> Finding:
    """Return what the limits of a built-in check say about a window, by the worse view."""

    def inspect(view: View) -> Finding | None:
        tracks = traffic.get(view, Tracks())
        if check.latency:
            return _latency(check.latency, durations.get(view, Histograms()), view, look)
        return _success_rate(_of_kind(check.success_rate, check), tracks, view, look)

    return worse_view(inspect, traffic, look)


def answer_of(check: MetricCheck, values: Sequence[float]) -> Finding:
    """Return what the answer to a custom query says; only one finite number can be judged."""
    return _answer(_of_kind(check.query, check), values)


def cannot_tell(why: str) -> Finding:
    """Return the finding of a check that could not be made."""
    return Finding(Verdict.INCONCLUSIVE, why, reason=Reason.METRICS_UNAVAILABLE)


def threshold_of(check: MetricCheck) -> str:
    """Return what the values of a check are compared with, for example `≥ 99 %`."""
    if check.success_rate:
        least = check.success_rate.min
        return "" if least is None else f"≥ {number(least)} %"
    if check.latency:
        if check.latency.percentile is None:
            return ""
        limit = in_milliseconds(check.latency.max)
        return f"≤ {milliseconds(limit, limit)}"
    return " and ".join(_bounds(_of_kind(check.query, check)))


def _success_rate(limit: SuccessRate, tracks: Tracks, view: View, look: Look) -> Finding | None:
    canary, least = tracks.canary, limit.min
    if least is None or not look.enough(canary.requests):
        return None
    rate = 100 * (canary.requests - canary.bad) / canary.requests
    value = percent(rate, least)
    return Finding(
        Verdict.PASS if rate >= least else Verdict.FAIL,
        f"{amount(canary.bad)} of {amount(canary.requests)} canary requests failed ({value}), "
        f"at least {number(least)} % is asked; {seen_by(view)}",
        value,
        badness=-rate,
        reason=Reason.WITHIN_LIMITS if rate >= least else Reason.OUTSIDE_LIMITS,
        canary=requests_of(canary),
        stable=requests_of(tracks.stable),
    )


def _latency(limit: Latency, histograms: Histograms, view: View, look: Look) -> Finding | None:
    buckets = histograms.canary
    taken = percentile(buckets, limit.percentile) if limit.percentile else None
    if taken is None or limit.percentile is None or not look.enough(total(buckets)):
        return None
    asked = in_milliseconds(limit.max)
    value = milliseconds(taken.milliseconds, asked)
    told = f"more than {value}" if taken.beyond else f"up to about {value}"
    text = (
        f"{number(limit.percentile)} % of {amount(total(buckets))} canary requests took {told}"
        f"{estimated(taken.between)}, at most {milliseconds(asked, asked)} is asked; "
        f"{seen_by(view)}"
    )
    verdict, reason = _slow(taken.milliseconds, asked, beyond=taken.beyond)
    return Finding(
        verdict,
        text,
        f"> {value}" if taken.beyond else value,
        badness=taken.milliseconds,
        reason=reason,
        canary=slow_requests_of(buckets, asked),
        stable=slow_requests_of(histograms.stable, asked),
    )


def estimated(between: tuple[float, float] | None) -> str:
    """Return the words for an estimate between two bounds of a histogram."""
    if between is None:
        return ""
    low, high = between
    return f" (estimated between the bounds {number(low)} and {number(high)} ms)"


def slow_requests_of(buckets: Buckets, asked: float) -> Requests | None:
    """Return requests and slow ones as they are recorded; None where nothing tells."""
    slow = slower_than(buckets, asked)
    return Requests(requests=round(slow.requests), bad=round(slow.bad)) if slow else None


def _slow(taken: float, asked: float, *, beyond: bool) -> tuple[Verdict, Reason]:
    if taken > asked or (beyond and taken == asked):
        return Verdict.FAIL, Reason.OUTSIDE_LIMITS
    if beyond:
        return Verdict.INCONCLUSIVE, Reason.METRICS_UNAVAILABLE
    return Verdict.PASS, Reason.WITHIN_LIMITS


def _answer(limits: Query, values: Sequence[float]) -> Finding:
    match values:
        case [value] if math.isfinite(value):
            return _compared(limits, value)
        case [value]:
            text = f"the query gave {_odd(value)}, which is no number to compare"
        case []:
            text = "the query gave nothing, as when nothing was measured yet"
        case _:
            text = f"the query gave {len(values)} series where one is expected; aggregate them"
    return cannot_tell(text)


def _compared(limits: Query, value: float) -> Finding:
    low = limits.min is not None and value < limits.min
    high = limits.max is not None and value > limits.max
    asked = " and ".join(_bounds(limits))
    return Finding(
        Verdict.FAIL if low or high else Verdict.PASS,
        f"the query gave {number(value)}, {asked} is asked",
        number(value),
        reason=Reason.OUTSIDE_LIMITS if low or high else Reason.WITHIN_LIMITS,
    )


def _bounds(limits: Query) -> Iterator[str]:
    if limits.min is not None:
        yield f"≥ {number(limits.min)}"
    if limits.max is not None:
        yield f"≤ {number(limits.max)}"


def _odd(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"


def _of_kind(limit: _Limit | None, check: MetricCheck) -> _Limit:
    if limit is None:
        raise ValueError(f"metric {check.name!r} is of another kind")
    return limit
