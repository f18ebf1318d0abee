"""What happened in one rollout that was played."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias

from canary_operator.domain.phase import Phase
from canary_operator.domain.status import Judgement, Verdict
from canary_operator.plugin.offline.simulation.scenario import Event, Scenario
from canary_operator.plugin.offline.simulation.setup import Setup


class Ending(StrEnum):
    """How a rollout ended."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"
    WAITING = "waiting"
    """It does not go on by itself: a person, the spec or an outage stops it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The phase or the weight changed."""

    at: timedelta
    """Since the rollout began, as all times here."""
    phase: Phase
    weight: int
    """Share of requests for the canary, in percent."""
    step: int | None
    """Index of the present step, from 0."""
    canary_pods: int
    """Available pods of the canary."""
    pods: int
    """All pods of both tracks."""
    reason: str = ""
    """Why, where it is not the usual way up."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of all metrics."""

    at: timedelta
    """When it was made; its windows end at the slot before."""
    weight: int
    """Share of requests that the canary had, in percent."""
    verdict: Verdict
    metrics: tuple[Judgement, ...]
    failed_checks: int
    """Of the rollout, with this one."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Something of the scenario begins."""

    at: timedelta
    event: Event


@dataclass(frozen=True, slots=True)
class Over:
    """Something of the scenario is over."""

    at: timedelta
    event: Event


@dataclass(frozen=True, slots=True)
class Approved:
    """A person approves a step."""

    at: timedelta


@dataclass(frozen=True, slots=True)
class Told:
    """The operator tells something that nothing else here shows."""

    at: timedelta
    reason: str
    message: str


Entry: TypeAlias = Turn | Check | Begun | Over | Approved | Told


@dataclass(frozen=True, slots=True)
class Hurt:
    """What the new version did to its callers, counted by the proxies, not by checks."""

    requests: int
    """All requests that it got, with those whose callers gave up."""
    failed: int
    """Those that failed, or were given up."""
    slow: int | None = None
    """Those that took longer than the first latency metric allows; None without one."""


@dataclass(frozen=True, slots=True)
class End:
    """How it ended."""

    ending: Ending
    reason: str
    """In the operator's words, such as `AnalysisFailed`."""
    message: str
    took: timedelta
    """From the start until the canary was promoted or had lost its traffic, or until it waited."""
    max_weight: int
    """Highest weight that the canary had, in percent."""
    hurt: Hurt


@dataclass(frozen=True, slots=True)
class Timeline:
    """One rollout."""

    setup: Setup
    """What was played; events have the steps that there are."""
    revision: str
    """Of the canary."""
    steps: tuple[int, ...]
    """Weights of the steps, in percent."""
    failure_limit: int
    seed: int
    end: End
    entries: tuple[Entry, ...] = ()
    assumed: Mapping[str, float] = field(default_factory=dict)
    """Answers of custom queries that nobody gave, by the name of their metric."""
    uncounted: str = ""
    """Protocol of the service where Istio does not count its requests; else empty."""
    timed: bool = False
    """Whether it matters how long requests take."""
    most_pods: int = 0
    """Most pods of both tracks at the same time."""

    @property
    def namespace(self) -> str:
        """Of the rollout."""
        return self.setup.namespace

    @property
    def name(self) -> str:
        """Of the rollout."""
        return self.setup.name

    @property
    def scenario(self) -> Scenario:
        """What happened meanwhile."""
        return self.setup.scenario

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks, in their order."""
        return tuple(entry for entry in self.entries if isinstance(entry, Check))

    @property
    def verdicts(self) -> tuple[tuple[int, Verdict], ...]:
        """The weight, in percent, and the verdict of each check, in their order."""
        return tuple((check.weight, check.verdict) for check in self.checks)

    @property
    def weights(self) -> tuple[tuple[timedelta, int], ...]:
        """When the weight changed, and to how many percent; begins with 0 at the start."""
        found = [(timedelta(), 0)]
        for entry in self.entries:
            if isinstance(entry, Turn) and entry.weight != found[-1][1]:
                found.append((entry.at, entry.weight))
        return tuple(found)
