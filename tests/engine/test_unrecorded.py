"""While the status cannot be written, or seems so: what was found is not lost, nor untold."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from canary_operator.domain.errors import ConflictError, UnavailableError
from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.status import Verdict
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World

LONG = {"steps": [{"weight": 20, "hold": "10m"}], "progressDeadline": "10m"}


async def under_way(driver: Driver, failures_tolerated: int) -> None:
    """Bring a canary to its only step, where it stays."""
    analysis = {**spec()["analysis"], "failureLimit": failures_tolerated}
    driver.world.edit(template=template("v2"), strategy=LONG, analysis=analysis)
    for _ in range(60):
        await driver.pass_time(1)
        if driver.status.attempt.last_check is not None:
            return
    raise AssertionError(f"no check was made: {driver.status}")


async def pass_time(driver: Driver, seconds: int) -> None:
    """Let time pass; what is put off is tried again each second."""
    for _ in range(seconds):
        driver.world.now += timedelta(seconds=1)
        with suppress(ConflictError):
            await driver.ticker.tick(driver.world.key)
        while driver.checks.busy:  # noqa: ASYNC110 - a few turns of the loop
            await asyncio.sleep(0)


def refuse_status(world: World) -> None:
    """Have somebody else be quicker at each write of the status."""

    def conflict(name: str) -> None:
        if name == "status":
            raise ConflictError("changed")

    world.before_write = conflict


@pytest.mark.parametrize(
    ("failures_tolerated", "good_first"),
    [
        pytest.param(0, False, id="bad at once"),
        pytest.param(1, False, id="bad at once, one failure tolerated"),
        pytest.param(0, True, id="good at first"),
        pytest.param(1, True, id="good at first, one failure tolerated"),
    ],
)
async def test_a_bad_version_is_found_while_no_check_can_be_recorded(
    driver: Driver, failures_tolerated: int, good_first: bool
) -> None:
    await under_way(driver, failures_tolerated)
    refuse_status(driver.world)
    if good_first:
        await pass_time(driver, 12)
    driver.world.verdict = Verdict.FAIL
    await pass_time(driver, 20)
    assert driver.world.route.weight == 0


def lose_answers(world: World, *names: str) -> None:
    """Have writes done whose answers never come, each kind once."""
    left = set(names)

    def lose(name: str) -> None:
        if name in left:
            left.discard(name)
            raise UnavailableError("no answer")

    world.after_write = lose


@pytest.mark.parametrize("lost", [("status",), ("route", "status")], ids="+".join)
async def test_a_rollback_is_told_once_whose_record_was_not_answered(
    driver: Driver, lost: tuple[str, ...]
) -> None:
    await under_way(driver, 0)
    driver.world.events.clear()
    lose_answers(driver.world, *lost)
    driver.world.verdict = Verdict.FAIL
    for _ in range(60):
        await driver.pass_time(1)
    assert driver.status.phase is Phase.ROLLED_BACK
    told = [notice.reason for notice in driver.world.events]
    assert told.count(Reason.ROLLED_BACK) == 1
    assert Reason.CANARY_UNAVAILABLE not in told


async def test_harm_that_was_proven_is_not_outweighed_before_it_could_be_recorded(
    driver: Driver,
) -> None:
    world = driver.world
    analysis = {"interval": "5s", "window": "5s", "failureLimit": 9, "comparison": {}}
    world.edit(template=template("v2"), strategy=LONG, analysis=analysis)
    await driver.work()

    tried: set[str] = set()

    def away(name: str) -> None:
        tried.add(name)
        raise UnavailableError("the API server is away")

    world.before_write = away
    world.verdict = Verdict.FAIL
    while "route" not in tried:  # until there is proof
        await try_for_a_second(driver)
    world.verdict = Verdict.PASS
    for _ in range(600):
        await try_for_a_second(driver)
    world.before_write = lambda _: None
    await driver.pass_time(60, step=2)
    assert [entry.reason for entry in driver.status.history][:1] == [Reason.WORSE_THAN_STABLE]


async def try_for_a_second(driver: Driver) -> None:
    """Let a second pass in which nothing may be written."""
    driver.world.now += timedelta(seconds=1)
    with suppress(UnavailableError):
        await driver.ticker.tick(driver.world.key)
    while driver.checks.busy:  # noqa: ASYNC110 - a few turns of the loop
        await asyncio.sleep(0)
