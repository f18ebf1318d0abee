"""Percentiles of durations and shares of slow requests, from a histogram of counts.

As in PromQL's `histogram_quantile`, durations are taken as spread evenly between two bounds, so
what lies between bounds is an estimate, and says so.
"""

import math
from dataclasses import dataclass

from canary_operator.domain.counts import Buckets


@dataclass(frozen=True, slots=True)
class Percentile:
    """How long the faster part of the requests took."""

    milliseconds: float
    beyond: bool = False
    """Whether it is more than `milliseconds`, which is the last bound of the histogram."""
    between: tuple[float, float] | None = None
    """Bounds that it was estimated between, in milliseconds; None where it is one itself."""


@dataclass(frozen=True, slots=True)
class Slow:
    """How many of some requests took longer than a bound."""

    requests: float
    bad: float
    between: tuple[float, float] | None = None
    """Bounds of the histogram that `bad` was estimated between, in milliseconds."""


def total(buckets: Buckets) -> float:
    """Return how many requests a histogram holds; none when it lacks its last bucket, `+Inf`."""
    return max(0.0, buckets.get(math.inf, 0.0))


def percentile(buckets: Buckets, percent: float) -> Percentile | None:
    """Return the duration that `percent` of the requests did not exceed; None without requests.

    Example:
        >>> percentile({100: 90, 200: 100, math.inf: 100}, 95)
        Percentile(milliseconds=150.0, beyond=False, between=(100, 200))
    """
    rank = total(buckets) * percent / 100
    if rank <= 0:
        return None
    lower, below = 0.0, 0.0
    for bound in sorted(buckets):
        count = max(below, buckets[bound])  # a reset proxy may leave small dents
        if count >= rank and math.isfinite(bound):
            inside = (rank - below) / (count - below) if count > below else 1.0
            between = (lower, bound) if inside < 1 else None
            return Percentile(lower + (bound - lower) * inside, between=between)
        if math.isfinite(bound):
            lower, below = bound, count
    return Percentile(lower, beyond=True)


def slower_than(buckets: Buckets, milliseconds: float) -> Slow | None:
    """Return how many requests took longer; None where the histogram cannot tell.

    It cannot without requests, and for a bound above its last finite one.

    Example:
        >>> slower_than({100: 90, 200: 100, math.inf: 110}, 150)
        Slow(requests=110, bad=15.0, between=(100, 200))
    """
    requests = total(buckets)
    above = min((bound for bound in buckets if bound >= milliseconds), default=math.inf)
    if requests <= 0 or math.isinf(above):
        return None
    quick_above = min(requests, buckets[above])
    if above == milliseconds:
        return Slow(requests, requests - quick_above)
    below = max((bound for bound in buckets if bound < milliseconds), default=0.0)
    quick_below = min(quick_above, buckets.get(below, 0.0))
    inside = (milliseconds - below) / (above - below)
    quick = quick_below + (quick_above - quick_below) * inside
    return Slow(requests, requests - quick, (below, above))
