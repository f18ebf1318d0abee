"""How stable's failures clump: what an A/A test over its past says.

Two halves of the same version differ by chance alone. Where failures come one by one, the number
of them in one half is binomial; where they come in clumps of φ, its variance is about φ times
that. The bets of `bets.py` are weakened by that factor, so that a clump is not taken for harm.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, TypeVar

from canary_operator.domain.bets import Window
from canary_operator.domain.counts import Buckets, Count
from canary_operator.domain.latency import slower_than

WINDOWS = 60
"""Windows of the past that are looked at."""

BLOCKS: tuple[int, ...] = (1, 3, 6)
"""Windows that are put together: clumps may be longer than one window."""

PRIOR_WINDOWS = 20
"""Weight of the assumption that failures do not clump, in windows."""

LARGEST = 999.0

Pods: TypeAlias = Mapping[str, tuple[float, float]]
"""Requests and bad ones of each pod in one window."""

_Counted = TypeVar("_Counted")


def clumping_of(past: Sequence[Pods]) -> float:
    """Return φ, at least 1: how many times the variance of single failures was seen.

    Args:
        past: Consecutive windows of one version before the rollout.

    Returns:
        The largest ratio over blocks of 1, 3 and 6 windows, drawn towards 1 where little was seen.
    """
    halves = _halves(past)
    return min(LARGEST, max([1.0, *(_ratio(halves, block) for block in BLOCKS)]))


def failures(past: Sequence[Mapping[str, Count]]) -> list[Pods]:
    """Return requests and failed ones of each pod."""
    return _each(past, lambda count: (count.requests, count.bad))


def slow_requests(past: Sequence[Mapping[str, Buckets]], milliseconds: float) -> list[Pods]:
    """Return requests and slow ones of each pod."""

    def counted(buckets: Buckets) -> tuple[float, float]:
        slow = slower_than(buckets, milliseconds)
        return (slow.requests, slow.bad) if slow else (0.0, 0.0)

    return _each(past, counted)


def _each(
    past: Sequence[Mapping[str, _Counted]], counted: Callable[[_Counted], tuple[float, float]]
) -> list[Pods]:
    return [{pod: counted(found) for pod, found in window.items()} for window in past]


def _halves(past: Sequence[Pods]) -> list[Window]:
    """Return two halves of the pods in the same windows, or else neighbouring windows."""
    names = sorted({name for window in past for name in window})
    if len(names) > 1:
        first = frozenset(names[::2])
        return [_split(window, first) for window in past]
    totals = [_total(window.values()) for window in past]
    pairs = zip(totals[::2], totals[1::2], strict=False)
    return [Window(*one, *other) for one, other in pairs]


def _split(window: Pods, first: frozenset[str]) -> Window:
    one = _total(counts for name, counts in window.items() if name in first)
    other = _total(counts for name, counts in window.items() if name not in first)
    return Window(*one, *other)


def _total(counts: Iterable[tuple[float, float]]) -> tuple[float, float]:
    requests, bad = 0.0, 0.0
    for each_requests, each_bad in counts:
        requests, bad = requests + each_requests, bad + each_bad
    return requests, bad


def _ratio(halves: Sequence[Window], block: int) -> float:
    """Return observed through binomial variance of one half's failures, drawn towards 1."""
    joined = [_joined(halves[at : at + block]) for at in range(0, len(halves), block)]
    telling = [window for window in joined if window.tells and _bad(window) > 0]
    expected = sum(map(_binomial_variance, telling))
    if expected <= 0:
        return 1.0
    ratio = sum(map(_square_error, telling)) / expected
    seen = len(telling) * block
    return (PRIOR_WINDOWS + seen * ratio) / (PRIOR_WINDOWS + seen)


def _joined(windows: Sequence[Window]) -> Window:
    return Window(
        sum(window.canary_requests for window in windows),
        sum(window.canary_bad for window in windows),
        sum(window.stable_requests for window in windows),
        sum(window.stable_bad for window in windows),
    )


def _bad(window: Window) -> float:
    return window.canary_bad + window.stable_bad


def _share(window: Window) -> float:
    return window.canary_requests / (window.canary_requests + window.stable_requests)


def _binomial_variance(window: Window) -> float:
    share = _share(window)
    return _bad(window) * share * (1 - share)


def _square_error(window: Window) -> float:
    return (window.canary_bad - _bad(window) * _share(window)) ** 2
