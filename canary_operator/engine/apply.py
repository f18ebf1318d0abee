"""A decision is carried out: what order, and what happens when a write fails.

Raising is recorded before it is done, lowering is done before it is recorded. Nothing that fails
on the way keeps traffic on a canary: the router is told first, whatever comes after.
"""

from dataclasses import dataclass, field

from canary_operator.domain.decide import Decision
from canary_operator.domain.errors import InvalidRolloutError, SurroundingsError
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import Situation
from canary_operator.domain.status import RolloutStatus, merge_patch
from canary_operator.domain.target import RouteTarget, Target, TrackTarget
from canary_operator.ports import Ports, Rollout

WriteError = InvalidRolloutError | SurroundingsError


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a decision."""

    recorded: bool
    """Whether the status was written, so that the next tick may decide something new."""
    error: WriteError | None = None
    """The first write that failed; the rest was left for the next tick."""
    written: tuple[str, ...] = ()
    """Objects that had to be written, in words."""


async def carry_out(decision: Decision, rollout: Rollout, at: Situation, ports: Ports) -> Applied:
    """Make the world what `decision` asks for; safe to repeat after a crash.

    Raises:
        ConflictError: the rollout changed since it was read; decide anew.
        SurroundingsError: the decision could not be recorded; nothing that raises was done.
    """
    shaping = _Shaping(rollout, at, ports)
    error: WriteError | None = None
    status, target = decision.status, decision.target
    if decision.traffic_first:
        error = await shaping.route(target.route)
        if error is not None:
            kept = {"weight": at.weight, "traffic_off_at": at.status.traffic_off_at}
            status = status.model_copy(update=kept)  # nothing was taken away
    recorded = await _record(status, rollout, ports)
    for notice in decision.notices:
        ports.events.tell(rollout, notice)
    if decision.remove_request and rollout.request is not None:
        await ports.rollouts.remove_request(rollout, rollout.request)
    if error is None:
        error = await shaping.everything(target, traffic_done=decision.traffic_first)
    return Applied(recorded, error, tuple(shaping.written))


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
    written: list[str] = field(default_factory=list)

    async def route(self, target: RouteTarget | None) -> WriteError | None:
        """Tell the router; return what kept it from being told."""
        if target is None:
            return None
        try:
            wrote = await self.ports.router.set(self.rollout, self.at.spec, target)
        except (InvalidRolloutError, SurroundingsError) as error:
            return error
        self._note(wrote, f"the route of {self.rollout.key.name}")
        return None

    async def everything(self, target: Target, *, traffic_done: bool) -> WriteError | None:
        """Deployments, then Services, then the router: capacity before traffic."""
        try:
            for track, wanted in (("stable", target.stable), ("canary", target.canary)):
                if wanted is not None:
                    await self._track(track, wanted)
            if self.at.wanted is not None and target.stable is not None:
                wrote = await self.ports.workloads.ensure_services(self.rollout, self.at.spec)
                self._note(wrote, f"a Service of {self.rollout.key.name}")
        except (InvalidRolloutError, SurroundingsError) as error:
            return error
        return None if traffic_done else await self.route(target.route)

    async def _track(self, track: str, target: TrackTarget) -> None:
        workloads, name = self.ports.workloads, self.rollout.key.name
        records = workloads.records(self.rollout)
        record = next((r for r in records if r.revision == target.revision), None)
        if record is not None:
            wrote = await workloads.ensure_track(self.rollout, track, target, record.template)
            self._note(wrote, f"Deployment {name}-{track}")
            return
        running = workloads.track(self.rollout, track)
        if running.revision != target.revision or running.replicas != target.replicas:
            raise RecordMissingError(name, target.revision, track)

    def _note(self, wrote: bool, what: str) -> None:
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
