"""The progress deadline while a route is broken, a rollout is paused, or both."""

from datetime import datetime, timedelta

import pytest

from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.status import Verdict
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World
from tests.engine.test_life import at_weight, until
from tests.engine.test_stuck_share import WORDS, mend_route


async def time_on_the_clock(driver: Driver) -> timedelta:
    """Return for how long the deadline has counted when it passes, from now on."""
    began = driver.world.now
    await until(driver, Phase.ROLLING_BACK, 3600)
    return driver.world.now - began


@pytest.fixture
async def silent(driver: Driver) -> Driver:
    """A canary at 20 % of which no check can tell anything."""
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 20)
    driver.world.verdict = Verdict.INCONCLUSIVE
    return driver


@pytest.fixture
async def alone(world: World) -> timedelta:
    """How long a canary without data lasts at 20 % where nothing is broken."""
    other = Driver(World(key=world.key, spec=spec()))
    await other.work()
    other.world.edit(template=template("v2"))
    await at_weight(other, 20)
    other.world.verdict = Verdict.INCONCLUSIVE
    return await time_on_the_clock(other)


@pytest.mark.parametrize("stuck", [False, True])
async def test_a_route_that_flaps_neither_stops_the_deadline_nor_counts_for_it(
    silent: Driver, alone: timedelta, stuck: bool
) -> None:
    world, broken = silent.world, timedelta()
    began = world.now
    for _ in range(5):
        await silent.pass_time(20)
        world.route_broken, world.route_is_stuck = WORDS, stuck
        await silent.pass_time(15)
        silent.start()
        await silent.pass_time(15)
        broken += timedelta(seconds=30)
        mend_route(world)
    await until(silent, Phase.ROLLING_BACK, 3600)
    assert abs(world.now - began - broken - alone) <= timedelta(seconds=40)
    assert silent.status.history[0].reason in {Reason.NO_DATA, Reason.PROGRESS_DEADLINE_EXCEEDED}


@pytest.mark.parametrize(
    ("broken", "paused"),
    [
        pytest.param((10, 200), (50, 100), id="paused while broken"),
        pytest.param((50, 100), (10, 200), id="broken while paused"),
        pytest.param((10, 100), (50, 200), id="broken, then paused as well"),
        pytest.param((50, 200), (10, 100), id="paused, then broken as well"),
        pytest.param((10, 50), (100, 200), id="one after the other"),
    ],
)
async def test_a_pause_and_a_broken_route_at_the_same_time_stop_the_deadline_once(
    silent: Driver, alone: timedelta, broken: tuple[int, int], paused: tuple[int, int]
) -> None:
    world, began = silent.world, silent.world.now
    for second in range(201):
        if second == broken[0]:
            world.route_broken = WORDS
        if second == broken[1]:
            mend_route(world)
        if second in paused:
            world.edit(paused=second == paused[0])
        await silent.pass_time(1)
    stopped = len({*range(*broken), *range(*paused)})
    over = await over_at(silent) - began
    assert abs(over - timedelta(seconds=stopped) - alone) <= timedelta(seconds=5)


async def over_at(driver: Driver) -> datetime:
    await until(driver, Phase.ROLLING_BACK, 3600)
    return driver.world.now
