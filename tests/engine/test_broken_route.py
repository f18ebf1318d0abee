"""A route that is somebody else's and lacks something: stable serves until it is mended."""

from datetime import timedelta

from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.testing.builders import template
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


async def test_a_rollback_ends_although_the_route_is_broken(world: World, driver: Driver) -> None:
    world.edit(template=template("v2"))
    await at_weight(driver, 20)
    world.route_broken = WORDS
    world.ask("abort")
    await until(driver, Phase.ROLLED_BACK)
    assert world.route.weight == 0
    assert world.deployments["canary"].replicas == 0
    assert Reason.ROLLED_BACK in reasons(world)


async def test_a_promotion_ends_although_the_route_is_broken(world: World, driver: Driver) -> None:
    world.edit(template=template("v2"))
    await at_weight(driver, 50)
    world.pod_start = timedelta(seconds=5)
    world.ask("promote")
    await until(driver, Phase.PROMOTING)
    world.route_broken = WORDS
    await until(driver, Phase.STABLE)
    assert world.route.weight == 0
