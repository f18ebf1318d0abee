"""What the engine needs from the outside, in the engine's own words.

Reads come from caches that watches keep fresh, so they are plain functions and cost no request.
Writes are coroutines; each sends nothing when the world already looks as asked, may be repeated
after a crash, and raises only errors of `domain.errors`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from canary_operator.domain.errors import InvalidRolloutError
from canary_operator.domain.loans import FINALIZER, Loan
from canary_operator.domain.looks import Stretch
from canary_operator.domain.notices import Notice
from canary_operator.domain.readings import Readings
from canary_operator.domain.situation import RouteState, TrackState
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.target import Bounds, ReferenceTarget, RouteTarget, TrackTarget
from canary_operator.domain.workload import Reference, Template


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which CanaryRollout."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Rollout:
    """A CanaryRollout as last seen."""

    key: Key
    uid: str
    resource_version: str
    """What a status write is conditional on."""
    generation: int
    spec: Mapping[str, Any]
    """As the user wrote it."""
    status: Mapping[str, Any] = field(default_factory=dict)
    request: str | None = None
    """Value of the request annotation."""
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    """What keeps it when it is deleted, ours and those of others."""
    created: str = ""
    """When it was made, as Kubernetes writes it."""
    anchor: str | None = None
    """uid of what its objects stay with while it is deleted; None where there is no such thing."""
    objects: object = None
    """Equal to what it was before while none of the rollout's own objects was seen to change; None
    where nobody can tell."""

    @property
    def is_guarded(self) -> bool:
        """Whether it stays, when it is deleted, until its loans were given back."""
        return FINALIZER in self.finalizers


@dataclass(frozen=True, slots=True)
class Accepted:
    """The record of an accepted spec: what a revision is rebuilt from."""

    revision: str
    template: Mapping[str, Any]
    settings: Mapping[str, Any]
    """The spec without `template`, `replicas` and `paused`, as the user wrote it."""
    number: int
    """Grows with each acceptance; the highest one is the spec in force."""


class Rollouts(Protocol):
    """The CanaryRollouts themselves."""

    def get(self, key: Key) -> Rollout | None:
        """Return the rollout as last seen; None when it is gone."""
        ...

    async def write_status(self, rollout: Rollout, patch: Mapping[str, Any]) -> None:
        """Merge `patch` into the status, if the rollout is still as `rollout` says.

        Raises:
            ConflictError: somebody changed the object since; the decision is void.
            UnavailableError: the API server did not take it; worth a retry.
        """
        ...

    async def remove_request(self, rollout: Rollout, value: str) -> None:
        """Remove the request annotation, if it still has `value`; else do nothing."""
        ...

    async def guard(self, rollout: Rollout) -> None:
        """Keep the rollout, when it is deleted, until `release`.

        Raises:
            ConflictError, ForbiddenError, UnavailableError.
        """
        ...

    async def anchor(self, rollout: Rollout) -> None:
        """Keep the objects of the rollout, too, until `release`, however it is deleted.

        Raises:
            ForbiddenError, UnavailableError.
        """
        ...

    async def release(self, rollout: Rollout) -> None:
        """Let the rollout go when it is deleted, with its objects: all was given back.

        Raises:
            ConflictError, ForbiddenError, UnavailableError.
        """
        ...


class Workloads(Protocol):
    """Deployments, their autoscalers, Services, and the records of what they are built from."""

    def track(self, rollout: Rollout, track: str) -> TrackState:
        """Return the Deployment of track `stable` or `canary` and its pods, as last seen."""
        ...

    def records(self, rollout: Rollout) -> Sequence[Accepted]:
        """Return what was accepted, newest first."""
        ...

    def reference(self, rollout: Rollout, name: str) -> Reference | None:
        """Return a Deployment that the pods are taken from; None where none is followed."""
        ...

    async def look_up(self, rollout: Rollout, name: str) -> None:
        """See whether the pods can be taken from a Deployment, and change nothing.

        Raises:
            WorkloadNotFoundError, NameConflictError, UnavailableError.
        """
        ...

    async def follow(self, rollout: Rollout, name: str) -> Reference:
        """Have a Deployment followed that the pods are to be taken from, and return it.

        Raises:
            WorkloadNotFoundError, NameConflictError, DriftConflictError, UnavailableError.
        """
        ...

    async def means(self, rollout: Rollout, recorded: Template, seen: Template) -> bool:
        """Ask the API server whether `seen` is what it makes of what was `recorded`."""
        ...

    async def ensure_reference(self, rollout: Rollout, target: ReferenceTarget) -> bool:
        """Scale the Deployment that the pods are taken from to zero."""
        ...

    def selected_by(self, rollout: Rollout) -> Mapping[str, str]:
        """Return labels that pods need, as a Service that was taken over selects by them."""
        ...

    async def try_out(self, rollout: Rollout, template: Mapping[str, Any]) -> None:
        """Ask the API server whether it would take a Deployment with `template`; change nothing.

        Raises:
            InvalidTemplateError: it would not; the message is the server's.
        """
        ...

    async def try_autoscaler(self, rollout: Rollout, spec: RolloutSpec) -> None:
        """Ask the API server whether it takes the autoscalers of `spec`, if any; change nothing.

        Raises:
            InvalidSpecError: it would not; the message is the server's.
        """
        ...

    async def remember(self, rollout: Rollout, accepted: Accepted) -> None:
        """Record what was accepted: new, or other settings or a higher number of a known one.

        Raises:
            NameConflictError: a foreign object has the record's name.
        """
        ...

    async def restore(self, rollout: Rollout, revisions: Collection[str]) -> bool:
        """Bring back records that somebody deleted; return whether there were any."""
        ...

    async def forget(self, rollout: Rollout, revisions: Sequence[str]) -> None:
        """Remove records that nothing needs any more."""
        ...

    async def ensure_track(
        self, rollout: Rollout, track: str, target: TrackTarget, template: Mapping[str, Any]
    ) -> bool:
        """Make the Deployment of `track` run `target`; return whether something was written.

        Where its autoscaler has the word, the number of pods stays as it is.

        Raises:
            InvalidTemplateError, NameConflictError, DriftConflictError, ForbiddenError,
            UnavailableError.
        """
        ...

    async def ensure_autoscaler(
        self, rollout: Rollout, track: str, bounds: Bounds | None, spec: RolloutSpec
    ) -> bool:
        """Give the Deployment of `track` an autoscaler, or take it away where `bounds` is None.

        Returns:
            Whether something was written.

        Raises:
            InvalidSpecError, NameConflictError, DriftConflictError, ForbiddenError,
            UnavailableError.
        """
        ...

    async def ensure_services(
        self, rollout: Rollout, spec: RolloutSpec, *, takes_over: bool = True
    ) -> bool:
        """Make the Services look as `spec.service` says, but one that is the router's object.

        One that the user gave leads to stable only where the rollout now `takes_over`.

        Raises:
            NameConflictError: a Service is not the rollout's, or was given and does not fit.
        """
        ...


class TrafficRouter(Protocol):
    """Whatever splits requests between stable and canary."""

    def state(self, rollout: Rollout, spec: RolloutSpec | None = None) -> RouteState:
        """Return what the router was told, as last seen.

        Args:
            rollout: Whose route it is.
            spec: Its spec in force, which says whom the canary is for; None where no weight is
                asked about.
        """
        ...

    async def claim(self, rollout: Rollout, spec: RolloutSpec) -> None:
        """Check, before a spec is accepted, that nobody else routes its hosts.

        Raises:
            HostConflictError: another object claims a host on the same gateway.
            RouteMissingError: somebody else's object is to be split and cannot be.
        """
        ...

    def contested(self, rollout: Rollout, spec: RolloutSpec) -> InvalidRolloutError | None:
        """Return what of the spec in force the router cannot follow now, if anything.

        A host may be left to another rollout, as two may have been accepted at the same moment, or
        somebody else's object may have changed. `set` leaves it out, and the rollout is woken when
        it may have it.
        """
        ...

    async def set(self, rollout: Rollout, spec: RolloutSpec, target: RouteTarget) -> bool:
        """Give the canary the weight of `target`; return whether something was written.

        Raises:
            RouterUnavailableError: the router's API is not installed.
            NameConflictError, DriftConflictError, ForbiddenError, UnavailableError.
        """
        ...

    def is_finished(self, rollout: Rollout) -> bool:
        """Whether the last `set` did all of it; else it goes on by itself and is to be repeated.

        The rollout is woken when there is more to do.
        """
        ...


class Lender(Protocol):
    """Gives back what rollouts borrowed, of one kind of objects."""

    async def give_back(self, rollout: Rollout, loan: Loan, kept: Collection[Loan] = ()) -> bool:
        """Set the object of a loan back; return whether something was written.

        What the object has for the loans that are `kept`, too, stays.

        An object that is gone has nothing to be set back. `rollout` may be about to be deleted, and
        is the only one of all writes that is done for it then.

        Raises:
            InvalidRolloutError, SurroundingsError: it is to be tried again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Measure:
    """One check to be made: everything that a source of measurements must know."""

    key: Key
    spec: RolloutSpec
    about: Stretch
    """When the check is, and how far it looks back."""


class MetricsSource(Protocol):
    """Knows how both versions behave."""

    async def read(self, measures: Sequence[Measure]) -> Mapping[Key, Readings]:
        """Return what was measured for each of the rollouts.

        Never raises for a source that is down, slow or talks nonsense: then something is Missing.
        """
        ...

    async def try_out(self, key: Key, spec: RolloutSpec) -> None:
        """Ask whether the custom queries of a new spec can be run; takes a moment at most.

        A source that cannot be asked says nothing against a spec.

        Raises:
            InvalidSpecError: a query is rejected; the message is the source's, with the position.
        """
        ...


class EventSink(Protocol):
    """Tells people."""

    def tell(self, rollout: Rollout, notice: Notice) -> None:
        """Publish an Event, some time soon; equal ones are counted, not repeated."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything the engine talks to."""

    rollouts: Rollouts
    workloads: Workloads
    router: TrafficRouter
    metrics: MetricsSource
    events: EventSink
    lenders: Mapping[str, Lender] = field(default_factory=dict)
    """By the kind of objects that they know."""
