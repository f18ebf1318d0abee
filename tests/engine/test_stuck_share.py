"""A broken route sends requests to the canary that nobody is there to take: its pods serve them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from canary_operator.domain.errors import RouterUnavailableError
from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.revision import revision_of
from canary_operator.testing.builders import template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World
from tests.engine.test_life import at_weight, reasons, until

WORDS = "Its HTTP route leaves nobody to take the 100 % of web-canary from it."
V1, V2, V3 = (revision_of(template(version)) for version in ("v1", "v2", "v3"))
DRAIN = timedelta(seconds=30)


@pytest.fixture
async def driver(driver: Driver) -> Driver:
    """A driver whose canary v2 has 20 %."""
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 20)
    return driver


def break_route(world: World, share: int = 100) -> None:
    """Leave the canary alone in its route, as an edit of stable's destination does."""
    world.route = replace(world.route, weight=share)
    world.route_broken, world.route_is_stuck = WORDS, True


def mend_route(world: World, share: int | None = None) -> None:
    world.route_broken, world.route_is_stuck = None, False
    if share is not None:
        world.route = replace(world.route, weight=share)


def serving(world: World) -> tuple[str | None, int]:
    """Return which revision serves what the route sends to the canary, with how many pods."""
    canary = world.deployments["canary"]
    return canary.revision, canary.replicas


def said(driver: Driver) -> str:
    return next(c.message for c in driver.status.conditions if c.type == "Ready")


async def seconds_until_gone(driver: Driver) -> timedelta:
    began = driver.world.now
    for _ in range(120):
        if driver.world.deployments["canary"].replicas == 0:
            return driver.world.now - began
        await driver.pass_time(1)
    raise AssertionError("the canary's pods never go")


@pytest.mark.parametrize("mended_with", [100, 20, 0])
@pytest.mark.parametrize("delay", [0, 30])
async def test_a_revert_leaves_the_pods_until_the_share_is_gone_and_drained(
    driver: Driver, mended_with: int, delay: int
) -> None:
    world = driver.world
    world.edit(strategy={**world.spec["strategy"], "scaleDownDelay": f"{delay}s"})
    break_route(world)
    world.edit(template=template("v1"))
    await driver.pass_time(600)
    assert serving(world) == (V2, 1)
    assert (driver.status.phase, driver.status.canary_revision) == (Phase.STABLE, None)
    assert driver.status.weight == 20, "nothing was taken"
    assert said(driver) == WORDS
    mend_route(world, mended_with)
    await driver.work()
    assert (world.route.weight, driver.status.weight) == (0, 0)
    assert (await seconds_until_gone(driver)).total_seconds() == delay


@pytest.mark.parametrize("mended_with", [100, 20, 0])
@pytest.mark.parametrize("end", ["reverted", "aborted"])
async def test_a_share_that_comes_while_pods_drain_keeps_them(
    driver: Driver, end: str, mended_with: int
) -> None:
    world = driver.world
    world.ask("abort") if end == "aborted" else world.edit(template=template("v1"))
    await driver.pass_time(10)
    assert (serving(world), world.route.weight) == ((V2, 1), 0)
    break_route(world)
    await driver.pass_time(300)
    assert serving(world) == (V2, 1)
    assert said(driver) == WORDS
    writes = len(world.writes)
    await driver.pass_time(300)
    assert len(world.writes) == writes, "nothing is left to do"
    driver.start()
    mend_route(world, mended_with)
    await driver.work()
    assert await seconds_until_gone(driver) == DRAIN


@pytest.mark.parametrize("before", ["on its steps", "paused", "reverted", "aborted"])
async def test_a_third_version_gets_no_pod_and_no_share_before_the_share_is_gone(
    driver: Driver, before: str
) -> None:
    world = driver.world
    if before == "paused":
        world.ask("pause")
        await until(driver, Phase.PAUSED)
    break_route(world)
    if before == "reverted":
        world.edit(template=template("v1"))
    if before == "aborted":
        world.ask("abort")
    await driver.pass_time(5)
    world.edit(template=template("v3"))
    await driver.pass_time(600)
    assert serving(world) == (V2, 1), "they serve what nobody else is there to serve"
    assert driver.status.canary_revision != V3
    assert V3 not in {entry.revision for entry in driver.status.history}
    assert f"Revision {V3} goes on trial when the route is mended" in driver.status.message
    mend_route(world)
    await driver.work()
    assert world.route.weight == 0
    gone = world.now
    while serving(world) != (V3, 1):
        assert world.route.weight == 0
        assert world.now - gone < timedelta(seconds=60)
        await driver.pass_time(1)
    assert world.now - gone >= timedelta(seconds=2), "proxies had time to follow"
    await at_weight(driver, 5)
    assert driver.status.canary_revision == V3


