"""A decision is carried out: what order, and what happens when a write fails.

Raising is recorded before it is done, lowering is done before it is recorded. Nothing that fails
on the way keeps traffic on a canary: the router is told first, whatever comes after.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from canary_operator.domain.decide import Decision
from canary_operator.domain.errors import InvalidRolloutError, SurroundingsError
from canary_operator.domain.missed import what_is_left
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import Situation
from canary_operator.domain.status import RolloutStatus, merge_patch
from canary_operator.domain.target import ReferenceTarget, RouteTarget, Target, TrackTarget
from canary_operator.ports import Ports, Rollout

WriteError = InvalidRolloutError | SurroundingsError


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a decision."""

    decision: Decision
    """What was recorded of it: less than was decided where the router did not take it."""
    recorded: bool
    """Whether the status was written, so that the next tick may decide something new."""
    error: WriteError | None = None
    """The first write that failed; the rest was left for the next tick."""
    written: tuple["Part", ...] = ()
    """What had to be written."""


class Part(StrEnum):
    """Objects of a rollout, in words that take its name."""

    RECORDS = "a ControllerRevision of {name}"
    STABLE = "Deployment {name}-stable"
    CANARY = "Deployment {name}-canary"
    AUTOSCALERS = "a HorizontalPodAutoscaler of {name}"
    SERVICES = "a Service of {name}"
    ROUTE = "the route of {name}"
    REFERENCE = "the Deployment of spec.workloadRef of {name}"

    def wish_of(self, target: Target) -> object:
        """Return what a target asks of these objects; None where it asks nothing."""
        canary = target.canary
        if self is Part.CANARY and canary is not None and canary.replicas == 0:
            return self  # nobody asks which template it has then
        asked: dict[Part, object] = {
            Part.STABLE: target.stable,
            Part.CANARY: canary,
            Part.AUTOSCALERS: [one and one.bounds for one in (target.stable, canary)],
            Part.ROUTE: target.route,
            Part.SERVICES: None if target.stable is None else self,
        }
        return asked.get(self, self)  # what does not stand here follows from the spec


async def carry_out(  # noqa: PLR0913 - what is known of the world comes from two sides
    decision: Decision,
    rollout: Rollout,
    at: Situation,
    ports: Ports,
    *,
    reached: bool = False,
    unsure: bool = False,
) -> Applied:
    """Make the world what `decision` asks for; safe to repeat after a crash.

    Args:
        decision: What to do.
        rollout: Which rollout.
        at: What the decision was made from.
        ports: The world.
        reached: Whether the rollout's objects are known to be as asked, so that none is compared.
        unsure: Whether a record of this very rollout may have been made without our knowing.

    Raises:
        ConflictError: the rollout changed since it was read; decide anew.
        SurroundingsError: the decision could not be recorded; nothing that raises was done.
    """
    shaping = _Shaping(rollout, at, ports)
    error: WriteError | None = None
    route, told = decision.target.route, decision.traffic_first
    if told:
        error = await shaping.route(route)
        if error is not None and not shaping.is_told(route):
            decision = what_is_left(decision, at, error)
    recorded = await _record(decision.status, rollout, ports)
    if unsure and not recorded and _raises(route, at):
        # What is recorded may be less by now, and a raise is recorded before it is done.
        await ports.rollouts.write_status(rollout, {"weight": decision.status.weight})
    for notice in decision.notices:
        ports.events.tell(rollout, notice)
    left = await _remove_request(decision, rollout, ports)
    if not reached and (error is None or not at.split.pods_are_traffic):
        # Stable's pods do not wait for the route; but where pods are traffic, they come after it.
        missed = await shaping.everything(decision.target, error, traffic_done=told)
        error = error or missed
    return Applied(decision, recorded, error or left, tuple(shaping.written))


def _raises(target: RouteTarget | None, at: Situation) -> bool:
    return target is not None and target.weight > (at.route.weight or 0)


async def _remove_request(
    decision: Decision, rollout: Rollout, ports: Ports
) -> SurroundingsError | None:
    """Remove a request that was answered; one that has to stay keeps nothing else from happening.

    Returns:
        What kept it from being removed.
    """
    if not decision.remove_request or rollout.request is None:
        return None
    try:
        await ports.rollouts.remove_request(rollout, rollout.request)
    except SurroundingsError as error:
        return error
    return None


async def _record(status: RolloutStatus, rollout: Rollout, ports: Ports) -> bool:
    patch = merge_patch(rollout.status, status.to_json())
    if not patch:
        return False
    await ports.rollouts.write_status(rollout, patch)
    return True


