"""An admin makes a list shorter while rollouts are under way: they are refused, and stay safe."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import Settings
from canary_operator.domain.status import Verdict
from canary_operator.ports import Key
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World

BEFORE = Settings(scrape_interval=timedelta(seconds=5), allowed_hosts=("shop.example.com",))
HOSTS = {"traffic": {"istio": {"hosts": ["shop.example.com"]}}}
SUCCESS = {"name": "success-rate", "successRate": {"min": 99}}
QUERY = {"name": "own", "query": {"promql": "up", "max": 1}, "dryRun": True}
QUERIES = {"analysis": {**spec()["analysis"], "metrics": [SUCCESS, QUERY]}}


async def under_way(**changes: Any) -> Driver:
    """Return a rollout at 20 %."""
    driver = Driver(World(key=Key("demo", "web"), spec=spec(**changes)), BEFORE)
    await driver.work()
    driver.world.edit(template=template("v2"))
    await until(driver, lambda: driver.status.weight == 20)
    return driver


async def until(driver: Driver, met: Any, seconds: int = 400) -> None:
    for _ in range(seconds):
        if met():
            return
        await driver.pass_time(1)
    raise AssertionError(driver.status)


def restart_with(driver: Driver, **settings: Any) -> None:
    driver.settings = replace(driver.settings, **settings)
    driver.start()


def ready(driver: Driver) -> tuple[str, str]:
    return next((c.status, c.reason) for c in driver.status.conditions if c.type == "Ready")


SHORTER = pytest.mark.parametrize(
    ("changes", "settings", "reason"),
    [
        pytest.param(HOSTS, {"allowed_hosts": ()}, Reason.HOST_NOT_ALLOWED, id="hosts"),
        pytest.param(QUERIES, {"custom_queries": ()}, Reason.INVALID_SPEC, id="queries"),
    ],
)


@SHORTER
async def test_a_rollout_under_way_is_refused_in_words_and_keeps_its_phase_and_route(
    changes: dict[str, Any], settings: dict[str, Any], reason: Reason
) -> None:
    driver = await under_way(**changes)
    route = driver.world.route
    restart_with(driver, **settings)
    await driver.work()
    assert ready(driver) == ("False", reason)
    assert driver.status.phase is Phase.PROGRESSING
    assert driver.world.route == route
    assert driver.world.route.hosts == route.hosts


@SHORTER
async def test_a_canary_that_fails_is_still_rolled_back(
    changes: dict[str, Any], settings: dict[str, Any], reason: Reason
) -> None:
    driver = await under_way(**changes)
    restart_with(driver, **settings)
    driver.world.verdict = Verdict.FAIL
    await until(driver, lambda: driver.status.phase is Phase.ROLLED_BACK)
    assert driver.world.route.weight == 0
    assert driver.status.history[0].reason == Reason.ANALYSIS_FAILED
    assert ready(driver) == ("False", reason)


@SHORTER
async def test_a_person_may_still_abort(
    changes: dict[str, Any], settings: dict[str, Any], reason: Reason
) -> None:
    driver = await under_way(**changes)
    restart_with(driver, **settings)
    driver.world.ask("abort")
    await until(driver, lambda: driver.status.phase is Phase.ROLLED_BACK)
    assert driver.status.history[0].reason == Reason.ABORTED
    assert ready(driver) == ("False", reason)


async def test_a_new_template_with_the_refused_host_is_not_released() -> None:
    driver = await under_way(**HOSTS)
    await until(driver, lambda: driver.status.phase is Phase.STABLE)
    restart_with(driver, allowed_hosts=())
    driver.world.edit(template=template("v3"))
    await driver.pass_time(30)
    assert driver.status.phase is Phase.STABLE
    assert driver.status.canary_revision is None
    assert ready(driver) == ("False", Reason.HOST_NOT_ALLOWED)


async def test_a_forged_record_opens_no_host() -> None:
    driver = Driver(World(key=Key("demo", "web"), spec=spec()), BEFORE)
    await driver.work()
    newest = driver.world.records[0]
    traffic = {"istio": {"hosts": ["payments.bank.svc.cluster.local"]}}
    forged = replace(newest, settings={**newest.settings, "traffic": traffic}, number=99)
    driver.world.records[0] = forged
    driver.world.edit(traffic={"istio": {"hosts": ["another.example.com"]}})  # falls back on it
    driver.start()
    await driver.pass_time(10)
    assert driver.world.route.hosts == frozenset()
    assert driver.status.phase is Phase.STABLE
    assert ready(driver) == ("False", Reason.HOST_NOT_ALLOWED)
