"""From measurements to judgements: is one metric of the canary as it was asked to be?

The built-in checks look at two views and judge each that has enough requests; the worse one
counts. Whatever cannot be told is Inconclusive: it never passes and never counts as a failure.
Every judgement says in one sentence what was measured and what was asked.
"""

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

from canary_operator.domain.counts import Durations, Tracks, Traffic, View
from canary_operator.domain.figures import amount, in_milliseconds, milliseconds, number, percent
from canary_operator.domain.latency import percentile, total
from canary_operator.domain.spec import Latency, MetricCheck, Query, SuccessRate
from canary_operator.domain.status import Judgement, Verdict
from canary_operator.domain.views import Finding, Look, seen_by, worse_view

_Limit = TypeVar("_Limit", SuccessRate, Latency, Query)


def judge_success_rate(check: MetricCheck, traffic: Traffic, look: Look) -> Judgement:
    """Judge the share of the canary's requests that did not go wrong."""
    limit = _of_kind(check.success_rate, check)

    def inspect(view: View) -> Finding | None:
        return _success_rate(limit, traffic.get(view, Tracks()), view, look)

    return _judgement(check, worse_view(inspect, traffic, look), look)


def judge_latency(
    check: MetricCheck, traffic: Traffic, durations: Durations, look: Look
) -> Judgement:
    """Judge how long the faster part of the canary's requests took."""
    limit = _of_kind(check.latency, check)

    def inspect(view: View) -> Finding | None:
        return _latency(limit, durations, view, look)

    return _judgement(check, worse_view(inspect, traffic, look), look)


def judge_query(check: MetricCheck, values: Sequence[float], look: Look) -> Judgement:
    """Judge the answer to a custom query; only a single finite number can be judged."""
    return _judgement(check, _answer(_of_kind(check.query, check), values), look)


def cannot_tell(check: MetricCheck, why: str, look: Look) -> Judgement:
    """Return the judgement of a check that could not be made."""
    return _judgement(check, Finding(Verdict.INCONCLUSIVE, why), look)


def threshold_of(check: MetricCheck) -> str:
    """Return what the values of a check are compared with, for example `≥ 99 %`."""
    if check.success_rate:
        return f"≥ {number(check.success_rate.min)} %"
    if check.latency:
        limit = in_milliseconds(check.latency.max)
        return f"≤ {milliseconds(limit, limit)}"
    return " and ".join(_bounds(_of_kind(check.query, check)))


def _success_rate(limit: SuccessRate, tracks: Tracks, view: View, look: Look) -> Finding | None:
    canary = tracks.canary
    if not look.enough(canary.requests):
        return None
    rate = 100 * (canary.requests - canary.bad) / canary.requests
    value = percent(rate, limit.min)
    return Finding(
        Verdict.PASS if rate >= limit.min else Verdict.FAIL,
        f"{amount(canary.bad)} of {amount(canary.requests)} canary requests failed ({value}), "
        f"at least {number(limit.min)} % is asked; {seen_by(view)}",
        value,
        badness=-rate,
    )


def _latency(limit: Latency, durations: Durations, view: View, look: Look) -> Finding | None:
    buckets = durations.get(view, {})
    taken = percentile(buckets, limit.percentile)
    if taken is None or not look.enough(total(buckets)):
        return None
    asked = in_milliseconds(limit.max)
    value = milliseconds(taken.milliseconds, asked)
    told = f"more than {value}" if taken.beyond else f"up to about {value}"
    text = (
        f"{number(limit.percentile)} % of {amount(total(buckets))} canary requests took {told}, "
        f"at most {milliseconds(asked, asked)} is asked; {seen_by(view)}"
    )
    return Finding(
        _slow(taken.milliseconds, asked, beyond=taken.beyond),
        text,
        f"> {value}" if taken.beyond else value,
        badness=taken.milliseconds,
    )


def _slow(taken: float, asked: float, *, beyond: bool) -> Verdict:
    if taken > asked or (beyond and taken == asked):
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE if beyond else Verdict.PASS


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
    return Finding(Verdict.INCONCLUSIVE, text)


def _compared(limits: Query, value: float) -> Finding:
    low = limits.min is not None and value < limits.min
    high = limits.max is not None and value > limits.max
    asked = " and ".join(_bounds(limits))
    return Finding(
        Verdict.FAIL if low or high else Verdict.PASS,
        f"the query gave {number(value)}, {asked} is asked",
        number(value),
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


def _judgement(check: MetricCheck, finding: Finding, look: Look) -> Judgement:
    return Judgement(
        name=check.name,
        verdict=finding.verdict,
        value=finding.value,
        threshold=threshold_of(check),
        message=f"{check.name}: {finding.text}",
        measured_at=look.at,
    )


def _of_kind(limit: _Limit | None, check: MetricCheck) -> _Limit:
    if limit is None:
        raise ValueError(f"metric {check.name!r} is of another kind")
    return limit
