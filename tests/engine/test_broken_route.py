"""A route that is somebody else's and lacks something: stable serves until it is mended."""

from datetime import timedelta

import pytest

from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.status import Outcome, Verdict
from canary_operator.ports import Key
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World
from tests.engine.test_life import at_weight, reasons, until

WORDS = "The route has no destination web-canary."


async def test_a_canary_loses_its_traffic_and_gets_it_back_when_the_route_is_mended(
    world: World, driver: Driver
) -> None:
    world.edit(template=template("v2"))
    await at_weight(driver, 20)
    world.route_broken = WORDS
    await driver.pass_time(1)
    assert (driver.status.weight, world.route.weight) == (0, 0)
    ready = next(c for c in driver.status.conditions if c.type == "Ready")
    assert (ready.reason, ready.message) == (Reason.INVALID_SPEC, WORDS)
    told = [notice.message for notice in world.events if "cannot be told" in notice.message]
    assert len(told) == 1
    assert told[0].endswith("20 % → 0 %.")
    world.route_broken = None
    await driver.pass_time(1)
    assert (driver.status.weight, world.route.weight) == (20, 20)
    await at_weight(driver, 50)


async def test_nothing_is_raised_or_written_while_the_route_is_broken(
    world: World, driver: Driver
) -> None:
    world.route_broken = WORDS
    world.edit(template=template("v2"))
    await driver.pass_time(30)
    assert driver.status.phase is Phase.PROGRESSING
    assert driver.status.weight in {None, 0}
    before = list(world.writes)
    await driver.pass_time(300)
    assert world.writes == before
    assert driver.status.phase is Phase.PROGRESSING, "it is no fault of the canary"
    world.route_broken = None
    await at_weight(driver, 5)


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PAUSED])
async def test_the_time_until_a_route_is_mended_is_no_part_of_the_deadline(
    world: World, driver: Driver, phase: Phase
) -> None:
    world.edit(template=template("v2"))
    await at_weight(driver, 20)
    world.route_broken = WORDS
    if phase is Phase.PAUSED:
        world.edit(paused=True)
    await driver.pass_time(600)
    assert driver.status.phase is phase
    world.route_broken = None
    await driver.pass_time(2)
    assert driver.status.phase is phase
    world.edit(paused=False)
    await driver.pass_time(2)
    assert driver.status.weight == 20
    await until(driver, Phase.STABLE)
    assert driver.status.history[0].outcome is Outcome.PROMOTED


async def test_the_deadline_goes_on_where_it_was_when_a_route_is_mended(
    world: World, driver: Driver
) -> None:
    world.edit(template=template("v2"))
    await at_weight(driver, 20)
    world.verdict = Verdict.INCONCLUSIVE
    began = world.now
    await driver.pass_time(10)
    world.route_broken = WORDS
    await driver.pass_time(300)
    world.route_broken = None
    await until(driver, Phase.ROLLING_BACK)
    over = world.now - began - timedelta(seconds=300)
    alone = await _time_to_deadline()
    assert abs(over - alone) <= timedelta(seconds=2)


async def _time_to_deadline() -> timedelta:
    """Return how long a canary without data lasts at 20 % when nothing is broken."""
    world = World(key=Key("demo", "web"), spec=spec())
    driver = Driver(world)
    await driver.work()
    world.edit(template=template("v2"))
    await at_weight(driver, 20)
    world.verdict = Verdict.INCONCLUSIVE
    began = world.now
    await until(driver, Phase.ROLLING_BACK)
    return world.now - began


async def test_a_rollback_ends_although_the_route_is_broken(world: World, driver: Driver) -> None:
    world.edit(template=template("v2"))
    await at_weight(driver, 20)
    world.route_broken = WORDS
    world.ask("abort")
    await until(driver, Phase.ROLLED_BACK)
    assert world.route.weight == 0
    assert world.deployments["canary"].replicas == 0
    assert Reason.ROLLED_BACK in reasons(world)


async def test_a_share_that_nobody_takes_is_not_called_nothing_and_its_stay_begins_when_mended(
    world: World, driver: Driver
) -> None:
    world.edit(template=template("v2"))
    await at_weight(driver, 20)
    world.route_broken, world.route_is_stuck = WORDS, True
    await driver.pass_time(1)
    told, written = len(world.events), len(world.writes)
    await driver.pass_time(600)
    assert (driver.status.phase, driver.status.weight) == (Phase.PROGRESSING, 20)
    assert not [one for one in world.events if "20 % → 0 %" in one.message]
    assert (len(world.events), len(world.writes)) == (told, written), "nothing is left to do"
    world.route_broken, world.route_is_stuck = None, False
    await driver.pass_time(2)
    assert (driver.status.phase, driver.status.weight) == (Phase.PROGRESSING, 20)
    assert driver.status.attempt is not None
    began = driver.status.attempt.hold_started_at
    assert began is not None
    assert world.now - began <= timedelta(seconds=3), "what it got meanwhile was no stay"
    await at_weight(driver, 50)


async def test_a_rollback_keeps_the_pods_of_a_share_that_nobody_takes(
    world: World, driver: Driver
) -> None:
    world.edit(template=template("v2"))
    await at_weight(driver, 20)
    pods = world.deployments["canary"].replicas
    world.route_broken, world.route_is_stuck = WORDS, True
    world.ask("abort")
    await until(driver, Phase.ROLLING_BACK)
    await driver.pass_time(600)
    assert (driver.status.phase, driver.status.weight) == (Phase.ROLLING_BACK, 20)
    assert world.deployments["canary"].replicas == pods, "they serve"
    world.route_is_stuck = False
    mended = world.now
    await until(driver, Phase.ROLLED_BACK)
    assert world.route.weight == 0
    assert world.now - mended >= timedelta(seconds=30), "requests under way had time to end"
    assert world.deployments["canary"].replicas == 0


async def test_a_promotion_does_not_end_while_nobody_takes_the_share(
    world: World, driver: Driver
) -> None:
    world.edit(template=template("v2"))
    await at_weight(driver, 50)
    world.ask("promote")
    world.route_broken, world.route_is_stuck = WORDS, True
    await driver.pass_time(600)
    assert driver.status.canary_revision is not None
    assert world.deployments["canary"].replicas > 0
    world.route_broken, world.route_is_stuck = None, False
    await until(driver, Phase.STABLE)
    assert world.route.weight == 0


async def test_a_promotion_ends_although_the_route_is_broken(world: World, driver: Driver) -> None:
    world.edit(template=template("v2"))
    await at_weight(driver, 50)
    world.pod_start = timedelta(seconds=5)
    world.ask("promote")
    await until(driver, Phase.PROMOTING)
    world.route_broken = WORDS
    await until(driver, Phase.STABLE)
    assert world.route.weight == 0
