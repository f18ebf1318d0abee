"""One operator process, with the real engine in it."""

import asyncio
from datetime import datetime, timedelta

from canary_operator.domain.errors import ConflictError, SurroundingsError
from canary_operator.domain.situation import Settings
from canary_operator.engine.checks import Checks
from canary_operator.engine.tick import Ticker
from canary_operator.ports import Ports
from canary_operator.testing.memory import World
from canary_operator.testing.sight import Caches, Watches

SETTINGS = Settings(scrape_interval=timedelta(seconds=5))
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=0.1), timedelta(seconds=10)
"""As in `engine/scheduler.py`."""


class Process:
    """One operator process: what it has seen, and when it works again."""

    def __init__(self, world: World, watches: Watches) -> None:
        self.key = world.key
        self.caches, ports = self.connect(world, watches)
        self.checks = Checks(ports.metrics, self.wake, gather_seconds=0)
        self.ticker = Ticker(ports, SETTINGS, self.checks, world.clock)
        self.woken = True
        self.due: datetime | None = None
        self.failures = 0

    def connect(self, world: World, watches: Watches) -> tuple[Caches, Ports]:
        """Return what this process sees, and what it works with."""
        caches = Caches(watches)
        return caches, world.ports(caches)

    def wake(self, _: object = None) -> None:
        self.woken = True

    def wants(self, now: datetime) -> bool:
        return self.woken or (self.due is not None and self.due <= now)

    async def tick(self, now: datetime) -> None:
        self.woken = False
        try:
            following = await self.ticker.tick(self.key)
        except (ConflictError, SurroundingsError) as error:
            asked = error.retry_after if isinstance(error, SurroundingsError) else None
            pause = min(FIRST_PAUSE * 2 ** min(self.failures, 10), LONGEST_PAUSE)
            self.failures += 1
            self.due = now + (asked or pause)
            return
        self.failures, self.due = 0, following.at
        self.woken |= following.again
        while self.checks.busy:  # noqa: ASYNC110 - a few turns of the loop, nothing to wait for
            await asyncio.sleep(0)
