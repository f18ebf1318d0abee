"""What an invariant may look at: a write, the world around it, and what truly happened before."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from canary_operator.domain.revision import revision_of
from canary_operator.domain.situation import RouteState, TrackState
from canary_operator.domain.status import Attempt, RolloutStatus, Verdict
from canary_operator.ports import Accepted, Rollout

ACCEPTING = frozenset({"dry run", "record"})
"""Writes of a tick before it decides: a new spec is accepted."""

Trial = tuple[str | None, datetime | None]
"""One rollout of one revision: the same revision may be tried again."""


Wait = tuple[Trial, datetime | None]
"""One stay of a trial at its last weight."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The world, as it is at one moment."""

    status: RolloutStatus
    route: RouteState
    stable: TrackState
    canary: TrackState

    @property
    def attempt(self) -> Attempt | None:
        return self.status.attempt

    @property
    def trial(self) -> Trial:
        started = self.attempt.started_at if self.attempt else None
        return self.status.canary_revision, started

    @property
    def stay(self) -> Wait:
        return self.trial, self.status.weight_applied_at


@dataclass(frozen=True, slots=True)
class Seen:
    """What the operator's caches showed when it decided."""

    rollout: Rollout
    route: RouteState
    stable: TrackState
    canary: TrackState
    records: tuple[Accepted, ...]
    """Newest first."""

    @property
    def accepted(self) -> bool:
        """Whether the newest spec is in force: its record is the newest one."""
        if not self.records:
            return False
        raw, newest = self.rollout.spec, self.records[0]
        settings = {k: v for k, v in raw.items() if k not in {"template", "replicas", "paused"}}
        return (newest.revision, newest.settings) == (revision_of(raw["template"]), settings)

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The steps of the spec in force; without a mesh with the shares that pods give."""
        steps: list[dict[str, Any]] = self.records[0].settings["strategy"]["steps"]
        if not self.pods_are_traffic:
            return steps
        pods = [pods_of_share(self.replicas, step["weight"]) for step in steps]
        return [
            {**step, "weight": share_of_pods(self.replicas, count)}
            for step, count in zip(steps, pods, strict=True)
        ]

    @property
    def promoted_by_hand(self) -> bool:
        """Whether the spec in force gives the last word to a person."""
        return bool(self.records[0].settings["strategy"].get("promotion") == "Manual")

    @property
    def pods_are_traffic(self) -> bool:
        """Whether the spec in force splits requests by the number of pods."""
        return bool(self.records) and "replicas" in self.records[0].settings.get("traffic", {})

    @property
    def scaling(self) -> dict[str, Any] | None:
        """The bounds of autoscalers, by the spec in force."""
        return self.records[0].settings.get("autoscaling") if self.records else None

    @property
    def replicas(self) -> int:
        """Pods for the full load, by the spec in force; with autoscalers the fewest of stable."""
        if self.scaling is not None:
            least: int = self.scaling["minReplicas"]
            return least
        wish: int = self.rollout.spec["replicas"]
        return wish if self.accepted or not self.stable.exists else self.stable.replicas


def pods_of_share(replicas: int, weight: int) -> int:
    """The fewest canary pods, at least one, that make `weight` percent of all."""
    pods = 1
    while 100 * pods < weight * (replicas + pods):
        pods += 1
    return pods


def share_of_pods(replicas: int, pods: int) -> int:
    """What so many canary pods get beside stable's, rounded down to a whole percent."""
    return 100 * pods // (replicas + pods) if pods else 0


@dataclass(slots=True)
class Facts:
    """What truly happened, whatever the operator made of it."""

    verdicts: dict[datetime, Verdict] = field(default_factory=dict)
    """What was measured, by the moment that it speaks of."""
    failed: dict[Trial, set[datetime]] = field(default_factory=dict)
    """Checks of each trial that failed."""
    earned: dict[Trial, int] = field(default_factory=dict)
    """Highest weight that each trial reached as it should."""
    baseline: dict[Trial, int] = field(default_factory=dict)
    """Pods that stable was seen to have when each trial began."""
    rejected: set[str] = field(default_factory=set)
    """Revisions that were rolled back since the last request to retry, or the last new template."""
    marked_in: Trial | None = None
    """Trial during which the router's object got the mark that it has."""
    waiting: set[Wait] = field(default_factory=set)
    """Stays after which a person has the word on the promotion, and nothing has failed since."""
    asked: set[str] = field(default_factory=set)
    """Every request that a person ever made."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write of the operator, just done."""

    name: str
    now: datetime
    before: Moment
    after: Moment
    seen: Seen
    tried: tuple[str, ...]
    """Writes that the same tick tried, in order, with this one; those of accepting a spec are no
    part of what was decided."""
    done: tuple[str, ...]
    """Those of them that were done before."""
    facts: Facts

    def full_load(self, trial: Trial) -> int:
        """Return the pods that all requests take; more may be known of it."""
        scaling = self.seen.scaling
        if scaling is None:
            return self.seen.replicas
        known = max(scaling["minReplicas"], self.facts.baseline.get(trial, 0))
        return min(known, int(scaling["maxReplicas"]))
