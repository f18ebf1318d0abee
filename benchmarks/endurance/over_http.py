"""Releases by the operator's own process, against the embedded API.

Everything that a cluster makes it hold is there: connections, watches, kopf's memory of objects,
caches, threads for queries.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.endurance.census import Census, leaks
from benchmarks.processes import open_files, resident_megabytes, threads
from benchmarks.scale import sources
from benchmarks.scale.stage import Seen, Stage, manifest, open_stage, until
from canary_operator.domain.revision import revision_of

VERSIONS = ("v1", "v2")
FORGOTTEN_WITHIN_SECONDS = 60.0
REPLACED = 10
"""Of so many rollouts, one is deleted in each round, and another one is made."""
QUICK: Mapping[str, Any] = {
    "strategy": {"steps": [{"weight": 50, "hold": "0s"}], "scaleDownDelay": "0s"},
    "analysis": {"interval": "5s", "window": "1s"},
}
SETTLING_SECONDS = 3.0
"""Until kopf has let go of quiet objects."""
TRIES = 10
"""Looks at what grew before it counts as a leak: Events may still be on their way."""


class Town:
    """Rollouts that come, release and go."""

    def __init__(self, stage: Stage, metrics: str) -> None:
        self._stage = stage
        self._metrics = metrics
        self._made = 0
        self._names: list[str] = []

    async def grow(self, rollouts: int, version: str) -> None:
        """Make rollouts with names that nobody had."""
        new = [f"web-{number}" for number in range(self._made, self._made + rollouts)]
        self._made += rollouts
        self._names += new
        await self._stage.make_namespaces(new)
        await self._stage.apply(new, version, QUICK)
        await self._until_stable(version)

    async def shrink(self, rollouts: int) -> None:
        """Delete those that are oldest."""
        gone, self._names = self._names[:rollouts], self._names[rollouts:]
        await self._stage.delete(gone)

    async def release(self, version: str) -> None:
        """Release a version of everything, and wait until all of it is promoted."""
        await self._stage.apply(self._names, version, QUICK)
        await self._until_stable(version)

    async def _until_stable(self, version: str) -> None:
        revisions = {
            name: revision_of(manifest(name, version, QUICK)["spec"]["template"])
            for name in self._names
        }

        def is_stable(name: str, seen: Seen) -> bool:
            status = seen.status
            serves = status.get("stableRevision") == revisions[name]
            return serves and status.get("phase") == "Stable" and status.get("replicas") == 1

        await self._stage.until_each(self._names, is_stable)

    async def until_forgotten(self) -> None:
        """Wait until no series tells of a rollout."""

        async def none() -> bool:
            return await self._series() == 0

        await until(none, FORGOTTEN_WITHIN_SECONDS)

    async def _series(self) -> int:
        async with aiohttp.ClientSession() as session, session.get(self._metrics) as answer:
            return (await answer.read()).count(b'="web-')

    async def census(self) -> Census:
        """Count what there is, once everything has settled."""
        await asyncio.sleep(SETTLING_SECONDS)
        series = await self._series()
        operator = self._stage.operator
        return Census(
            tasks=await operator.tasks(),
            megabytes=resident_megabytes(operator.pid),
            blocks=0,  # of deleted objects, some thousands are remembered; that is not full here
            threads=threads(operator.pid),
            files=open_files(operator.pid),
            series=series,
        )


async def endure(
    rollouts: int,
    releases: int,
    warm_up: int,
    folder: Path,
    report: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Release everything so many times; return what leaks.

    Args:
        rollouts: How many there are at any time.
        releases: Of each.
        warm_up: Releases after which the first census is taken.
        folder: For files of all parts.
        report: Told of each census.
    """
    address = f"127.0.0.1:{_free_port()}"
    flags = [f"--metrics-address={address}"]
    async with open_stage(folder, lambda *_: sources.stand_in(), flags) as stage:
        town = Town(stage, f"http://{address}/metrics")
        await town.grow(rollouts, VERSIONS[0])
        warm = await town.census()
        for number in range(1, releases + 1):
            version = VERSIONS[number % len(VERSIONS)]
            await town.release(version)
            await town.shrink(rollouts // REPLACED)
            await town.grow(rollouts // REPLACED, version)
            census = await town.census()
            report(f"after release {number}: {census}")
            warm = census if number == warm_up else warm
        found = await _what_stays(town, warm, rollouts * (releases - warm_up))
        await town.shrink(rollouts)
        await town.until_forgotten()
        return found


async def _what_stays(town: Town, warm: Census, releases: int) -> list[str]:
    for _ in range(TRIES):
        found = list(leaks(warm, await town.census(), releases))
        if not found:
            break
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
