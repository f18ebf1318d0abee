"""How many pods a rollout has, and gives back, whose pods are taken from a Deployment."""

from typing import Any

import pytest

from canary_operator.domain.phase import Phase
from canary_operator.domain.revision import revision_of
from canary_operator.ports import Key
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World
from canary_operator.testing.referenced import Referenced
from tests.engine.test_autoscaling import until
from tests.engine.test_workload_ref import adopted, adopting, referenced


def world_with(pods: int, **fields: Any) -> World:
    """Return a world whose Deployment has so many pods, and no rollout has seen it yet."""
    world = World(key=Key("demo", "web"), spec={**adopting(), **fields})
    world.refer(Referenced.running(template("v1"), pods))
    return world


def stable_pods(driver: Driver) -> int:
    return driver.world.deployments["stable"].replicas


async def test_stable_of_a_deployment_without_pods_keeps_its_pod_after_a_restart() -> None:
    driver = await adopted(world_with(0))
    assert stable_pods(driver) == 1
    driver.start()  # nothing is remembered
    await driver.pass_time(5)
    assert stable_pods(driver) == 1


async def test_stable_of_a_deployment_without_pods_keeps_its_pod_with_the_next_version() -> None:
    driver = await adopted(world_with(0))
    referenced(driver.world).edit(template("v2"))
    fewest = stable_pods(driver)
    for _ in range(120):
        await driver.pass_time(1)
        fewest = min(fewest, stable_pods(driver))
    assert driver.status.phase is Phase.STABLE
    assert driver.status.stable_revision == revision_of(template("v2"))
    assert fewest == 1


async def test_a_record_of_no_pods_is_none() -> None:
    driver = await adopted(world_with(3))
    driver.world.status["workload"]["replicas"] = 0
    driver.world.version += 1
    driver.start()
    await driver.pass_time(5)
    assert stable_pods(driver) == 3


async def test_where_nothing_tells_how_many_pods_there_were_stable_keeps_what_it_has() -> None:
    driver = await adopted(world_with(3))
    driver.world.status = {}
    driver.world.version += 1
    referenced(driver.world).replicas_before = None  # a tool has replaced the Deployment
    driver.start()
    await driver.pass_time(5)
    assert stable_pods(driver) == 3
    driver.start()
    await driver.pass_time(5)
    assert stable_pods(driver) == 3


async def test_a_deployment_without_pods_gets_those_of_stable_back() -> None:
    driver = await adopted(world_with(0, replicas=4))
    assert referenced(driver.world).replicas_before == 4
    driver.world.delete()
    await driver.pass_time(10)
    assert driver.world.is_gone
    assert referenced(driver.world).deployment.replicas == 4


BOUNDS = {"minReplicas": 1, "maxReplicas": 20, "capacity": {"stableFloor": "HPA"}}


async def on_trial_at_half() -> Driver:
    """Return a driver whose canary has half of the load of eight pods, and stable the other."""
    driver = await adopted(world_with(3, autoscaling=BOUNDS))
    driver.world.autoscale("stable", 8)
    await driver.work()
    referenced(driver.world).edit(template("v2"))
    await until(driver, lambda: driver.status.weight == 50)
    driver.world.autoscale("stable", 4)
    await driver.work()
    assert (driver.status.full_load, stable_pods(driver)) == (8, 4)
    return driver


async def test_deleted_on_trial_the_deployment_gets_the_pods_for_all_requests() -> None:
    driver = await on_trial_at_half()
    driver.world.delete()
    await driver.pass_time(10)
    assert driver.world.is_gone
    assert referenced(driver.world).deployment.replicas == 8


async def test_deleted_at_rest_the_deployment_gets_the_pods_that_stable_needs_now() -> None:
    driver = await on_trial_at_half()
    await until(driver, lambda: driver.status.phase is Phase.STABLE)
    await driver.pass_time(600, step=10)
    driver.world.autoscale("stable", 10)
    await driver.work()
    driver.world.delete()
    await driver.pass_time(10)
    assert referenced(driver.world).deployment.replicas == 10


def from_a_template(**fields: Any) -> World:
    """Return a world whose rollout has pods of its own, beside a Deployment of a newer version."""
    world = World(key=Key("demo", "web"), spec=spec(**fields))
    world.refer(Referenced.running(template("v2"), 3))
    return world


async def switched(world: World) -> Driver:
    """Return a driver whose rollout has just been told to take its pods from the Deployment."""
    driver = Driver(world)
    await driver.work()
    assert driver.status.stable_revision == revision_of(template("v1"))
    world.edit(template=None, replicas=None, workloadRef={"name": "web"})
    await driver.work()
    return driver


async def test_a_deployment_named_later_keeps_its_pods_until_its_version_is_stable() -> None:
    driver = await switched(from_a_template())
    for _ in range(120):
        await driver.pass_time(1)
        if driver.status.stable_revision != revision_of(template("v2")):
            assert referenced(driver.world).deployment.replicas == 3
            assert driver.status.workload is None
    assert driver.status.phase is Phase.STABLE
    assert driver.status.stable_revision == revision_of(template("v2"))
    assert referenced(driver.world).deployment.replicas == 0
    assert stable_pods(driver) == 3


async def test_a_deployment_named_later_keeps_its_pods_when_its_version_is_rolled_back() -> None:
    world = from_a_template()
    world.broken.add(revision_of(template("v2")))
    driver = await switched(world)
    await until(driver, lambda: driver.status.phase is Phase.ROLLED_BACK, 1200)
    driver.start()
    await driver.pass_time(10)
    assert referenced(world).deployment.replicas == 3
    assert driver.status.workload is None
    world.delete()
    await driver.pass_time(10)
    assert world.is_gone
    assert referenced(world).deployment.replicas == 3


async def test_a_deployment_named_later_with_the_same_version_is_scaled_down_at_once() -> None:
    world = from_a_template()
    referenced(world).edit(template("v1"))
    driver = await switched(world)
    await driver.pass_time(5)
    assert driver.status.phase is Phase.STABLE
    assert referenced(world).deployment.replicas == 0


async def test_a_version_that_comes_as_stable_takes_its_place_keeps_the_deployment_replaced() -> (
    None
):
    """Its Service leads to stable already: what it had is to be known before it is deleted."""
    world = world_with(3)
    driver = Driver(world)
    edits = iter([template("v2")])

    def edit(name: str) -> None:
        if name == "take service over" and (newer := next(edits, None)):
            referenced(world).edit(newer)

    world.after_write = edit
    await driver.pass_time(5)
    assert driver.status.workload is not None
    assert driver.status.phase is Phase.PROGRESSING
    assert referenced(world).deployment.replicas == 0


@pytest.mark.parametrize("pods", [3, 12], ids=["fewer than stable", "more than stable"])
async def test_autoscaled_stable_gets_the_pods_of_a_deployment_named_later_after_its_trial(
    pods: int,
) -> None:
    driver = Driver(from_a_template(autoscaling={"minReplicas": 1, "maxReplicas": 20}))
    referenced(driver.world).scale(pods)
    await driver.work()
    driver.world.autoscale("stable", 10)
    await driver.work()
    driver.world.edit(template=None, workloadRef={"name": "web"})
    await until(driver, lambda: driver.status.weight == 50)
    assert driver.world.autoscalers["stable"].least == 10
    await until(driver, lambda: driver.status.phase is Phase.STABLE)
    assert driver.world.autoscalers["stable"].least == max(10, pods)
    await driver.pass_time(10)
    assert referenced(driver.world).deployment.replicas == 0
    assert driver.world.autoscalers["stable"].least == max(10, pods), "not all was seen yet"
