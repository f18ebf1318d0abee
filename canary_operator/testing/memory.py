"""The engine's ports in memory, with a virtual clock and a switch that breaks any write."""

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from canary_operator.domain.counts import Count, Tracks, Traffic, View
from canary_operator.domain.errors import ConflictError, InvalidRolloutError, RouteMissingError
from canary_operator.domain.loans import DEPLOYMENT, FINALIZER
from canary_operator.domain.notices import Notice
from canary_operator.domain.readings import Readings
from canary_operator.domain.situation import RouteState
from canary_operator.domain.spec import Query, RolloutSpec
from canary_operator.domain.status import Verdict
from canary_operator.domain.target import RouteTarget
from canary_operator.engine.way_back import WayBack
from canary_operator.ports import Accepted, Key, Lender, Measure, Ports, Rollout
from canary_operator.testing.autoscalers import Autoscaler
from canary_operator.testing.metering import Meter
from canary_operator.testing.pods import Deployment
from canary_operator.testing.referenced import MemoryHandover, Referenced
from canary_operator.testing.sight import (
    ROLLOUT,
    ROUTE,
    TRACKS,
    Live,
    Sight,
)
from canary_operator.testing.workloads import Port, Workloads

START = datetime(2026, 1, 1, tzinfo=UTC)


class Killed(BaseException):
    """The operator dies here; nothing may catch it."""


@dataclass(slots=True)
class World:
    """One rollout and everything around it."""

    key: Key
    spec: dict[str, Any]
    now: datetime = START
    generation: int = 1
    version: int = 1
    status: dict[str, Any] = field(default_factory=dict)
    request: str | None = None
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    is_anchored: bool = False
    """Whether the rollout's objects stay while it is deleted, however that is done."""
    lenders: dict[str, Lender] = field(default_factory=dict)
    """Give back what the rollout borrowed, by kind of objects."""
    deployments: dict[str, Deployment] = field(default_factory=dict)
    autoscalers: dict[str, Autoscaler] = field(default_factory=dict)
    referenced: Referenced | None = None
    """What the pods are taken from; it moves with `deployments`."""
    services: bool = False
    route: RouteState = field(default_factory=RouteState)
    route_broken: str | None = None
    """What is wrong with a route that is somebody else's; None for nothing."""
    route_is_stuck: bool = False
    """Whether nobody is there, in a broken route, to take what the canary has."""
    route_finished: bool = True
    """Whether the router has nothing left to do by itself."""
    records: list[Accepted] = field(default_factory=list)
    verdict: Verdict = Verdict.PASS
    counted: Callable[[timedelta], Traffic] | None = None
    """Says what the proxies counted in so long; what leads to `verdict` where it is None."""
    measured: Callable[[Measure], Readings] | None = None
    """Says everything that a check reads; what follows from the two above where it is None."""
    rejected_queries: set[str] = field(default_factory=set)
    """Custom queries that Prometheus would not run."""
    broken: set[str] = field(default_factory=set)
    """Revisions whose pods never become available."""
    pod_start: timedelta = timedelta()
    """Time from a pod's creation until it is available."""
    most_pods: int = 0
    """Most pods that there were at the same time."""
    events: list[Notice] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    before_write: Callable[[str], None] = lambda _: None
    """Called with the name of each write before it is done; may raise."""
    after_write: Callable[[str], None] = lambda _: None
    """Called with the name of each write after it was done; may raise."""

    def traffic(self, length: timedelta) -> Traffic:
        """Return what the proxies counted in the last `length`."""
        if self.counted is not None:
            return self.counted(length)
        bad = {Verdict.PASS: 0, Verdict.FAIL: 50}
        if self.verdict not in bad:
            return {}
        canary = Count(requests=100, bad=bad[self.verdict])
        return {View.PODS: Tracks(stable=Count(requests=10_000), canary=canary)}

    def answer(self, query: Query) -> Sequence[float]:
        """Return what a custom query gives: a value within its limits, one beyond, or none."""
        if self.verdict is Verdict.INCONCLUSIVE:
            return ()
        limit = query.min if query.max is None else query.max
        beyond = -1 if query.max is None else 1
        return ((limit or 0) + (beyond if self.verdict is Verdict.FAIL else 0),)

    def clock(self) -> datetime:
        """Return the virtual time."""
        return self.now

    def edit(self, **changes: Any) -> None:
        """Apply a changed spec."""
        self.spec = {**self.spec, **changes}
        self.generation += 1
        self.version += 1

    def ask(self, request: str) -> None:
        """Set the request annotation."""
        self.request = request
        self.version += 1

    def refer(self, referenced: Referenced) -> None:
        """Have a Deployment of somebody else, which the spec may name."""
        self.referenced = referenced
        self.deployments["referenced"] = referenced.deployment

    def delete(self) -> None:
        """Delete the CanaryRollout; it goes when no finalizer is left."""
        self.deleting = True
        self.version += 1

    @property
    def is_gone(self) -> bool:
        """Whether the CanaryRollout was deleted and nothing keeps it any more."""
        return self.deleting and not self.finalizers

    def starts(self, revision: str) -> bool:
        """Whether pods of `revision` become available."""
        return revision not in self.broken

    def autoscale(self, track: str, pods: int) -> bool:
        """Let the autoscaler of a track, if it has one, ask for `pods`; return whether it did."""
        scaler, deployment = self.autoscalers.get(track), self.deployments.get(track)
        return bool(scaler and deployment and scaler.scale(deployment, pods))

    def keep_bounds(self) -> bool:
        """Let one autoscaler bring its Deployment within bounds; return whether one had to."""
        sizes = [(track, found.replicas) for track, found in self.deployments.items()]
        return any(self.autoscale(track, pods) for track, pods in sizes)

    def ports(self, sight: Sight | None = None) -> Ports:
        """Return ports onto this world.

        Args:
            sight: What the operator behind these ports has seen; None for all of it, at once.
        """
        seen = sight or Live(self)
        return Ports(
            rollouts=_Rollouts(self, seen),
            workloads=Workloads(self, seen),
            router=_Router(self, seen),
            metrics=Meter(self),
            events=_Events(self, seen),
            lenders=ChainMap(self.lenders, {DEPLOYMENT: WayBack(MemoryHandover(self), self.clock)}),
        )

    async def ask_server(self, name: str) -> None:
        """Ask the API server something that changes nothing, unless something breaks it."""
        self.before_write(name)

    async def write(self, name: str, change: Callable[[], None]) -> None:
        """Do a write, unless something breaks it."""
        self.before_write(name)
        change()
        self.writes.append(name)
        self.after_write(name)


