"""Deployments, autoscalers, Services and records in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from canary_operator.domain.situation import TrackState
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.target import Bounds, TrackTarget
from canary_operator.ports import Accepted, Rollout
from canary_operator.testing.autoscalers import is_as_asked, set_bounds
from canary_operator.testing.pods import Deployment
from canary_operator.testing.referenced import ReferencedWorkloads
from canary_operator.testing.sight import AUTOSCALER, RECORD, SERVICES, Sight

if TYPE_CHECKING:
    from canary_operator.testing.memory import World


@dataclass(frozen=True, slots=True)
class Port:
    """Base of the ports onto a world."""

    world: "World"
    sight: Sight


class Workloads(Port, ReferencedWorkloads):
    """Port `Workloads`."""

    def track(self, rollout: Rollout, track: str) -> TrackState:  # noqa: ARG002
        """Return a Deployment as last seen."""
        return self.sight.track(track)

    def records(self, rollout: Rollout) -> Sequence[Accepted]:  # noqa: ARG002
        """Return what was accepted, newest first."""
        return sorted(self.sight.records(), key=lambda record: -record.number)

    async def try_out(self, rollout: Rollout, template: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Ask the API server about a template."""
        await self.world.ask_server("dry run")

    async def try_autoscaler(self, rollout: Rollout, spec: RolloutSpec) -> None:  # noqa: ARG002
        """Ask the API server about autoscalers, if there are any."""
        if spec.autoscaling is not None:
            await self.world.ask_server("dry run")

    async def remember(self, rollout: Rollout, accepted: Accepted) -> None:  # noqa: ARG002
        """Record what was accepted."""

        def change() -> None:
            others = [r for r in self.world.records if r.revision != accepted.revision]
            self.world.records = [*others, accepted]

        await self.world.write("record", change)
        self.sight.learned(RECORD + accepted.revision)

    async def restore(self, rollout: Rollout, revisions: Collection[str]) -> bool:  # noqa: ARG002
        """Bring back nothing: who deletes records here means it."""
        return False

    async def forget(self, rollout: Rollout, revisions: Sequence[str]) -> None:  # noqa: ARG002
        """Remove records."""

        def change() -> None:
            self.world.records = [r for r in self.world.records if r.revision not in revisions]

        await self.world.write("forget", change)
        for revision in revisions:
            self.sight.learned(RECORD + revision)

    async def ensure_track(
        self,
        rollout: Rollout,  # noqa: ARG002
        track: str,
        target: TrackTarget,
        template: Mapping[str, Any],  # noqa: ARG002
    ) -> bool:
        """Make a Deployment as wanted."""
        if not self.sight.track(track).exists:
            self.sight.learned(track)  # what the caches lack is asked for before it is made
        seen = self.sight.track(track)
        same_size = target.replicas in {None, seen.replicas}
        if seen.exists and seen.revision == target.revision and same_size:
            return False

        def change() -> None:
            found = self.world.deployments.get(track)
            before = found.replicas if found else 1  # what Kubernetes makes of none
            pods = before if target.replicas is None else target.replicas
            if found is None:
                self.world.deployments[track] = Deployment(track, target.revision, pods)
                return
            if (found.revision, found.replicas) != (target.revision, pods):
                found.revision, found.replicas, found.seen = target.revision, pods, False

        await self.world.write(track, change)
        self.sight.learned(track)
        return True

    async def ensure_autoscaler(
        self,
        rollout: Rollout,  # noqa: ARG002
        track: str,
        bounds: Bounds | None,
        spec: RolloutSpec,  # noqa: ARG002
    ) -> bool:
        """Make, change or remove an autoscaler."""
        seen = self.sight.track(track).scaler
        if bounds is not None and seen is None:
            self.sight.learned(AUTOSCALER + track)
            seen = self.sight.track(track).scaler
        if is_as_asked(seen, bounds):
            return False
        scalers = self.world.autoscalers
        await self.world.write("autoscaler", lambda: set_bounds(scalers, track, bounds))
        self.sight.learned(AUTOSCALER + track)
        return True

    async def ensure_services(
        self,
        rollout: Rollout,  # noqa: ARG002
        spec: RolloutSpec,  # noqa: ARG002
        *,
        takes_over: bool = True,
    ) -> bool:
        """Make the Services, and take over one that was given."""
        if not self.sight.services():
            self.sight.learned(SERVICES)
        led = await self.lead(takes_over=takes_over)
        if self.sight.services():
            return led
        await self.world.write("services", lambda: setattr(self.world, "services", True))
        self.sight.learned(SERVICES)
        return True
