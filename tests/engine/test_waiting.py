"""Steps that wait for a person: an approval, and the promotion by hand."""

from typing import Any

import pytest

from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.status import Outcome, Verdict
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from tests.engine.test_life import at_weight, reasons, until


async def test_an_approval_step_waits_for_a_person(driver: Driver) -> None:
    steps = [{"weight": 10, "hold": "5s", "approval": True}, {"weight": 50, "hold": "5s"}]
    strategy = {**spec()["strategy"], "steps": steps}
    driver.world.edit(template=template("v2"), strategy=strategy)
    await until(driver, Phase.PAUSED)
    await driver.pass_time(900, step=5)
    assert driver.status.phase is Phase.PAUSED
    assert "resume" in driver.status.message
    assert Reason.APPROVAL_REQUIRED in reasons(driver.world)
    driver.world.ask("resume")
    await driver.work()
    assert driver.world.request is None
    assert driver.status.last_request is not None
    assert driver.status.last_request.outcome == "Accepted"
    assert driver.status.weight == 50


def by_hand(**changes: Any) -> dict[str, Any]:
    steps = [{"weight": 10, "hold": "5s"}, {"weight": 50, "hold": "5s", **changes}]
    return {**spec()["strategy"], "steps": steps, "promotion": "Manual"}


@pytest.mark.parametrize("approval", [False, True])
async def test_a_manual_promotion_waits_for_the_last_word(driver: Driver, approval: bool) -> None:
    driver.world.edit(template=template("v2"), strategy=by_hand(approval=approval))
    await until(driver, Phase.PAUSED)
    assert driver.status.weight == 50
    await driver.pass_time(3600, step=10)
    assert driver.status.phase is Phase.PAUSED
    assert Reason.PROMOTION_REQUIRED in reasons(driver.world)
    for way_on in ("promote", "abort"):
        assert f"canary-operator.dev/request={way_on}" in driver.status.message
    driver.world.ask("resume")
    await driver.work()
    assert driver.status.last_request is not None
    assert driver.status.last_request.outcome == "Refused"
    assert "promote or abort" in driver.status.last_request.message
    driver.world.ask("promote")
    await until(driver, Phase.STABLE)
    assert driver.status.history[0].outcome == "Promoted"


async def test_a_canary_that_was_never_meant_for_everybody_is_taken_back(driver: Driver) -> None:
    driver.world.edit(template=template("v2"), strategy=by_hand())
    await until(driver, Phase.PAUSED)
    driver.world.ask("abort")
    await until(driver, Phase.ROLLED_BACK)
    assert driver.status.history[0].reason == Reason.ABORTED


async def test_a_failure_is_seen_while_a_promotion_is_awaited(driver: Driver) -> None:
    driver.world.edit(template=template("v2"), strategy=by_hand())
    await until(driver, Phase.PAUSED)
    driver.world.verdict = Verdict.FAIL
    await until(driver, Phase.ROLLED_BACK)


APPROVED = [{"weight": 10, "hold": "5s", "approval": True}, {"weight": 50, "hold": "5s"}]


@pytest.mark.parametrize(
    ("strategy", "reason"),
    [
        pytest.param(by_hand(), Reason.PROMOTION_REQUIRED, id="promote"),
        pytest.param(
            {**spec()["strategy"], "steps": APPROVED}, Reason.APPROVAL_REQUIRED, id="approve"
        ),
    ],
)
async def test_a_quiet_night_does_not_end_the_wait_for_a_person(
    driver: Driver, strategy: dict[str, Any], reason: Reason
) -> None:
    driver.world.edit(template=template("v2"), strategy=strategy)
    await until(driver, Phase.PAUSED)
    weight = driver.status.weight
    driver.world.verdict = Verdict.INCONCLUSIVE
    await driver.pass_time(8 * 3600, step=10)
    assert driver.status.metrics[0].verdict is Verdict.INCONCLUSIVE
    assert (driver.status.phase, driver.status.weight) == (Phase.PAUSED, weight)
    assert reasons(driver.world).count(reason) == 1
    assert Reason.RESUMED not in reasons(driver.world)


