"""Thousands of releases by the real engine, on ports in memory and in virtual time.

Scheduler, ticks, checks and telemetry are the operator's own. Time jumps to what is due next, so
that a release takes as long as its ticks compute; and the same happens in every round, so that
memory can be compared to the block.
"""

import asyncio
import gc
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from benchmarks.endurance.census import Census, leaks
from benchmarks.fleet import Fleet, Operator
from benchmarks.processes import open_files, resident_megabytes
from canary_operator.adapters.telemetry.operator import OperatorTelemetry
from canary_operator.domain.readings import Readings
from canary_operator.domain.revision import revision_of
from canary_operator.domain.situation import Settings
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.target import TrackTarget
from canary_operator.ports import Key, Measure, Rollout
from canary_operator.telemetry import Telemetry
from canary_operator.testing.builders import spec, template
from canary_operator.testing.memory import START, World

VERSIONS = ("v1", "v2")
"""Released in turns: so there are as many records and names in every round."""
REPLACED = 10
"""Of so many rollouts, one is deleted in each round, and another one is made."""
SETTINGS = Settings(scrape_interval=timedelta(seconds=1))
QUICK: Mapping[str, Any] = {
    "replicas": 1,
    "strategy": {"steps": [{"weight": 50, "hold": "1s"}], "scaleDownDelay": "1s"},
    "analysis": {"interval": "5s", "window": "5s"},
}
LONGEST_ROUND_SECONDS, LOOK_SECONDS = 600, 5
"""Of virtual time."""
TEXT = "text/plain"


@dataclass(frozen=True)
class MovingFleet(Fleet):
    """Tells of every Deployment that was written, so that pods can follow."""

    written: Callable[[Key, str], None]

    async def ensure_track(
        self, rollout: Rollout, track: str, target: TrackTarget, template: Mapping[str, Any]
    ) -> bool:
        """Write a Deployment."""
        wrote = await super().ensure_track(rollout, track, target, template)
        if wrote:
            asyncio.get_running_loop().call_soon(self.written, rollout.key, track)
        return wrote


class Town:
    """Rollouts that come, release and go, and the operator that looks after them."""

    def __init__(self, telemetry: Callable[[OperatorTelemetry], Telemetry]) -> None:
        """Begin with none.

        Args:
            telemetry: What stands between the operator and its telemetry; a test puts a leak there.
        """
        self._worlds: dict[Key, World] = {}
        self._began = asyncio.get_running_loop().time()
        self._made = 0
        self.telemetry = OperatorTelemetry("0")
        fleet = MovingFleet(self._worlds, self, self._move)
        self.operator = Operator(fleet, SETTINGS, self._now, telemetry(self.telemetry))

    def __len__(self) -> int:
        return len(self._worlds)

    def _now(self) -> datetime:
        milliseconds = round(1000 * (asyncio.get_running_loop().time() - self._began))
        return START + timedelta(milliseconds=milliseconds)

    # What users do.

    def grow(self, rollouts: int) -> None:
        """Make rollouts with names that nobody had."""
        for _ in range(rollouts):
            key = Key("demo", f"web-{self._made:07}")
            self._made += 1
            self._worlds[key] = World(key=key, spec=spec(**QUICK))
            self.operator.scheduler.wake(key)

    def shrink(self, rollouts: int) -> None:
        """Delete those that are oldest."""
        for key in list(self._worlds)[:rollouts]:
            del self._worlds[key]
            self.operator.scheduler.wake(key)

    async def release(self, version: str) -> None:
        """Release a version of everything, and wait until all of it is promoted and at rest."""
        for key, world in self._worlds.items():
            world.edit(template=template(version))
            self.operator.scheduler.wake(key)
        await self.until_at_rest()

    async def until_at_rest(self) -> None:
        """Wait until every rollout is stable, and nothing is due any more."""
        async with asyncio.timeout(LONGEST_ROUND_SECONDS):
            while not all(map(_is_at_rest, self._worlds.values())):  # noqa: ASYNC110 - virtual time
                await asyncio.sleep(LOOK_SECONDS)
            await asyncio.sleep(LOOK_SECONDS)

    # What a cluster does.

    def _move(self, key: Key, track: str) -> None:
        world = self._worlds.get(key)
        if world is not None:
            world.deployments[track].move_all(world.starts)
            self.operator.scheduler.wake(key)

    async def read(self, measures: Sequence[Measure]) -> Mapping[Key, Readings]:
        """Return what is measured."""
        found: dict[Key, Readings] = {}
        for measure in measures:
            world = self._worlds.get(measure.key)
            if world is not None:
                found |= await world.ports().metrics.read([measure])
        return found

    async def try_out(self, key: Key, spec: RolloutSpec) -> None:
        """Ask about custom queries, which nobody has."""

    # What is looked at.

    def census(self) -> Census:
        """Count what there is; the worlds' own diaries are not the operator's."""
        for world in self._worlds.values():
            world.writes.clear()
            world.events.clear()
        series = self.telemetry.exposition(TEXT)[0].count(b'="web-')
        gc.collect()
        return Census(
            megabytes=resident_megabytes(os.getpid()),
            blocks=sys.getallocatedblocks(),
            tasks=len(asyncio.all_tasks()),
            threads=threading.active_count(),
            files=open_files(os.getpid()),
            series=series,
        )


def _is_at_rest(world: World) -> bool:
    status, canary = world.status, world.deployments.get("canary")
    return (
        status.get("phase") == "Stable"
        and status.get("observedGeneration") == world.generation
        and status.get("stableRevision") == revision_of(world.spec["template"])
        and not (canary and canary.pods)
    )


async def endure(
    rollouts: int,
    releases: int,
    warm_up: int,
    report: Callable[[str], None] = lambda _: None,
    telemetry: Callable[[OperatorTelemetry], Telemetry] = lambda own: own,
) -> list[str]:
    """Release everything so many times; return what leaks.

    Args:
        rollouts: How many there are at any time.
        releases: Of each.
        warm_up: Releases after which the first census is taken.
        report: Told of each census.
        telemetry: What stands between the operator and its telemetry.
    """
    town = Town(telemetry)
    town.grow(rollouts)
    town.operator.scheduler.start()
    try:
        await town.until_at_rest()
        warm = census = town.census()
        for number in range(1, releases + 1):
            await town.release(VERSIONS[number % len(VERSIONS)])
            town.shrink(rollouts // REPLACED)
            town.grow(rollouts // REPLACED)
            await town.until_at_rest()
            census = town.census()
            report(f"after release {number}: {census}")
            warm = census if number == warm_up else warm
        found = list(leaks(warm, census, rollouts * (releases - warm_up)))
        town.shrink(rollouts)
        await town.until_at_rest()
        left = town.census().series
        return [*found, f"{left} series of deleted rollouts are left"] if left else found
    finally:
        await town.operator.stop()
