"""Everything a decision may look at, as frozen data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from canary_operator.domain.foreign_text import LONGEST_MESSAGE, one_line
from canary_operator.domain.phase import UNDER_WAY
from canary_operator.domain.readings import Readings
from canary_operator.domain.reasons import Reason
from canary_operator.domain.requests import Request
from canary_operator.domain.spec import RolloutSpec, Step
from canary_operator.domain.split import Split, split_of, steps_of
from canary_operator.domain.status import Attempt, RolloutStatus
from canary_operator.domain.workload import Reference


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator's command line says about every rollout."""

    scrape_interval: timedelta = timedelta(seconds=15)
    """How often Prometheus reads the proxies."""
    cluster_domain: str = "cluster.local"
    allowed_hosts: tuple[str, ...] | None = ()
    """Patterns `[namespace/]host` of hosts, beside its own Service, that a rollout may claim; None
    where no cluster is touched and nobody knows the list."""
    custom_queries: tuple[str, ...] | None = None
    """Namespaces whose rollouts may use `query`; None allows all."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the wish cannot be followed as it stands, in words for the user."""

    reason: Reason
    message: str
    heals: bool = False
    """Whether it may go away without an edit of the CanaryRollout, so that we try again."""

    @classmethod
    def quoted(cls, reason: Reason, message: str, *, heals: bool) -> Self:
        """Return a problem whose message may quote anything, made fit for the status."""
        return cls(reason, one_line(message, LONGEST_MESSAGE), heals)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The spec in force: the newest one, or, where that has a problem, the last accepted one."""

    revision: str
    spec: RolloutSpec


SECOND_AUTOSCALER = (
    "another autoscaler counts the same pods, so Kubernetes lets neither act; delete that one"
)


@dataclass(frozen=True, slots=True)
class ScalerState:
    """The autoscaler of one Deployment, as last seen."""

    least: int
    """Pods below which it does not go: its floor."""
    most: int
    """Pods beyond which it does not go."""
    desired: int = 0
    """Pods that it asked for last; 0 before it decided anything."""
    ambiguous: bool = False
    """Whether another autoscaler counts the same pods, so that Kubernetes lets neither act."""


@dataclass(frozen=True, slots=True)
class TrackState:
    """One Deployment and its pods, as last seen."""

    exists: bool = False
    revision: str | None = None
    """Revision of the template that was last applied."""
    replicas: int = 0
    """Pods asked for."""
    scaler: ScalerState | None = None
    """The autoscaler that we gave it."""
    current: bool = False
    """Whether the counts below speak of what was last applied."""
    pods: int = 0
    updated: int = 0
    """Pods of the template that was last applied."""
    ready: int = 0
    available: int = 0
    trouble: str | None = None
    """What keeps a pod from being available, where the pods say so."""

    @property
    def hindrance(self) -> str | None:
        """What keeps pods from being there: a pod's trouble, or that of their autoscaler."""
        stopped = self.scaler is not None and self.scaler.ambiguous
        return self.trouble or (SECOND_AUTOSCALER if stopped else None)

    @property
    def asked(self) -> int:
        """Pods that the rollout asked for: those of an autoscaler beyond its floor are its own."""
        return self.replicas if self.scaler is None else self.scaler.least

    def available_of(self, revision: str | None) -> int | None:
        """Return how many pods of `revision` are available at least; None while unknown.

        While old pods are still there, each of them may be among the available ones.
        """
        if not self.exists or self.revision != revision:
            return 0
        if not self.current:
            return None
        return max(0, min(self.updated, self.available - (self.pods - self.updated)))

    def runs_only(self, revision: str | None) -> bool:
        """Whether every pod that is left is of `revision`."""
        return self.revision == revision and self.current and self.pods == self.updated

    def serves(self, revision: str | None, replicas: int) -> bool:
        """Whether `replicas` pods of `revision` are available and no other pod is left."""
        return self.runs_only(revision) and self.updated >= replicas and self.available >= replicas