async def test_a_step_approved_in_a_quiet_night_rises_with_the_next_pass_only(
    driver: Driver,
) -> None:
    driver.world.edit(template=template("v2"), strategy={**spec()["strategy"], "steps": APPROVED})
    await until(driver, Phase.PAUSED)
    driver.world.verdict = Verdict.INCONCLUSIVE
    await driver.pass_time(3600, step=10)
    driver.world.ask("resume")
    await driver.pass_time(60)
    assert (driver.status.phase, driver.status.weight) == (Phase.PROGRESSING, 10)
    driver.world.verdict = Verdict.PASS
    await at_weight(driver, 50, seconds=10)


async def test_a_quiet_night_is_over_with_the_promotion_of_a_person(driver: Driver) -> None:
    driver.world.edit(template=template("v2"), strategy=by_hand())
    await until(driver, Phase.PAUSED)
    driver.world.verdict = Verdict.INCONCLUSIVE
    await driver.pass_time(3600, step=10)
    driver.world.ask("promote")
    await until(driver, Phase.STABLE)
    assert driver.status.history[0].outcome is Outcome.PROMOTED


async def test_a_failure_in_a_quiet_night_is_not_forgotten_by_what_cannot_tell(
    driver: Driver,
) -> None:
    driver.world.edit(template=template("v2"), strategy=by_hand())
    await until(driver, Phase.PAUSED)
    driver.world.verdict = Verdict.INCONCLUSIVE
    await driver.pass_time(60)
    driver.world.verdict = Verdict.FAIL
    while driver.status.failed_checks == 0:
        await driver.pass_time(1)
    driver.world.verdict = Verdict.INCONCLUSIVE
    await driver.pass_time(60)
    assert driver.status.phase is Phase.PROGRESSING, "the step has to pass again"
    await until(driver, Phase.ROLLED_BACK)
    assert driver.status.history[0].reason == Reason.NO_DATA


async def test_a_wait_ends_with_an_edit_that_nobody_is_asked_about(driver: Driver) -> None:
    driver.world.edit(template=template("v2"), strategy=by_hand())
    await until(driver, Phase.PAUSED)
    driver.world.verdict = Verdict.INCONCLUSIVE
    await driver.pass_time(60)
    for promotion in ("Automatic", "Manual"):
        driver.world.edit(strategy={**by_hand(), "promotion": promotion})
        await driver.pass_time(20)
        assert driver.status.phase is Phase.PROGRESSING, f"{promotion}: no check passed since"
    driver.world.verdict = Verdict.PASS
    await until(driver, Phase.PAUSED)


async def test_a_pause_that_ends_does_not_promote(driver: Driver) -> None:
    driver.world.edit(template=template("v2"), strategy=by_hand())
    await until(driver, Phase.PAUSED)
    for request in ("pause", "resume"):
        driver.world.ask(request)
        await driver.work()
        assert driver.status.last_request is not None
        assert driver.status.last_request.outcome == "Accepted"
    await driver.pass_time(600, step=10)
    assert driver.status.phase is Phase.PAUSED


async def test_a_promotion_that_becomes_automatic_goes_on(driver: Driver) -> None:
    driver.world.edit(template=template("v2"), strategy=by_hand())
    await until(driver, Phase.PAUSED)
    driver.world.edit(strategy={**by_hand(), "promotion": "Automatic"})
    await until(driver, Phase.STABLE)


async def test_a_failure_is_seen_while_an_approval_is_awaited(driver: Driver) -> None:
    steps = [{"weight": 10, "hold": "5s", "approval": True}]
    driver.world.edit(template=template("v2"), strategy={**spec()["strategy"], "steps": steps})
    await until(driver, Phase.PAUSED)
    driver.world.verdict = Verdict.FAIL
    await until(driver, Phase.ROLLED_BACK)
