"""The log of a rollout's life: each change once, with its facts as fields."""

import logging
from typing import Any

import pytest

from canary_operator.domain.phase import Phase
from canary_operator.domain.revision import revision_of
from canary_operator.domain.status import Verdict
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver

V1, V2 = (revision_of(template(version)) for version in ("v1", "v2"))


@pytest.fixture(autouse=True)
def _everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "canary_operator")


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.__dict__ for record in caplog.records if hasattr(record, "reason")]


def facts(line: dict[str, Any]) -> tuple[Any, ...]:
    names = ("levelname", "reason", "revision", "phase", "weight", "cause")
    return tuple(line[name] for name in names if name in line)


async def until(driver: Driver, phase: Phase) -> None:
    for _ in range(400):
        if driver.status.phase is phase:
            return
        await driver.pass_time(1)
    raise AssertionError(f"{phase} was not reached")


async def test_a_promotion_can_be_followed(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    driver.world.edit(template=template("v2"))
    await driver.work()
    await until(driver, Phase.STABLE)
    accepted = next(record for record in caplog.records if "accepted" in record.message)
    assert accepted.__dict__["revision"] == V2
    assert [facts(line) for line in lines(caplog)] == [
        ("INFO", "RolloutStarted", V2, "Progressing", 0),
        ("INFO", "WeightChanged", V2, "Progressing", 5),
        ("INFO", "CheckPassed", V2, "Progressing", 5),
        ("INFO", "WeightChanged", V2, "Progressing", 20),
        ("INFO", "CheckPassed", V2, "Progressing", 20),
        ("INFO", "WeightChanged", V2, "Progressing", 50),
        ("INFO", "CheckPassed", V2, "Progressing", 50),
        ("INFO", "Promoting", V2, "Promoting", 50),
        ("INFO", "Promoted", V2, "Stable", 0),
    ]
    assert {line["rollout"] for line in lines(caplog)} == {"demo/web"}


async def test_a_rollback_says_why(driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.clear()
    driver.world.verdict = Verdict.FAIL
    driver.world.edit(template=template("v2"), analysis={**spec()["analysis"], "failureLimit": 0})
    await driver.work()
    await until(driver, Phase.ROLLED_BACK)
    assert [facts(line) for line in lines(caplog)][2:] == [
        ("WARNING", "CheckFailed", V2, "RollingBack", 0),
        ("WARNING", "RolledBack", V2, "RollingBack", 0, "AnalysisFailed"),
    ]


async def test_the_same_verdict_again_is_for_those_who_look_closely(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "canary_operator")
    caplog.clear()
    strategy = {"steps": [{"weight": 5, "hold": "1m"}]}
    driver.world.edit(template=template("v2"), strategy=strategy)
    await driver.work()
    await driver.pass_time(40)
    checks = [line["levelname"] for line in lines(caplog) if line["reason"] == "CheckPassed"]
    assert checks[0] == "INFO"
    assert set(checks[1:]) == {"DEBUG"}
    assert len(checks) > 3


async def test_a_tick_that_changes_nothing_is_silent(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    for _ in range(3):
        await driver.work()
    assert not caplog.records
