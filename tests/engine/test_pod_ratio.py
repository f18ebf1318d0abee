"""The life of a rollout without a mesh: pods behind one Service are the share."""

from typing import Any

import pytest

from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.revision import revision_of
from canary_operator.domain.status import Outcome, Verdict
from canary_operator.ports import Key
from canary_operator.testing.builders import spec, template, without_a_mesh
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import Killed, World

V1, V2 = revision_of(template("v1")), revision_of(template("v2"))


def pods(world: World, track: str) -> int:
    """Return the pods that requests reach."""
    found = world.deployments.get(track)
    return sum(pod.available for pod in found.pods) if found else 0


def true_share(world: World) -> float:
    """Return what the canary's pods get of the requests, in percent."""
    canary = pods(world, "canary") if world.route.weight else 0
    return 100 * canary / max(1, canary + pods(world, "stable"))


def open_world(*weights: int, **changes: Any) -> World:
    return World(
        key=Key("demo", "web"), spec=spec(**without_a_mesh(*(weights or (25, 50))) | changes)
    )


async def started(world: World) -> Driver:
    driver = Driver(world)
    await driver.work()
    return driver


async def until(driver: Driver, reached: Any, seconds: int = 400) -> None:
    for _ in range(seconds):
        if reached():
            return
        await driver.pass_time(1)
    raise AssertionError(f"was not reached: {driver.status}")


async def at_weight(driver: Driver, weight: int) -> None:
    await until(driver, lambda: driver.status.weight == weight)


async def test_the_service_is_there_before_stable_is() -> None:
    world = open_world()
    world.broken.add(V1)
    driver = await started(world)
    assert driver.status.phase is Phase.INITIALIZING
    assert world.route.exists, "callers get what stable has, as with any Service"
    assert world.route.weight == 0


async def test_a_canary_climbs_in_pods_and_is_promoted() -> None:
    world = open_world()
    driver = await started(world)
    world.edit(template=template("v2"))
    await driver.work()
    seen: list[tuple[int | None, int, float]] = []
    for _ in range(120):
        now = (driver.status.weight, pods(world, "canary"), true_share(world))
        if now not in seen[-1:]:
            seen.append(now)
        await driver.pass_time(1)
    assert seen == [(25, 1, 25.0), (50, 3, 50.0), (0, 3, 0.0), (0, 0, 0.0)]
    assert driver.status.stable_revision == V2
    assert driver.status.history[0].outcome is Outcome.PROMOTED
    assert driver.status.history[0].max_weight == 50


async def test_no_pod_of_the_next_step_comes_before_it_is_earned() -> None:
    world = open_world()
    driver = await started(world)
    world.edit(template=template("v2"))
    await at_weight(driver, 25)
    world.verdict = Verdict.INCONCLUSIVE
    for _ in range(60):
        await driver.pass_time(1)
        assert world.deployments["canary"].replicas == 1
        assert true_share(world) <= 25
    recorded: list[int] = []

    def look(name: str) -> None:
        if name == "canary":
            recorded.append(world.status["weight"])

    world.before_write, world.verdict = look, Verdict.PASS
    await at_weight(driver, 50)
    await driver.pass_time(5)
    assert recorded[0] == 50, "the raise is recorded before it is done"


async def test_the_service_opens_when_the_pods_of_the_first_step_are_there() -> None:
    world = open_world(50)
    driver = await started(world)
    world.broken.add(V2)
    world.edit(template=template("v2"))
    await driver.pass_time(20)
    assert (world.deployments["canary"].replicas, world.route.weight) == (3, 0)
    world.broken.clear()
    await driver.work()
    assert true_share(world) == 50


async def test_the_hold_begins_when_the_last_pod_of_a_step_is_there() -> None:
    world = open_world()
    driver = await started(world)
    world.edit(template=template("v2"))
    await at_weight(driver, 25)
    world.broken.add(V2)
    await at_weight(driver, 50)
    await driver.pass_time(60)
    assert driver.status.phase is Phase.PROGRESSING, "the share is lower by itself, nothing is lost"
    assert driver.status.weight == 50
    assert "50 % as soon as 3 canary pods are available" in (driver.status.message or "")
    world.broken.clear()
    await driver.work()
    began = world.now
    await until(driver, lambda: driver.status.phase is not Phase.PROGRESSING)
    assert (world.now - began).total_seconds() >= 10


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict.FAIL, Reason.ANALYSIS_FAILED),
        (Verdict.INCONCLUSIVE, Reason.NO_DATA),
    ],
)
async def test_a_canary_whose_pods_come_and_go_is_judged_all_the_same(
    verdict: Verdict, reason: Reason
) -> None:
    world = open_world(
        50, analysis=without_a_mesh(50)["analysis"] | {"interval": "30s", "window": "1m"}
    )
    driver = await started(world)
    world.edit(template=template("v2"))
    await at_weight(driver, 50)
    world.verdict = verdict
    for _ in range(12):
        await driver.pass_time(45)
        if driver.status.phase is not Phase.PROGRESSING:
            break
        world.deployments["canary"].pods[0].available = False
        await driver.settle()
    assert driver.status.history[0].reason == reason