async def test_stable_is_set_back_although_nobody_takes_the_share(driver: Driver) -> None:
    world = driver.world
    await at_weight(driver, 50)
    world.broken.add(V2)
    await until(driver, Phase.PROMOTING)
    assert world.deployments["stable"].revision == V2
    break_route(world)
    world.ask("abort")
    await driver.pass_time(5)
    assert driver.status.phase is Phase.ROLLING_BACK
    assert world.deployments["stable"].revision == V1
    assert serving(world)[0] == V2
    assert serving(world)[1] > 0


async def test_stables_pods_follow_the_spec_although_nobody_takes_the_share(
    driver: Driver,
) -> None:
    world = driver.world
    break_route(world)
    world.edit(template=template("v1"), replicas=9)
    await driver.pass_time(5)
    assert world.deployments["stable"].replicas == 9
    assert serving(world) == (V2, 1)


async def test_a_person_gets_an_answer_although_nobody_takes_the_share(driver: Driver) -> None:
    world = driver.world
    break_route(world)
    await driver.pass_time(5)
    world.ask("pause")
    await driver.pass_time(5)
    assert world.request is None
    assert driver.status.last_request is not None
    assert driver.status.last_request.outcome == "Accepted"
    assert driver.status.phase is Phase.PROGRESSING, "nothing goes on anyway"
    mend_route(world)
    await until(driver, Phase.PAUSED)


async def test_an_abort_of_what_is_rolled_back_promises_nothing_that_cannot_be_done(
    driver: Driver,
) -> None:
    world = driver.world
    break_route(world)
    world.ask("abort")
    await driver.pass_time(5)
    world.ask(f"abort/{V2}")
    await driver.pass_time(5)
    assert driver.status.last_request is not None
    assert (
        driver.status.last_request.message == "All traffic goes to stable when the route is mended."
    )
    assert driver.status.weight == 20


async def test_at_rest_nothing_begins_where_the_route_would_give_it_all_requests(
    driver: Driver,
) -> None:
    world = driver.world
    world.ask("abort")
    await until(driver, Phase.ROLLED_BACK)
    break_route(world)
    await driver.pass_time(5)
    world.ask("retry")
    await driver.pass_time(5)
    assert driver.status.last_request is not None
    assert driver.status.last_request.outcome == "Refused"
    assert "retry when it is mended" in driver.status.last_request.message
    world.edit(template=template("v3"))
    await driver.pass_time(60)
    assert serving(world)[1] == 0
    assert driver.status.phase is Phase.ROLLED_BACK
    assert f"Revision {V3} goes on trial when the route is mended" in driver.status.message
    mend_route(world)
    await at_weight(driver, 5)
    assert driver.status.canary_revision == V3


async def test_the_drain_begins_when_the_share_is_really_gone_however_late(driver: Driver) -> None:
    world = driver.world
    break_route(world)
    world.ask("abort")
    await driver.pass_time(3600, step=10)
    assert serving(world) == (V2, 1)
    driver.start()
    mend_route(world, 20)
    await driver.work()
    assert await seconds_until_gone(driver) == DRAIN
    assert driver.status.phase is Phase.ROLLED_BACK


async def test_events_do_not_say_what_was_not_done(driver: Driver) -> None:
    world = driver.world
    break_route(world)
    world.edit(template=template("v1"))
    await driver.pass_time(30)
    (told,) = [one.message for one in world.events if one.reason is Reason.REVERTED]
    assert told.endswith("; all traffic goes to stable when its route is mended.")
    assert "serves everything" not in driver.status.message


@pytest.mark.parametrize("unreadable", [False, True])
async def test_whatever_keeps_the_router_from_taking_the_share_its_pods_stay(
    driver: Driver, unreadable: bool
) -> None:
    world = driver.world
    world.edit(strategy={**world.spec["strategy"], "scaleDownDelay": "0s"})
    await driver.work()
    assert world.route.weight == 20

    def refuse(name: str) -> None:
        if name == "route":
            raise RouterUnavailableError("the API server refuses the route")

    world.before_write = refuse
    if unreadable:
        world.route = replace(world.route, weight=None)
    for version in ("v3", "v1", "v3"):
        world.edit(template=template(version))
        await driver.pass_time(60)
        assert (serving(world)[0], driver.status.weight) == (V2, 20)
        assert serving(world)[1] > 0
    assert reasons(world).count(Reason.ROUTER_UNAVAILABLE) == 1
    assert driver.status.canary_revision != V3, "it would have the share of another"
    world.before_write = lambda _: None
    await driver.pass_time(10)
    assert driver.status.canary_revision == V3
    assert serving(world)[0] == V3
