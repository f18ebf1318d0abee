"""What was seen of a rollout since somebody looks: one value for each check of each metric."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from canary_operator.domain.status import Judgement, RolloutStatus, Verdict

LONGEST = 200
"""Checks that are remembered for each metric."""

_NUMBER = re.compile(r"-?[0-9][0-9,]*(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Point:
    """One check of one metric."""

    at: datetime
    value: float | None
    """As the judgement has it, without the unit; None where nothing could be measured."""
    verdict: Verdict
    weight: int
    """Weight of the canary, in percent, when the check was seen."""


@dataclass(slots=True)
class Trail:
    """Points of one rollout, oldest first; another revision starts anew."""

    revision: str | None = None
    points: dict[str, list[Point]] = field(default_factory=dict)

    def add(self, status: RolloutStatus) -> None:
        """Take in what a status says of its latest check."""
        revision = status.canary_revision
        if revision and revision != self.revision:
            self.revision, self.points = revision, {}
        for judgement in status.metrics:
            point = _point(judgement, status.weight or 0)
            known = self.points.setdefault(judgement.name, [])
            if point is not None and (not known or known[-1].at < point.at):
                known.append(point)
                del known[:-LONGEST]

    def of(self, metric: str) -> tuple[Point, ...]:
        """Return the points of one metric."""
        return tuple(self.points.get(metric, ()))


def _point(judgement: Judgement, weight: int) -> Point | None:
    if judgement.measured_at is None:
        return None
    return Point(judgement.measured_at, value_of(judgement), judgement.verdict, weight)


def value_of(judgement: Judgement) -> float | None:
    """Return the number in a value such as `99.95 %` or `1,203 ms`; None where there is none."""
    found = _NUMBER.search(judgement.value or "")
    return float(found.group().replace(",", "")) if found else None
