"""Ages in kubectl's short form."""

from datetime import datetime

from canary_operator.playground.api.objects import parse_time


def age(text: str | None, now: datetime) -> str:
    """Return how long ago a time was, in kubectl's short form."""
    if not text:
        return "<unknown>"
    try:
        seconds = int((now - parse_time(text)).total_seconds())
    except ValueError:
        return "<invalid>"
    return human_duration(seconds)


def human_duration(seconds: int) -> str:
    """Return a duration in at most two units, finer for short ones.

    Example:
        >>> [human_duration(n) for n in (5, 130, 600, 11000, 200000, 10**9)]
        ['5s', '2m10s', '10m', '3h3m', '2d7h', '31y']
    """
    if seconds < 0:
        return "0s" if seconds >= -1 else "<invalid>"
    _, unit, small = next(step for step in STEPS if step[0] > seconds)
    rest = seconds % SECONDS[unit] // SECONDS[small] if small else 0
    return f"{seconds // SECONDS[unit]}{unit}" + (f"{rest}{small}" if rest else "")


SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 365 * 86400}
STEPS: tuple[tuple[float, str, str], ...] = (
    (2 * SECONDS["m"], "s", ""),
    (10 * SECONDS["m"], "m", "s"),
    (3 * SECONDS["h"], "m", ""),
    (8 * SECONDS["h"], "h", "m"),
    (2 * SECONDS["d"], "h", ""),
    (8 * SECONDS["d"], "d", "h"),
    (2 * SECONDS["y"], "d", ""),
    (8 * SECONDS["y"], "y", "d"),
    (float("inf"), "y", ""),
)
"""Below how many seconds a duration shows in which unit, and in which smaller one beside it."""
