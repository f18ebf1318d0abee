"""A decision is carried out: what order, and what happens when a write fails.

Raising is recorded before it is done, lowering is done before it is recorded. Nothing that fails
on the way keeps traffic on a canary: the router is told first, whatever comes after.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from canary_operator.domain.actions import Hold
from canary_operator.domain.decide import Decision
from canary_operator.domain.errors import InvalidRolloutError, SurroundingsError
from canary_operator.domain.phase import IN_STEPS
from canary_operator.domain.reasons import Reason
from canary_operator.domain.report import report
from canary_operator.domain.situation import Problem, Situation
from canary_operator.domain.status import RolloutStatus, merge_patch
from canary_operator.domain.target import RouteTarget, Target, TrackTarget
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
    asked: Mapping[str, object] = field(default_factory=dict)
    """What was asked of each object; the objects in words."""
    written: tuple[str, ...] = ()
    """Those that had to be written."""


async def carry_out(decision: Decision, rollout: Rollout, at: Situation, ports: Ports) -> Applied:
    """Make the world what `decision` asks for; safe to repeat after a crash.

    Raises:
        ConflictError: the rollout changed since it was read; decide anew.
        SurroundingsError: the decision could not be recorded; nothing that raises was done.
    """
    shaping = _Shaping(rollout, at, ports)
    error: WriteError | None = None
    target = decision.target
    if decision.traffic_first:
        error = await shaping.route(target.route)
        if error is not None:
            decision = _not_taken(decision, at, error)
    recorded = await _record(decision.status, rollout, ports)
    for notice in decision.notices:
        ports.events.tell(rollout, notice)
    left = await _remove_request(decision, rollout, ports)
    if error is None:
        error = await shaping.everything(target, traffic_done=decision.traffic_first)
    return Applied(decision, recorded, error or left, shaping.asked, tuple(shaping.written))


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


def _not_taken(decision: Decision, at: Situation, error: WriteError) -> Decision:
    """Return what is left of a decision that the router, told first, did not take."""
    status = decision.status
    if status.phase in IN_STEPS and status.canary_revision == at.route.rejected:
        # The mark of its rejection is still there, and would end at once what begins now.
        problem = Problem.quoted(error.reason, error.message, heals=True)
        before = report(replace(at, problem=problem))
        return replace(decision, action=Hold(), status=before, notices=(), remove_request=False)
    kept = {"weight": at.weight, "traffic_off_at": at.status.traffic_off_at}
    return replace(decision, status=status.model_copy(update=kept))  # nothing was taken away


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
    asked: dict[str, object] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)

    async def route(self, target: RouteTarget | None) -> WriteError | None:
        """Tell the router; return what kept it from being told."""
        if target is None:
            return None
        try:
            wrote = await self.ports.router.set(self.rollout, self.at.spec, target)
        except (InvalidRolloutError, SurroundingsError) as error:
            return error
        self._note(f"the route of {self.rollout.key.name}", target, wrote)
        return None

    async def everything(self, target: Target, *, traffic_done: bool) -> WriteError | None:
        """Deployments, then Services, then the router: capacity before traffic."""
        try:
            await self._records()
            for track, wanted in self._in_order(target):
                if wanted is not None:
                    await self._track(track, wanted)
            if self.at.wanted is not None and target.stable is not None:
                wrote = await self.ports.workloads.ensure_services(self.rollout, self.at.spec)
                self._note(f"a Service of {self.rollout.key.name}", None, wrote)
        except (InvalidRolloutError, SurroundingsError) as error:
            return error
        return None if traffic_done else await self.route(target.route)

    def _in_order(self, target: Target) -> tuple[tuple[str, TrackTarget | None], ...]:
        """Return the canary first where it loses pods.

        Where pods are traffic, its share would rise if those of stable went before.
        """
        stable, canary = ("stable", target.stable), ("canary", target.canary)
        fewer = target.canary is not None and target.canary.replicas < self.at.canary.replicas
        return (canary, stable) if fewer else (stable, canary)

    async def _records(self) -> None:
        """Keep what the tracks are built from, and what a rollback may go back to."""
        status, wanted = self.at.status, self.at.wanted
        needed = {status.stable_revision, status.canary_revision, status.rejected_revision}
        needed.add(wanted.revision if wanted else None)
        revisions = [revision for revision in needed if revision]
        wrote = await self.ports.workloads.restore(self.rollout, revisions)
        self._note(f"a ControllerRevision of {self.rollout.key.name}", None, wrote)

    async def _track(self, track: str, target: TrackTarget) -> None:
        workloads, name = self.ports.workloads, self.rollout.key.name
        records = workloads.records(self.rollout)
        record = next((r for r in records if r.revision == target.revision), None)
        if record is not None:
            wrote = await workloads.ensure_track(self.rollout, track, target, record.template)
            self._note(f"Deployment {name}-{track}", target, wrote)
            return
        running = workloads.track(self.rollout, track)
        if running.revision != target.revision or running.replicas != target.replicas:
            raise RecordMissingError(name, target.revision, track)

    def _note(self, what: str, wish: object, wrote: bool) -> None:
        self.asked[what] = wish
        if wrote:
            self.written.append(what)


class RecordMissingError(SurroundingsError):
    """The record that a Deployment is built from is gone."""

    reason = Reason.RECORD_MISSING

    def __init__(self, name: str, revision: str, track: str) -> None:
        super().__init__(
            f"ControllerRevision {name}-{revision} is gone, so Deployment {name}-{track} cannot "
            "be built from it and is left as it is. Restore the object, or apply the template "
            "that it recorded again."
        )
