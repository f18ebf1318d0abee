"""Histories of a user's VirtualService that the state machine found: told once more."""

from canary_operator.domain.phase import Phase
from canary_operator.domain.status import Outcome, RolloutStatus, Verdict
from canary_operator.testing.builders import template
from tests.histories.own_route import PRIMARY, SECOND
from tests.histories.own_route_stage import OwnRouteStage
from tests.histories.stage import Trap
from tests.histories.test_found import until


def status(stage: OwnRouteStage) -> RolloutStatus:
    return stage.witness.moment().status


async def at_20_percent() -> OwnRouteStage:
    stage = OwnRouteStage(routes=(PRIMARY, SECOND))
    await stage.pass_time(10)
    stage.edit(template=template("v2"))
    await stage.pass_time(15)
    assert (status(stage).weight, stage.world.route.weight) == (20, 20)
    return stage


async def test_a_retry_is_not_ended_by_the_mark_that_is_left_where_its_routes_are_missing() -> None:
    stage = await at_20_percent()
    stage.world.verdict = Verdict.FAIL
    await until(stage, Phase.ROLLED_BACK)
    stage.world.verdict = Verdict.PASS
    for name in (PRIMARY, SECOND):
        stage.break_route(name, "renamed")
    await stage.pass_time(1)
    stage.traps.append(Trap(1, stage.kill, of="canary"))  # before the router is told anything
    stage.ask("retry")
    await stage.pass_time(60)
    assert not stage.traps
    assert (status(stage).phase, status(stage).weight) == (Phase.PROGRESSING, 0)
    stage.mend_route(keeps_share=False)
    await until(stage, Phase.STABLE)
    outcomes = [entry.outcome for entry in status(stage).history]
    assert outcomes == [Outcome.PROMOTED, Outcome.ROLLED_BACK]


async def test_a_share_that_the_watch_has_not_told_of_is_given_back_on_deletion() -> None:
    stage = OwnRouteStage()
    await stage.pass_time(10)
    stage.held_back.add("route")
    stage.edit_weight(20)  # as a raise of a leader of before that comes late
    stage.delete()
    await stage.pass_time(5)
    assert stage.world.is_gone
    assert stage.world.route.weight == 0
