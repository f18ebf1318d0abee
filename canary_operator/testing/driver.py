"""Runs the real engine on a world in memory, until it has nothing left to do."""

import asyncio
from datetime import datetime, timedelta

from canary_operator.domain.errors import ConflictError, SurroundingsError
from canary_operator.domain.situation import Settings
from canary_operator.domain.status import RolloutStatus
from canary_operator.engine.checks import Checks
from canary_operator.engine.tick import Next, Ticker
from canary_operator.telemetry import Silence, Telemetry
from canary_operator.testing.memory import Killed, World

BUSY = 200
"""Ticks without a pause after which the engine is in a loop that never ends."""


class Driver:
    """An operator process for one world; it can be killed and started again."""

    def __init__(self, world: World, settings: Settings | None = None) -> None:
        self.world = world
        self.telemetry: Telemetry = Silence()
        self.settings = settings or Settings(scrape_interval=timedelta(seconds=5))
        self.kills = 0
        self.start()

    def start(self) -> None:
        """Start with nothing in memory, as after a crash."""
        ports = self.world.ports()
        self._woken = True
        self.checks = Checks(ports.metrics, self._wake, gather_seconds=0)
        self.ticker = Ticker(ports, self.settings, self.checks, self.world.clock, self.telemetry)

    def _wake(self, _: object) -> None:
        self._woken = True

    @property
    def status(self) -> RolloutStatus:
        """Return the recorded status."""
        return RolloutStatus.read(self.world.status)

    async def settle(self) -> Next:
        """Tick until nothing is due at this moment; deployments do not move by themselves.

        Raises:
            AssertionError: the engine never comes to rest.
        """
        for _ in range(BUSY):
            following = await self._tick()
            await self._let_checks_finish()
            due = following.at is not None and following.at <= self.world.now
            if not (following.again or due or self._woken):
                return following
        raise AssertionError(f"no rest after {BUSY} ticks: {self.status}")

    async def _tick(self) -> Next:
        self._woken = False
        try:
            return await self.ticker.tick(self.world.key)
        except Killed:
            self.kills += 1
            self.start()
            return Next(again=True)
        except (ConflictError, SurroundingsError):
            return Next(again=True)

    async def _let_checks_finish(self) -> None:
        while self.checks.busy:  # noqa: ASYNC110 - a few turns of the loop, nothing to wait for
            await asyncio.sleep(0)

    async def pass_time(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass in small steps; pods move and the engine works at each."""
        while seconds > 0:
            taken = min(step, seconds)
            self.world.now += timedelta(seconds=taken)
            seconds -= taken
            await self.work()

    async def work(self) -> Next:
        """Let engine and pods react to each other until both are at rest."""
        world, moved, following = self.world, True, Next()
        while moved:
            following = await self.settle()
            moved = world.keep_bounds()
            for deployment in world.deployments.values():
                while deployment.move(world.starts, world.now, world.pod_start):
                    moved = True
                    pods = sum(len(one.pods) for one in world.deployments.values())
                    world.most_pods = max(world.most_pods, pods)
        return following

    def next_pod_at(self) -> datetime | None:
        """Return when the next pod becomes available, if nothing happens before; None for never."""
        world = self.world
        moments = (
            deployment.next_start(world.starts, world.now, world.pod_start)
            for deployment in world.deployments.values()
        )
        return min((moment for moment in moments if moment is not None), default=None)