@dataclass(frozen=True, slots=True)
class _Shaping:
    """Writes that make the cluster look like the target, and which of them were needed."""

    rollout: Rollout
    at: Situation
    ports: Ports
    written: list[Part] = field(default_factory=list)

    async def route(self, target: RouteTarget | None) -> WriteError | None:
        """Tell the router; return what kept it from being told."""
        if target is None:
            return None
        try:
            wrote = await self.ports.router.set(self.rollout, self.at.spec, target)
        except (InvalidRolloutError, SurroundingsError) as error:
            return error
        self._note(Part.ROUTE, wrote)
        return None

    def is_told(self, target: RouteTarget | None) -> bool:
        """Whether the router has what it was told, though something beside it went wrong."""
        state = self.ports.router.state(self.rollout, self.at.spec)
        wanted = target and (target.weight, target.rejected)
        return state.exists and (state.weight, state.rejected) == wanted

    async def everything(
        self, target: Target, missed: WriteError | None = None, *, traffic_done: bool
    ) -> WriteError | None:
        """Deployments, then Services, then the router: capacity before traffic.

        Where the router `missed` what it was told, nothing goes that callers may come to.
        """
        try:
            await self._records()
            for track, wanted, part in self._in_order(target):
                if wanted is not None:
                    await self._track(track, wanted, part)
            if self.at.wanted is not None and target.stable is not None:
                wrote = await self.ports.workloads.ensure_services(
                    self.rollout, self.at.spec, takes_over=_takes_over(target)
                )
                self._note(Part.SERVICES, wrote)
        except (InvalidRolloutError, SurroundingsError) as error:
            return error
        failed = missed if traffic_done else await self.route(target.route)
        return failed or await self._reference(target.reference)

    async def _reference(self, target: ReferenceTarget | None) -> WriteError | None:
        """Come last: all that replaces the Deployment is in its place."""
        if target is None:
            return None
        try:
            wrote = await self.ports.workloads.ensure_reference(self.rollout, target)
        except (InvalidRolloutError, SurroundingsError) as error:
            return error
        self._note(Part.REFERENCE, wrote)
        return None

    def _in_order(self, target: Target) -> tuple[tuple[str, TrackTarget | None, Part], ...]:
        """Return the canary first where it loses pods.

        Where pods are traffic, its share would rise if those of stable went before.
        """
        stable = "stable", target.stable, Part.STABLE
        canary = "canary", target.canary, Part.CANARY
        pods = target.canary.replicas if target.canary else None
        fewer = pods is not None and pods < self.at.canary.replicas
        return (canary, stable) if fewer else (stable, canary)

    async def _records(self) -> None:
        """Keep what the tracks are built from, and what a rollback may go back to."""
        status, wanted = self.at.status, self.at.wanted
        needed = {status.stable_revision, status.canary_revision, status.rejected_revision}
        needed.add(wanted.revision if wanted else None)
        revisions = [revision for revision in needed if revision]
        wrote = await self.ports.workloads.restore(self.rollout, revisions)
        self._note(Part.RECORDS, wrote)

    async def _track(self, track: str, target: TrackTarget, part: Part) -> None:
        """An autoscaler goes before the pods that it would bring back, and comes after them."""
        if target.bounds is None:
            await self._autoscaler(track, target)
        await self._deployment(track, target, part)
        if target.bounds is not None:
            await self._autoscaler(track, target)

    async def _autoscaler(self, track: str, target: TrackTarget) -> None:
        workloads, spec = self.ports.workloads, self.at.spec
        wrote = await workloads.ensure_autoscaler(self.rollout, track, target.bounds, spec)
        self._note(Part.AUTOSCALERS, wrote)

    async def _deployment(self, track: str, target: TrackTarget, part: Part) -> None:
        workloads, name = self.ports.workloads, self.rollout.key.name
        records = workloads.records(self.rollout)
        record = next((r for r in records if r.revision == target.revision), None)
        if record is not None:
            wrote = await workloads.ensure_track(self.rollout, track, target, record.template)
            self._note(part, wrote)
            return
        running = workloads.track(self.rollout, track)
        if running.revision != target.revision or target.replicas not in {None, running.replicas}:
            raise RecordMissingError(name, target.revision, track)

    def _note(self, part: Part, wrote: bool) -> None:
        if wrote and part not in self.written:
            self.written.append(part)


def _takes_over(target: Target) -> bool:
    return target.route is not None and target.route.takes_over


class RecordMissingError(SurroundingsError):
    """The record that a Deployment is built from is gone."""

    reason = Reason.RECORD_MISSING

    def __init__(self, name: str, revision: str, track: str) -> None:
        super().__init__(
            f"ControllerRevision {name}-{revision} is gone, so Deployment {name}-{track} cannot "
            "be built from it and is left as it is. Restore the object, or apply the template "
            "that it recorded again."
        )
