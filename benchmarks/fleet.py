"""Many rollouts in memory, run by the real engine on the real clock or on a virtual one."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from canary_operator.domain.errors import InvalidRolloutError
from canary_operator.domain.notices import Notice
from canary_operator.domain.situation import RouteState, Settings, TrackState
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.target import Bounds, ReferenceTarget, RouteTarget, TrackTarget
from canary_operator.domain.workload import Reference, Template
from canary_operator.engine.checks import Checks
from canary_operator.engine.scheduler import Scheduler
from canary_operator.engine.tick import Ticker
from canary_operator.ports import Accepted, Key, MetricsSource, Ports, Rollout
from canary_operator.telemetry import Telemetry
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World


def now() -> datetime:
    """Return the wall-clock time to the millisecond, as the operator does."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


async def on_first_step(key: Key, at: datetime, analysis: Mapping[str, Any]) -> World:
    """Return a rollout whose canary has had its first weight since `at`, and keeps it."""
    steps = [{"weight": 20, "hold": "24h"}]
    first = spec(analysis=dict(analysis), strategy={"steps": steps})
    world = World(key=key, spec=first, now=at)
    driver = Driver(world, Settings(scrape_interval=timedelta(seconds=5)))
    await driver.work()
    world.edit(template=template("v2"))
    await driver.work()
    if driver.status.weight_applied_at != at:
        raise RuntimeError(f"{key} did not get its first weight: {driver.status}")
    return world


@dataclass(frozen=True)
class Fleet:
    """The ports of many worlds, each with its own rollout; measurements are somebody else's."""

    worlds: Mapping[Key, World]
    source: MetricsSource

    def ports(self) -> Ports:
        """Return ports onto all of them."""
        return Ports(rollouts=self, workloads=self, router=self, metrics=self.source, events=self)

    def _of(self, rollout: Rollout) -> Ports:
        return self.worlds[rollout.key].ports()

    def get(self, key: Key) -> Rollout | None:
        """Return a rollout; None when it was deleted."""
        world = self.worlds.get(key)
        return world.ports().rollouts.get(key) if world is not None else None

    async def write_status(self, rollout: Rollout, patch: Mapping[str, Any]) -> None:
        """Write its status."""
        await self._of(rollout).rollouts.write_status(rollout, patch)

    async def remove_request(self, rollout: Rollout, value: str) -> None:
        """Remove a request."""
        await self._of(rollout).rollouts.remove_request(rollout, value)

    async def guard(self, rollout: Rollout) -> None:
        """Keep it when it is deleted."""
        await self._of(rollout).rollouts.guard(rollout)

    async def release(self, rollout: Rollout) -> None:
        """Let it go."""
        await self._of(rollout).rollouts.release(rollout)

    def track(self, rollout: Rollout, track: str) -> TrackState:
        """Return a Deployment."""
        return self._of(rollout).workloads.track(rollout, track)

    def records(self, rollout: Rollout) -> Sequence[Accepted]:
        """Return what was accepted."""
        return self._of(rollout).workloads.records(rollout)

    async def try_out(self, rollout: Rollout, template: Mapping[str, Any]) -> None:
        """Try a template."""
        await self._of(rollout).workloads.try_out(rollout, template)

    async def remember(self, rollout: Rollout, accepted: Accepted) -> None:
        """Record what was accepted."""
        await self._of(rollout).workloads.remember(rollout, accepted)

    async def forget(self, rollout: Rollout, revisions: Sequence[str]) -> None:
        """Drop records."""
        await self._of(rollout).workloads.forget(rollout, revisions)

    async def restore(self, rollout: Rollout, revisions: Collection[str]) -> bool:
        """Bring records back."""
        return await self._of(rollout).workloads.restore(rollout, revisions)

    async def ensure_track(
        self, rollout: Rollout, track: str, target: TrackTarget, template: Mapping[str, Any]
    ) -> bool:
        """Write a Deployment."""
        return await self._of(rollout).workloads.ensure_track(rollout, track, target, template)

    async def ensure_services(
        self, rollout: Rollout, spec: RolloutSpec, *, takes_over: bool = True
    ) -> bool:
        """Write Services."""
        workloads = self._of(rollout).workloads
        return await workloads.ensure_services(rollout, spec, takes_over=takes_over)

    async def try_autoscaler(self, rollout: Rollout, spec: RolloutSpec) -> None:
        """Try autoscalers."""
        await self._of(rollout).workloads.try_autoscaler(rollout, spec)

    async def ensure_autoscaler(
        self, rollout: Rollout, track: str, bounds: Bounds | None, spec: RolloutSpec
    ) -> bool:
        """Write an autoscaler."""
        return await self._of(rollout).workloads.ensure_autoscaler(rollout, track, bounds, spec)

    def reference(self, rollout: Rollout, name: str) -> Reference | None:
        """Return a Deployment that pods are taken from."""
        return self._of(rollout).workloads.reference(rollout, name)

    async def follow(self, rollout: Rollout, name: str) -> Reference:
        """Follow a Deployment that pods are taken from."""
        return await self._of(rollout).workloads.follow(rollout, name)

    async def means(self, rollout: Rollout, recorded: Template, seen: Template) -> bool:
        """Compare two templates."""
        return await self._of(rollout).workloads.means(rollout, recorded, seen)

    async def ensure_reference(self, rollout: Rollout, target: ReferenceTarget) -> bool:
        """Scale a Deployment that pods are taken from."""
        return await self._of(rollout).workloads.ensure_reference(rollout, target)

    def selected_by(self, rollout: Rollout) -> Mapping[str, str]:
        """Return labels that pods need."""
        return self._of(rollout).workloads.selected_by(rollout)

    def state(self, rollout: Rollout, spec: RolloutSpec | None = None) -> RouteState:
        """Return what the router was told."""
        return self._of(rollout).router.state(rollout, spec)

    async def claim(self, rollout: Rollout, spec: RolloutSpec) -> None:
        """Check hosts."""
        await self._of(rollout).router.claim(rollout, spec)

    def contested(self, rollout: Rollout, spec: RolloutSpec) -> InvalidRolloutError | None:
        """Compare hosts."""
        return self._of(rollout).router.contested(rollout, spec)

    async def set(self, rollout: Rollout, spec: RolloutSpec, target: RouteTarget) -> bool:
        """Tell the router."""
        return await self._of(rollout).router.set(rollout, spec, target)

    def is_finished(self, rollout: Rollout) -> bool:
        """Ask the router whether it is done."""
        return self._of(rollout).router.is_finished(rollout)

    def tell(self, rollout: Rollout, notice: Notice) -> None:
        """Tell people."""
        self._of(rollout).events.tell(rollout, notice)


class Operator:
    """Scheduler, ticks and checks as the operator has them, without a cluster."""

    def __init__(
        self,
        fleet: Fleet,
        settings: Settings,
        clock: Callable[[], datetime] = now,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._fleet = fleet
        self.checks = Checks(fleet.source, self._wake)
        ticker = Ticker(fleet.ports(), settings, self.checks, clock, telemetry)
        self.scheduler = Scheduler(ticker.tick, clock, telemetry=telemetry)

    def _wake(self, key: Key) -> None:
        self.scheduler.wake(key)

    def start(self) -> None:
        """Look at every rollout."""
        for key in self._fleet.worlds:
            self.scheduler.wake(key)
        self.scheduler.start()

    async def stop(self) -> None:
        """Stop at once."""
        await self.scheduler.stop()
        await self.checks.stop()
