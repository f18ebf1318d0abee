"""How far apart two rates may be: a confidence interval for their difference.

Newcombe's hybrid score interval (Statistics in Medicine 17, 1998, method 10): Wilson's interval of
each rate, combined. It holds for one look at a time, and is told beside the odds, which hold for
all looks together, to say how large a difference is and not whether there is one.
"""

from math import sqrt

from canary_operator.domain.bets import Window

Z95 = 1.959964
"""Standard normal quantile of a two-sided 95 % interval."""


def difference(window: Window, clumping: float = 1.0) -> tuple[float, float]:
    """Return the 95 % interval of the canary's bad rate minus stable's, as fractions.

    Args:
        window: Counts of both versions, each with requests.
        clumping: Failures come in clumps of so many, which leaves fewer independent requests.

    Example:
        >>> low, high = difference(Window(1203, 14, 22917, 11))
        >>> round(100 * low, 2), round(100 * high, 2)
        (0.64, 1.9)
    """
    canary, stable = (
        (bad / requests, _wilson(bad / clumping, requests / clumping))
        for bad, requests in (
            (window.canary_bad, window.canary_requests),
            (window.stable_bad, window.stable_requests),
        )
    )
    (rate, (low, high)), (other, (other_low, other_high)) = canary, stable
    apart = rate - other
    return (
        apart - sqrt((rate - low) ** 2 + (other_high - other) ** 2),
        apart + sqrt((high - rate) ** 2 + (other - other_low) ** 2),
    )


def _wilson(bad: float, requests: float) -> tuple[float, float]:
    """Return Wilson's score interval of a rate."""
    rate, square = bad / requests, Z95**2 / requests
    middle = rate + square / 2
    spread = Z95 * sqrt(rate * (1 - rate) / requests + square / (4 * requests))
    return (middle - spread) / (1 + square), (middle + spread) / (1 + square)
