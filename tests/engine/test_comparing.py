"""What repeats for each rollout: what was found to be as asked is not compared again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from canary_operator.domain.reasons import Reason
from canary_operator.engine import tick
from canary_operator.engine.apply import carry_out
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World

INTERVAL = 30
CHECKED_FOR_LONG = {
    "strategy": {"steps": [{"weight": 20, "hold": "24h"}], "progressDeadline": "48h"},
    "analysis": {"interval": f"{INTERVAL}s", "window": f"{INTERVAL}s"},
}


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note for each tick whether it compared the rollout's objects."""
    found: list[bool] = []

    async def noted(*decided: object, reached: bool, **known: object) -> object:
        found.append(not reached)
        return await carry_out(*decided, reached=reached, **known)  # type: ignore[arg-type]

    monkeypatch.setattr(tick, "carry_out", noted)
    return found


@pytest.fixture
async def trial(world: World) -> Driver:
    """A driver of a canary that is checked again and again."""
    world.spec = spec(**CHECKED_FOR_LONG)
    driver = Driver(world)
    await driver.work()
    world.edit(template=template("v2"))
    await driver.work()
    assert driver.status.weight == 20
    return driver


async def test_a_further_check_compares_nothing(trial: Driver, compared: list[bool]) -> None:
    await trial.pass_time(2 * INTERVAL)
    compared.clear()
    writes = len(trial.world.writes)
    await trial.pass_time(INTERVAL)
    assert trial.world.writes[writes:] == ["status"], "there was a check"
    assert compared
    assert not any(compared)


def a_hand_on_the_weight(world: World) -> None:
    world.route = replace(world.route, weight=50)


def a_deleted_deployment(world: World) -> None:
    del world.deployments["stable"]


def a_deleted_service(world: World) -> None:
    world.services = False


def a_lost_record(world: World) -> None:
    world.records = world.records[:1]


@pytest.mark.parametrize(
    ("happens", "written"),
    [
        pytest.param(a_hand_on_the_weight, "route", id="a weight that somebody set"),
        pytest.param(a_deleted_deployment, "stable", id="a Deployment that is gone"),
        pytest.param(a_deleted_service, "services", id="a Service that is gone"),
    ],
)
async def test_what_is_not_as_asked_is_set_back_at_once(
    trial: Driver, happens: Callable[[World], None], written: str
) -> None:
    await trial.pass_time(2 * INTERVAL)
    happens(trial.world)
    await trial.settle()
    assert written in trial.world.writes[-3:]
    assert trial.world.events[-1].reason is Reason.DRIFT_REPAIRED


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(a_lost_record, id="an object that is gone"),
        pytest.param(lambda world: world.edit(replicas=6), id="another wish"),
    ],
)
async def test_whatever_changes_has_all_objects_compared(
    trial: Driver, compared: list[bool], happens: Callable[[World], None]
) -> None:
    await trial.pass_time(2 * INTERVAL)
    compared.clear()
    happens(trial.world)
    await trial.settle()
    assert compared[0]


async def test_a_router_that_goes_on_by_itself_is_told_again(
    trial: Driver, compared: list[bool]
) -> None:
    trial.world.route_finished = False
    a_hand_on_the_weight(trial.world)
    await trial.pass_time(2 * INTERVAL)
    compared.clear()
    await trial.settle()
    assert compared == [True]
    trial.world.route_finished = True
    await trial.settle()
    await trial.settle()
    assert compared == [True, True, False]


async def test_after_a_restart_all_objects_are_compared(
    trial: Driver, compared: list[bool]
) -> None:
    await trial.pass_time(2 * INTERVAL)
    trial.ticker.forget_all()
    compared.clear()
    await trial.settle()
    assert compared[0]


async def test_what_had_to_be_written_is_compared_once_more(
    trial: Driver, compared: list[bool]
) -> None:
    await trial.pass_time(2 * INTERVAL)
    a_hand_on_the_weight(trial.world)
    compared.clear()
    await trial.settle()
    await trial.pass_time(timedelta(seconds=2).total_seconds())
    assert compared[:2] == [True, True]
    assert not compared[-1]
