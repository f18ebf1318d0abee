"""A percentile of durations, from a histogram of counts."""

import math
from dataclasses import dataclass

from canary_operator.domain.counts import Buckets


@dataclass(frozen=True, slots=True)
class Percentile:
    """How long the faster part of the requests took."""

    milliseconds: float
    beyond: bool = False
    """Whether it is more than `milliseconds`, which is the last bound of the histogram."""


def total(buckets: Buckets) -> float:
    """Return how many requests a histogram holds; none when it lacks its last bucket, `+Inf`."""
    return max(0.0, buckets.get(math.inf, 0.0))


def percentile(buckets: Buckets, percent: float) -> Percentile | None:
    """Return the duration that `percent` of the requests did not exceed; None without requests.

    As in PromQL's `histogram_quantile`, durations are taken as spread evenly between two bounds,
    so the result is an estimate unless it is itself a bound.

    Example:
        >>> percentile({100: 90, 200: 100, math.inf: 100}, 95)
        Percentile(milliseconds=150.0, beyond=False)
    """
    rank = total(buckets) * percent / 100
    if rank <= 0:
        return None
    lower, below = 0.0, 0.0
    for bound in sorted(buckets):
        count = max(below, buckets[bound])  # a reset proxy may leave small dents
        if count >= rank and math.isfinite(bound):
            inside = (rank - below) / (count - below) if count > below else 1.0
            return Percentile(lower + (bound - lower) * inside)
        if math.isfinite(bound):
            lower, below = bound, count
    return Percentile(lower, beyond=True)
