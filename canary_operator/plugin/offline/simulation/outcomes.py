"""How often rollouts ended in which way, how long they took, and how many callers they hurt."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, sqrt

from canary_operator.domain.bounds import Z95
from canary_operator.plugin.offline.simulation.timeline import End, Ending


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some runs, and what that says of all that there could be."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """The share itself, 0 to 1."""
        return self.count / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval, 0 to 1.

        Example:
            >>> low, high = Share(0, 1000).interval
            >>> round(100 * low, 3), round(100 * high, 3)
            (0.0, 0.383)
        """
        if not self.of:
            return 0.0, 1.0
        rate, square = self.value, Z95**2 / self.of
        middle = rate + square / 2
        spread = Z95 * sqrt(rate * (1 - rate) / self.of + square / (4 * self.of))
        low, high = (middle - spread) / (1 + square), (middle + spread) / (1 + square)
        return (0.0 if not self.count else low), (1.0 if self.count == self.of else high)


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of some numbers, and what only one of twenty exceeds."""

    median: float
    p95: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return that of some numbers; there has to be one."""
        ordered = sorted(values)
        return cls(quantile(ordered, 0.5), quantile(ordered, 0.95))


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that ended in the same way, for the same reason."""

    ending: Ending
    reason: str
    share: Share
    seconds: Spread
    hurt: Spread
    """Requests that failed, or were given up, with the new version."""
    example: int
    """Seed of one of them."""


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of numbers in their order, interpolated between neighbours.

    Example:
        >>> quantile([1, 2, 3, 10], 0.5)
        2.5
    """
    place = share * (len(ordered) - 1)
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def groups_of(ends: Sequence[End], seeds: Sequence[int]) -> tuple[Group, ...]:
    """Return the ways in which runs ended: by ending, the most frequent reason first."""
    found: dict[tuple[Ending, str], list[End]] = defaultdict(list)
    examples: dict[tuple[Ending, str], int] = {}
    for end, seed in zip(ends, seeds, strict=True):
        found[end.ending, end.reason].append(end)
        examples.setdefault((end.ending, end.reason), seed)
    total = len(ends)
    groups = [
        Group(
            ending=ending,
            reason=reason,
            share=Share(len(members), total),
            seconds=Spread.of([end.took.total_seconds() for end in members]),
            hurt=Spread.of([float(end.hurt.failed) for end in members]),
            example=examples[ending, reason],
        )
        for (ending, reason), members in found.items()
    ]
    order = [*Ending]
    return tuple(sorted(groups, key=lambda one: (order.index(one.ending), -one.share.count)))


def share_of(ends: Sequence[End], ending: Ending) -> Share:
    """Return how many runs ended in one way."""
    return Share(sum(end.ending is ending for end in ends), len(ends))
