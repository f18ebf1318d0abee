"""Killed at any write, an operator ends a trial with a stuck share as if nothing had happened."""

from datetime import timedelta

import pytest

from canary_operator.domain.phase import Phase
from canary_operator.ports import Key
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import Killed, World
from tests.engine.test_life import at_weight, until
from tests.engine.test_stuck_share import V2, break_route, mend_route, serving

STORIES = ("reverted", "aborted", "superseded", "promoted")


async def tell(driver: Driver, story: str) -> None:
    """Let a trial end while its share is stuck, and mend the route a minute later."""
    world = driver.world
    if story == "promoted":
        await at_weight(driver, 50)
        world.ask("promote")
        world.pod_start = timedelta(seconds=5)
        await until(driver, Phase.PROMOTING)
    break_route(world)
    match story:
        case "reverted":
            world.edit(template=template("v1"))
        case "superseded":
            world.edit(template=template("v3"))
        case "aborted":
            world.ask("abort")
    await driver.pass_time(60)
    assert serving(world)[0] == V2
    assert serving(world)[1] > 0
    mend_route(world)
    await until(driver, Phase.ROLLED_BACK if story == "aborted" else Phase.STABLE, 1200)


def essence(driver: Driver) -> tuple[object, ...]:
    world, status = driver.world, driver.status
    sizes = {name: (one.revision, one.replicas) for name, one in world.deployments.items()}
    outcomes = [(entry.revision, entry.outcome) for entry in status.history]
    return sizes, world.route, status.phase, status.weight, status.stable_revision, outcomes


async def play(story: str, when: str, kill_at: int | None) -> tuple[Driver, int]:
    """Play a story, killing the operator at one of its writes; return how many there were."""
    world = World(key=Key("demo", "web"), spec=spec())
    driver = Driver(world)
    await driver.work()
    world.edit(template=template("v2"))
    await at_weight(driver, 20)
    writes = 0

    def count(_: str) -> None:
        nonlocal writes
        writes += 1
        if writes == kill_at:
            raise Killed

    setattr(world, f"{when}_write", count)
    await tell(driver, story)
    return driver, writes


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("story", STORIES)
async def test_killed_at_any_write_the_end_is_the_same(story: str, when: str) -> None:
    undisturbed, writes = await play(story, when, None)
    assert writes > 1
    for nth in range(1, writes + 1):
        driver, _ = await play(story, when, nth)
        assert driver.kills == 1
        assert essence(driver) == essence(undisturbed), f"killed {when} write {nth}"