async def test_pods_that_never_come_roll_back_at_the_deadline() -> None:
    world = open_world()
    driver = await started(world)
    world.edit(template=template("v2"))
    await at_weight(driver, 25)
    world.broken.add(V2)
    await until(driver, lambda: driver.status.phase is Phase.ROLLED_BACK)
    assert driver.status.history[0].reason == Reason.PROGRESS_DEADLINE_EXCEEDED
    assert "1 of 3 canary pods became available" in driver.status.history[0].message


async def test_a_canary_without_a_pod_is_taken_out_and_comes_back() -> None:
    world = open_world()
    driver = await started(world)
    world.edit(template=template("v2"))
    await at_weight(driver, 25)
    for pod in world.deployments["canary"].pods:
        pod.available = False
    await driver.settle()
    assert world.route.weight == 0
    await driver.work()
    assert (driver.status.weight, true_share(world)) == (25, 25)


async def test_a_canary_that_somebody_scales_goes_back_to_its_share() -> None:
    world = open_world()
    driver = await started(world)
    world.edit(template=template("v2"))
    await at_weight(driver, 25)
    world.deployments["canary"].replicas = 9
    await driver.settle()
    assert world.deployments["canary"].replicas == 1


@pytest.mark.parametrize("weight", [None, 90])
async def test_a_service_that_somebody_opens_is_closed(weight: int | None) -> None:
    world = open_world()
    driver = await started(world)
    world.route = type(world.route)(exists=True, weight=weight)
    await driver.settle()
    assert world.route.weight == 0


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING])
async def test_an_abort_closes_the_service_first_in_every_phase(phase: Phase) -> None:
    world = open_world()
    driver = await started(world)
    world.edit(template=template("v2"))
    await at_weight(driver, 50 if phase is Phase.PROMOTING else 25)
    if phase is Phase.PAUSED:
        world.ask("pause")
    if phase is Phase.PROMOTING:
        world.ask("promote")
    await driver.settle()
    assert driver.status.phase is phase
    count = len(world.writes)
    world.ask("abort")
    await driver.settle()
    assert world.writes[count : count + 2] == ["route", "status"]
    assert (world.route.weight, world.route.rejected) == (0, V2)
    assert world.deployments["canary"].replicas > 0, "pods live on while proxies follow"
    await until(driver, lambda: driver.status.phase is Phase.ROLLED_BACK)
    assert world.deployments["canary"].replicas == 0
    assert world.deployments["stable"].revision == V1


async def test_failed_checks_close_the_service() -> None:
    world = open_world()
    driver = await started(world)
    world.edit(template=template("v2"))
    await at_weight(driver, 25)
    world.verdict = Verdict.FAIL
    await until(driver, lambda: driver.status.phase is Phase.ROLLED_BACK)
    assert driver.status.history[0].reason == Reason.ANALYSIS_FAILED


async def test_a_kill_at_any_write_of_a_whole_life_changes_nothing_in_the_end() -> None:
    async def live(at: int | None, *, after: bool) -> World:
        world = open_world()
        driver = await started(world)
        writes = 0

        def kill(_: str) -> None:
            nonlocal writes
            writes += 1
            if writes == at:
                raise Killed

        if after:
            world.after_write = kill
        else:
            world.before_write = kill
        world.edit(template=template("v2"))
        for _ in range(90):
            await driver.pass_time(1)
            assert true_share(world) <= 50
        world.edit(template=template("v1"))
        await driver.pass_time(20)
        world.ask("abort")
        await driver.pass_time(60)
        return world

    def end(world: World) -> Any:
        sizes = {track: (one.revision, one.replicas) for track, one in world.deployments.items()}
        return sizes, world.route, world.status["phase"], world.status["stableRevision"]

    calm = await live(None, after=False)
    for number in range(1, len(calm.writes)):
        for after in (False, True):
            assert end(await live(number, after=after)) == end(calm), (number, after)
