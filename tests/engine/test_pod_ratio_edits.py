"""Edits of a rollout without a mesh: more and fewer pods, and another router."""

from contextlib import suppress

import pytest

from canary_operator.domain.errors import RouterUnavailableError
from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.status import Verdict
from canary_operator.ports import Key
from canary_operator.testing.builders import spec, template, without_a_mesh
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World
from tests.engine.test_pod_ratio import V2, at_weight, open_world, started, true_share, until


async def test_pods_that_scale_follow_within_the_share_that_was_earned() -> None:
    world = open_world()
    driver = await started(world)
    world.edit(template=template("v2"))
    await at_weight(driver, 25)
    world.verdict = Verdict.INCONCLUSIVE
    for replicas, canary in ((4, 1), (9, 3), (20, 7), (6, 2), (3, 1)):
        world.edit(replicas=replicas)
        for _ in range(3):
            await driver.pass_time(1)
            assert 0 < true_share(world) < 26, "25 %, rounded down"
        assert world.deployments["stable"].replicas == replicas
        assert world.deployments["canary"].replicas == canary
        assert driver.status.weight == 25


async def test_fewer_pods_than_the_steps_need_are_refused_and_what_runs_goes_on() -> None:
    world = open_world()
    driver = await started(world)
    world.edit(template=template("v2"))
    await at_weight(driver, 25)
    world.edit(replicas=2)
    await driver.settle()
    assert world.deployments["stable"].replicas == 3
    assert true_share(world) == 25
    ready = next(one for one in driver.status.conditions if one.type == "Ready")
    assert ready.reason == "InvalidSpec"
    assert "25 % needs 3 stable pods; with 2 the smallest share is 33 %" in ready.message
    await until(driver, lambda: driver.status.stable_revision == V2)


async def test_rounded_up_the_traffic_goes_before_stable_pods_do() -> None:
    world = open_world(replicas=10, traffic={"replicas": {"rounding": "Up"}})
    driver = await started(world)
    world.edit(template=template("v2"))
    await at_weight(driver, 28)
    world.verdict = Verdict.INCONCLUSIVE
    count = len(world.writes)
    world.edit(replicas=1)
    await driver.settle()
    done = world.writes[count:]
    assert done.index("route") < done.index("stable")
    await driver.pass_time(5)
    assert (driver.status.weight, true_share(world)) == (50, 50)


async def test_a_later_step_comes_back_only_with_a_share_that_was_reached() -> None:
    world = open_world(10, 25, replicas=10, traffic={"replicas": {"rounding": "Up"}})
    driver = await started(world)
    world.edit(template=template("v2"))
    await at_weight(driver, 28)
    world.verdict = Verdict.INCONCLUSIVE
    world.edit(replicas=1)
    await driver.pass_time(30)
    assert (driver.status.phase, driver.status.weight) == (Phase.PROGRESSING, 0)
    assert "0 %, as a single canary pod beside 1 of stable gets 50 %, more than" in (
        driver.status.message or ""
    )
    world.edit(replicas=10)
    await driver.pass_time(5)
    assert driver.status.weight == 28
    world.edit(replicas=1)
    await until(driver, lambda: driver.status.phase is Phase.ROLLED_BACK)
    assert driver.status.history[0].reason == Reason.PROGRESS_DEADLINE_EXCEEDED
    assert "more than the 28 % that were reached" in driver.status.history[0].message
    assert driver.status.history[0].max_weight == 28


async def test_nothing_gets_traffic_where_no_pod_is_wanted() -> None:
    world = open_world()
    driver = await started(world)
    world.edit(replicas=0, template=template("v2"))
    await driver.pass_time(30)
    assert world.route.weight == 0
    world.edit(replicas=3)
    await driver.pass_time(5)
    assert true_share(world) == 25


async def test_another_router_is_refused_and_what_runs_goes_on() -> None:
    world = open_world()
    driver = await started(world)
    world.edit(template=template("v2"))
    await at_weight(driver, 25)
    world.edit(traffic={"istio": {}})
    await driver.settle()
    ready = next(one for one in driver.status.conditions if one.type == "Ready")
    assert ready.reason == "InvalidSpec"
    assert world.deployments["canary"].replicas == 1


@pytest.mark.parametrize("under_way", [False, True])
async def test_another_router_is_taken_while_nothing_splits_requests_yet(under_way: bool) -> None:
    world = World(key=Key("demo", "web"), spec=spec(replicas=3))

    def lack_istio(name: str) -> None:
        counted = any("traffic" in record.settings for record in world.records)
        if name == "route" and not counted:
            raise RouterUnavailableError("Istio's VirtualService is not installed")

    world.before_write = lack_istio
    driver = Driver(world)
    await busy(driver, 5)
    if under_way:
        world.edit(template=template("v2"))
        await busy(driver, 5)
    before = dict(world.spec)
    world.edit(**without_a_mesh(25))
    if under_way:
        await busy(driver, 5)
        assert not world.route.exists, "a share of requests would come to mean something else"
        world.spec = before
        world.edit(template=template("v1"))
        await busy(driver, 5)
        world.edit(**without_a_mesh(25))
    await driver.pass_time(5)
    ready = next(one for one in driver.status.conditions if one.type == "Ready")
    assert (ready.status, world.route.weight) == ("True", 0)
    world.edit(template=template("v2"))
    await at_weight(driver, 25)


async def busy(driver: Driver, seconds: int) -> None:
    """Let time pass while a write is refused again and again."""
    for _ in range(seconds):
        with suppress(AssertionError):
            await driver.pass_time(1)
