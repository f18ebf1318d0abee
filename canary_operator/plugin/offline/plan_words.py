"""Words for what a plan says, for screens and pictures alike."""

from datetime import timedelta
from math import ceil, floor, log10

from canary_operator.domain.figures import amount, number
from canary_operator.plugin.offline.plan import SURE, Detection, Rung
from canary_operator.plugin.offline.simulation.told import interval_words, percent, since_start

ALL = 100
TINY = 1e-9
"""Less than what rounding up is for."""


def rounded_up(rps: float) -> str:
    """Return requests a second, rounded up to two digits that count.

    Example:
        >>> rounded_up(46.46), rounded_up(0.929), rounded_up(1234.5)
        ('47', '0.93', '1,300')
    """
    places = 1 - floor(log10(rps))
    scale = 10.0**places
    return f"{ceil(rps * scale - TINY) / scale:,.{max(0, places)}f}"


def rung_name(rung: Rung) -> str:
    """Return what a version is like, for example `+0.5 points`."""
    return f"+{_points(rung)}" if rung.extra else "healthy"


def smallest_words(found: Detection) -> str:
    """Return the smallest regression that is found, in a sentence or two."""
    rung = found.smallest
    if rung is None or rung.seconds is None or rung.hurt is None:
        return (
            f"No regression is found in {number(ALL * SURE)} % of the rollouts, not even that of "
            "a version that always fails."
        )
    took = since_start(timedelta(seconds=rung.seconds.median))
    words = _points(rung).replace("point", "percentage point")
    return (
        f"A version that fails {words} more often than stable is found in "
        f"{percent(rung.found.value)} of the rollouts: it is rolled back after {took} and "
        f"{amount(rung.hurt.median)} requests that go wrong (medians; one in twenty rollouts: "
        f"more than {amount(rung.hurt.p95)})."
    )


def healthy_words(found: Detection) -> str:
    """Return what becomes of versions that are as good as stable."""
    rung = found.healthy
    told = f"A healthy version is rolled back in {percent(rung.found.value)} of the rollouts"
    words = f"{told} ({interval_words(rung.found)})."
    if not rung.undecided.count:
        return words
    share = percent(rung.undecided.value)
    return f"{words} In {share} it is taken back, or waits, because too little can be told."


def _points(rung: Rung) -> str:
    points = number(ALL * rung.extra)
    return f"{points} point{'' if points == '1' else 's'}"