@dataclass(frozen=True, slots=True)
class RouteState:
    """What the traffic router says now."""

    exists: bool = False
    weight: int | None = None
    """Share of the canary in percent; None when it cannot be read from the router's object."""
    rejected: str | None = None
    """Revision that a rollback took the traffic from: the mark that outlives a crash."""
    rejected_because: Reason | None = None
    broken: bool = False
    """Whether it is somebody else's and not what the spec needs, so that no weight can be given."""
    hosts: frozenset[str] = field(default=frozenset(), compare=False)
    """Full names of what is routed; no decision depends on it, only what may go on."""

    @property
    def share_is_astray(self) -> bool:
        """Whether it gives the canary requests, and perhaps nobody can take them away."""
        return self.broken and (self.weight or 0) > 0

    @property
    def can_be_raised(self) -> bool:
        """Whether it is there and can be told any weight."""
        return self.exists and not self.broken


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check read, and which situation it was made for."""

    readings: Readings
    revision: str
    weight_applied_at: datetime
    """Identifies the stay at a weight that was measured; a result of another stay is dropped."""
    before: "CheckResult | None" = None
    """An earlier one of the same stay that could not be recorded."""

    @property
    def at(self) -> datetime:
        """The end of what was measured."""
        return self.readings.at

    @property
    def series(self) -> tuple["CheckResult", ...]:
        """All that could not be recorded, oldest first, and this one."""
        found, earlier = [self], self.before
        while earlier is not None:
            found.append(earlier)
            earlier = earlier.before
        return tuple(reversed(found))


@dataclass(frozen=True, slots=True)
class Situation:
    """One rollout at one moment."""

    now: datetime
    name: str
    generation: int
    status: RolloutStatus
    wanted: Wanted | None
    """None when no spec was ever accepted."""
    asked: str | None = None
    """Revision of a newer spec that is not followed yet; None where the newest one is."""
    problem: Problem | None = None
    """Why the newest spec is not followed, or why the surroundings do not let us."""
    request: Request | None = None
    stable: TrackState = field(default_factory=TrackState)
    canary: TrackState = field(default_factory=TrackState)
    route: RouteState = field(default_factory=RouteState)
    reference: Reference | None = None
    """The Deployment of `spec.workloadRef`; None where there is none."""
    service_selector: Mapping[str, str] = field(default_factory=dict)
    """What a Service that was taken over selects by itself; empty where none was."""
    of_reference: frozenset[str] = frozenset()
    """Recorded revisions whose pods were taken from that Deployment."""
    check: CheckResult | None = None
    checked: int = 1
    """Rollouts that this operator checks now, as far as it knows; many are looked at in turn."""
    settings: Settings = field(default_factory=Settings)

    @property
    def spec(self) -> RolloutSpec:
        """The spec in force.

        Raises:
            ValueError: no spec was ever accepted; no rule may ask then.
        """
        if self.wanted is None:
            raise ValueError("no spec was ever accepted, so there is nothing to decide")
        return self.wanted.spec

    @property
    def wanted_revision(self) -> str | None:
        """The revision to get to; None when no spec was ever accepted.

        Where a newer spec asks for what was rejected, nothing else is tried until that spec is
        followed: what was wanted in between would end the rejection.
        """
        rejected = self.status.rejected_revision
        if rejected is not None and self.asked == rejected:
            return rejected
        return self.wanted.revision if self.wanted else None

    @property
    def split(self) -> Split:
        """What weights mean in pods."""
        return split_of(self.spec, full_load(self))

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the spec in force, with the shares that they come out at."""
        return steps_of(self.spec)

    @property
    def attempt(self) -> Attempt:
        """Bookkeeping of the rollout under way; an empty one where there is none."""
        return self.status.attempt or Attempt(started_at=self.now)

    @property
    def takes_place(self) -> bool:
        """Whether stable serves, or comes up to serve, in the place of the Deployment of the spec.

        It does not where that was named later and stable still runs pods that come from elsewhere.
        """
        return self.reference is not None and self.status.stable_revision in self.of_reference

    @property
    def weight(self) -> int:
        """Share of requests that the router was told, in percent."""
        return self.status.weight or 0

    @property
    def gets_requests(self) -> bool:
        """Whether the canary's pods are sent requests, by what is recorded or by what is routed."""
        return self.weight > 0 or (self.route.weight or 0) > 0

    @property
    def canary_available(self) -> int | None:
        """Available pods of the canary revision at least; None while unknown."""
        return self.canary.available_of(self.status.canary_revision)


def full_load(at: Situation) -> int:
    """Return the pods for all requests: `replicas`, or what autoscalers showed to be needed.

    While the canary gets nothing, stable's autoscaler shows it.
    """
    scaling = at.spec.autoscaling
    if scaling is None:
        return at.spec.replicas
    recorded = at.status.full_load if at.status.phase in UNDER_WAY else None
    shown = at.stable.replicas if at.weight == 0 or recorded is None else 0
    return min(max(scaling.min_replicas, recorded or 0, shown), scaling.max_replicas)