class _Rollouts(Port):
    def get(self, key: Key) -> Rollout | None:  # noqa: ARG002
        if self.world.is_gone:
            return None
        sight = self.sight
        tracks, records = map(sight.track, TRACKS), sight.records()
        own = self.world.referenced
        theirs = (own.seen(), own.service_is_taken) if own is not None else None
        objects = (*tracks, sight.services(), sight.route(), *records, theirs)
        return replace(sight.rollout(), objects=objects)

    async def write_status(self, rollout: Rollout, patch: Mapping[str, Any]) -> None:
        def change() -> None:
            if rollout.resource_version != str(self.world.version):
                raise ConflictError("the rollout changed")
            self.world.status = _merged(self.world.status, patch)
            self.world.version += 1

        await self.world.write("status", change)
        self.sight.learned(ROLLOUT)

    async def remove_request(self, rollout: Rollout, value: str) -> None:  # noqa: ARG002
        def change() -> None:
            if self.world.request == value:
                self.world.request = None
                self.world.version += 1

        removes = self.world.request == value
        await self.world.write("request", change)
        if removes:
            self.sight.learned(ROLLOUT)

    async def guard(self, rollout: Rollout) -> None:
        await self._write_finalizers("guard", rollout, (*rollout.finalizers, FINALIZER))

    async def anchor(self, rollout: Rollout) -> None:  # noqa: ARG002
        await self.world.write("anchor", lambda: setattr(self.world, "is_anchored", True))
        self.sight.learned(ROLLOUT)

    async def release(self, rollout: Rollout) -> None:
        if self.world.is_anchored:
            gone = lambda: setattr(self.world, "is_anchored", False)  # noqa: E731
            await self.world.write("let objects go", gone)
        left = tuple(one for one in rollout.finalizers if one != FINALIZER)
        await self._write_finalizers("release", rollout, left)

    async def _write_finalizers(
        self, name: str, rollout: Rollout, finalizers: tuple[str, ...]
    ) -> None:
        def change() -> None:
            if rollout.resource_version != str(self.world.version):
                raise ConflictError("the rollout changed")
            self.world.finalizers = finalizers
            self.world.version += 1

        await self.world.write(name, change)
        self.sight.learned(ROLLOUT)


class _Router(Port):
    def state(self, rollout: Rollout, spec: RolloutSpec | None = None) -> RouteState:  # noqa: ARG002
        state = self.sight.route()
        return replace(state, broken=True) if self.world.route_broken else state

    async def claim(self, rollout: Rollout, spec: RolloutSpec) -> None:
        pass

    def contested(self, rollout: Rollout, spec: RolloutSpec) -> InvalidRolloutError | None:  # noqa: ARG002
        words = self.world.route_broken
        return RouteMissingError(words) if words else None

    async def set(self, rollout: Rollout, spec: RolloutSpec, target: RouteTarget) -> bool:
        problem = self.contested(rollout, spec)
        if problem is not None and target.weight > 0:
            raise problem
        stuck = problem is not None and self.world.route_is_stuck
        wanted = RouteState(
            exists=True,
            weight=self.world.route.weight if stuck else target.weight,
            rejected=target.rejected,
            rejected_because=target.rejected_because,
            hosts=frozenset(spec.traffic.istio.hosts if spec.traffic.istio else ()),
        )
        if not self.sight.route().exists:
            self.sight.learned(ROUTE)
        differs = wanted != self.sight.route()
        if differs:
            await self.world.write("route", lambda: setattr(self.world, "route", wanted))
            self.sight.learned(ROUTE)
        if problem is not None and stuck and wanted.weight:
            raise problem
        return differs

    def is_finished(self, rollout: Rollout) -> bool:  # noqa: ARG002
        return self.world.route_finished


class _Events(Port):
    def tell(self, rollout: Rollout, notice: Notice) -> None:  # noqa: ARG002
        self.world.events.append(notice)


def _merged(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Apply a JSON merge patch (RFC 7396)."""
    after = dict(before)
    for key, value in patch.items():
        if value is None:
            after.pop(key, None)
        elif isinstance(value, Mapping):
            old = after.get(key)
            after[key] = _merged(old if isinstance(old, Mapping) else {}, value)
        else:
            after[key] = value
    return after
