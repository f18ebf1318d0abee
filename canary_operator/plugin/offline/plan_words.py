"""Words for what a plan says, for screens and pictures alike."""

from datetime import timedelta
from math import ceil, floor, log10

from canary_operator.domain.durations import format_duration
from canary_operator.domain.figures import amount, number
from canary_operator.domain.spec import RolloutSpec
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
    if rung.always_fails:
        return "always fails"
    return f"+{_points(rung)}" if rung.extra else "healthy"


def smallest_words(found: Detection) -> str:
    """Return the smallest regression that is found, in a sentence or two."""
    rung = found.smallest
    if found.tells_nothing:
        return (
            "This analysis rolls back healthy versions, too "
            f"({percent(found.healthy.found.value)}), so it tells nothing about regressions."
        )
    if rung is None or rung.seconds is None or rung.hurt is None:
        return (
            f"No regression is found in {number(ALL * SURE)} % of the rollouts, not even that of "
            "a version that always fails."
        )
    took = since_start(timedelta(seconds=rung.seconds.median))
    points = _points(rung).replace("point", "percentage point")
    words = "always fails" if rung.always_fails else f"fails {points} more often than stable"
    share = rung.found
    return (
        f"A version that {words} is found in {percent(share.value)} of the rollouts "
        f"({share.count} of {share.of}; {interval_words(share)}). Those that are found are rolled "
        f"back after {took} and {amount(rung.hurt.median)} requests that go wrong (medians); in "
        f"one in twenty of them more than {amount(rung.hurt.p95)} go wrong."
    )


def assumed_words(found: Detection, spec: RolloutSpec) -> str:
    """Return what was taken for granted where versions were tried."""
    parts = [f"pods start in {format_duration(found.setup.pod_start)}"]
    asks = any(step.approval for step in spec.strategy.resolved_steps)
    if asks or spec.strategy.promotion == "Manual":
        after = found.scenario.approve_after
        never = "nobody approves"
        parts.append(never if after is None else f"approvals come after {format_duration(after)}")
    return f"Assumed: {', '.join(parts)}."


def only_latency_decides(spec: RolloutSpec) -> bool:
    """Whether no metric that decides can see that requests fail."""
    decides = [one for one in spec.analysis.metrics if one.compared and not one.dry_run]
    return bool(decides) and all(one.latency is not None for one in decides)


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
