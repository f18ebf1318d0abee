"""I7: one rollout's failure (bad spec, bad query, slow Prometheus) never delays another.

The real scheduler runs several rollouts in virtual time. Those that are well must get each weight
at the very moment at which they get it without the troubled ones beside them.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary_operator.domain.counts import Count, Tracks, View
from canary_operator.domain.errors import (
    ConflictError,
    ForbiddenError,
    InvalidSpecError,
    UnavailableError,
)
from canary_operator.domain.readings import NOT_MEASURED, Readings, Seen
from canary_operator.domain.revision import revision_of
from canary_operator.domain.spec import RolloutSpec
from canary_operator.engine.checks import Checks
from canary_operator.engine.scheduler import Scheduler
from canary_operator.engine.tick import Ticker
from canary_operator.ports import Key, Measure, Ports, Rollout
from canary_operator.telemetry import Silence, TickOutcome
from canary_operator.testing.builders import spec, template
from canary_operator.testing.memory import START, World
from tests.histories.process import SETTINGS
from tests.histories.profiles import examples
from tests.support import virtual_time

QUERY = {"name": "carts", "query": {"promql": "vector(0)", "max": 1}}
HANGS = 45.0
"""Seconds that something slow takes."""
TIMELY = 0.5
"""Seconds by which a check may come later because others are gathered with it."""

TROUBLES = (
    "wrong spec",
    "slow query",
    "failing query",
    "rejected query",
    "slow writes",
    "no answer",
    "conflicts",
    "no right",
    "a bug",
    "pods never ready",
)
ERRORS: Mapping[str, Exception] = {
    "no answer": UnavailableError("away"),
    "conflicts": ConflictError("changed"),
    "no right": ForbiddenError("may not patch"),
    "a bug": RuntimeError("a bug"),
}
Timeline = list[tuple[float, int]]


class ByRollout:
    """A port for all rollouts; whose writes are slow, waits before each."""

    def __init__(self, port: str, ports: Mapping[Key, Ports], slow: set[Key]) -> None:
        self._port, self._ports, self._slow = port, ports, slow

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(about: Key | Rollout, *rest: Any, **named: Any) -> Any:
            key = about if isinstance(about, Key) else about.key
            work = getattr(getattr(self._ports[key], self._port), method)
            slow = key in self._slow and asyncio.iscoroutinefunction(work)
            return (_late if slow else _at_once)(work, about, *rest, **named)

        return call


async def _late(work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    await asyncio.sleep(HANGS)
    return await work(*arguments, **named)


def _at_once(work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    return work(*arguments, **named)


class Fleet(Silence):
    """Several rollouts under one scheduler."""

    def __init__(self, troubles: Sequence[str | None]) -> None:
        self.troubles = {Key("demo", f"web-{i}"): trouble for i, trouble in enumerate(troubles)}
        self.worlds = {key: self._world(key) for key in self.troubles}
        self.weights: dict[Key, Timeline] = {key: [] for key in self.troubles}
        self.lags: list[float] = []
        slow = {key for key, trouble in self.troubles.items() if trouble == "slow writes"}
        ports = {key: world.ports() for key, world in self.worlds.items()}
        names = ("rollouts", "workloads", "router", "events")
        shared: dict[str, Any] = {name: ByRollout(name, ports, slow) for name in names}
        self.checks = Checks(self, lambda key: self.scheduler.wake(key))  # noqa: PLW0108 - made below
        ticker = Ticker(Ports(metrics=self, **shared), SETTINGS, self.checks, self.clock)
        self.scheduler = Scheduler(ticker.tick, self.clock, telemetry=self)

    def _world(self, key: Key) -> World:
        world = World(key=key, spec=spec())
        if self.troubles[key] in {"slow query", "failing query", "rejected query"}:
            world.spec["analysis"] = {**world.spec["analysis"], "metrics": [QUERY]}
        world.after_write = lambda _: self._settle(key)
        return world

    def _settle(self, key: Key) -> None:
        world = self.worlds[key]
        for deployment in world.deployments.values():
            deployment.move_all(world.starts)
        weight = world.status.get("weight", 0)
        if not self.weights[key] or self.weights[key][-1][1] != weight:
            self.weights[key].append((virtual_time.now(), weight))
        self.scheduler.wake(key)

    def clock(self) -> datetime:
        return START + timedelta(seconds=virtual_time.now())

    # Port `MetricsSource`.

    async def read(self, measures: Sequence[Measure]) -> Mapping[Key, Readings]:
        return {measure.key: await self._read(measure) for measure in measures}

    async def _read(self, measure: Measure) -> Readings:
        trouble, about = self.troubles[measure.key], measure.about
        if trouble == "slow query":
            await asyncio.sleep(HANGS)
        if trouble == "failing query":
            raise RuntimeError("a bug in a source")
        canary = Count(requests=100, bad=0)
        counted = {View.PODS: Tracks(stable=Count(requests=10_000), canary=canary)}
        window = None if about.window is None else Seen(about.window, counted)
        return Readings(about.at, window, answers={"carts": NOT_MEASURED})

    async def try_out(self, key: Key, _: RolloutSpec) -> None:
        if self.troubles[key] == "slow query":
            await asyncio.sleep(HANGS)
        if self.troubles[key] == "rejected query":
            raise InvalidSpecError("Prometheus rejected the query")

    # Port `Telemetry`, as far as it matters.

    def ticked(self, outcome: TickOutcome, *, seconds: float, lag: float) -> None:
        self.lags.append(lag)

    async def live(self) -> None:
        """Bring everything up, release a new version everywhere, and cause the troubles."""
        for key in self.worlds:
            self.scheduler.wake(key)
        self.scheduler.start()
        await asyncio.sleep(100)
        for key, trouble in self.troubles.items():
            world = self.worlds[key]
            world.edit(template=template("v2"))
            if trouble == "wrong spec":
                world.edit(strategy={"steps": [{"weight": 0, "hold": "10s"}]})
            if trouble == "pods never ready":
                world.broken.add(revision_of(template("v2")))
            if trouble is not None and trouble in ERRORS:
                world.before_write = _raising(ERRORS[trouble])
            self.scheduler.wake(key)
        await asyncio.sleep(200)
        await self.scheduler.stop()
        await self.checks.stop()


def _raising(error: Exception) -> Callable[[str], None]:
    def fail(_: str) -> None:
        raise error

    return fail


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def lived(troubles: Sequence[str | None]) -> Fleet:
    async def inside() -> Fleet:
        fleet = Fleet(troubles)
        await fleet.live()
        return fleet

    return virtual_time.run(inside())


def well(fleet: Fleet) -> list[Timeline]:
    return [fleet.weights[key] for key, trouble in fleet.troubles.items() if trouble is None]


@pytest.mark.timeout(0)
@examples(15, 500)
@given(troubles=st.lists(st.sampled_from([None, *TROUBLES]), min_size=1, max_size=9))
def test_the_troubles_of_some_delay_no_other(troubles: list[str | None]) -> None:
    fleet = lived([None, *troubles])
    alone = well(lived([None]))[0]
    assert [weight for _, weight in alone] == [0, 5, 20, 50, 0], "promoted"
    for timeline in well(fleet):
        assert [weight for _, weight in timeline] == [0, 5, 20, 50, 0]
        late = [at - expected for (at, _), (expected, _) in zip(timeline, alone, strict=True)]
        assert max(late) <= TIMELY, f"{late} seconds late beside {troubles}"
    assert max(fleet.lags) <= TIMELY


@pytest.mark.parametrize("trouble", TROUBLES)
def test_each_trouble_is_one(trouble: str) -> None:
    fleet = lived([trouble])
    (timeline,) = fleet.weights.values()
    assert [weight for _, weight in timeline] != [0, 5, 20, 50, 0]
