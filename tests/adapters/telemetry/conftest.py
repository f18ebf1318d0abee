"""The real engine on a world in memory, and the telemetry that it tells."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from canary_operator.adapters.telemetry.operator import OperatorTelemetry
from canary_operator.domain.phase import Phase
from canary_operator.ports import Key
from canary_operator.testing.builders import spec
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World

PREFIX = "canary_operator_"


def series(registry: CollectorRegistry, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Return the value of each series of a name, by its labels."""
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == PREFIX + name
    }


def total(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """Return the sum over all series that have some labels."""
    found = series(registry, name)
    return sum(value for key, value in found.items() if labels.items() <= dict(key).items())


class Life(Driver):
    """An operator whose telemetry starts anew with each of its lives."""

    def __init__(self, world: World) -> None:
        self.lives: list[OperatorTelemetry] = []
        self.leads = True
        super().__init__(world)

    def start(self) -> None:
        """Start with nothing in memory, nothing counted either."""
        self.telemetry = OperatorTelemetry("1.2.3", lambda: self.leads)
        self.lives.append(self.telemetry)
        super().start()

    @property
    def registry(self) -> CollectorRegistry:
        """What a scrape gets now."""
        return self.lives[-1].registry

    def counted(self, name: str, **labels: str) -> float:
        """Return what was counted in all lives together."""
        return sum(total(life.registry, name, **labels) for life in self.lives)

    async def until(self, phase: Phase, seconds: int = 400) -> None:
        """Let time pass until a phase is reached."""
        for _ in range(seconds):
            if self.status.phase is phase:
                return
            await self.pass_time(1)
        raise AssertionError(f"{phase} was not reached: {self.status}")

    async def release(self, **changes: Any) -> None:
        """Apply another spec and let the engine see it."""
        self.world.edit(**changes)
        await self.work()


class Ledger:
    """What the API server took, written down beside the operator: what must be counted."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.checks: set[tuple[str, str, str]] = set()

    def note(self, _: str) -> None:
        """Look at what was written."""
        for one in self._world.status.get("metrics", ()):
            self.checks.add((one["name"], one["verdict"], one["measuredAt"]))

    @property
    def endings(self) -> Mapping[str, list[str]]:
        """Return the reasons of each kind of end."""
        found: dict[str, list[str]] = {}
        for entry in self._world.status.get("history", ()):
            found.setdefault(entry["outcome"], []).append(entry["reason"])
        return found


@pytest.fixture
def world() -> World:
    return World(key=Key("demo", "web"), spec=spec(), pod_start=timedelta(seconds=3))


@pytest.fixture
async def life(world: World) -> Life:
    """An operator whose first revision serves."""
    life = Life(world)
    await life.until(Phase.STABLE)
    return life
