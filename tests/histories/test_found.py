"""Histories that the state machine found, or that reading its findings suggested: told once more.

Each broke an invariant, or left a person's wish undone, before the code was mended.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from canary_operator.domain.errors import (
    ForbiddenError,
    NameConflictError,
    SurroundingsError,
    UnavailableError,
)
from canary_operator.domain.phase import Phase
from canary_operator.domain.revision import revision_of
from canary_operator.domain.situation import RouteState
from canary_operator.domain.status import Outcome, RolloutStatus, Verdict
from canary_operator.testing.builders import template
from tests.histories.stage import Stage, Trap
from tests.histories.vocabulary import STRATEGIES, strategy

AWAY = UnavailableError("the API server is away")
V2 = revision_of(template("v2"))


def status(stage: Stage) -> RolloutStatus:
    return stage.witness.moment().status


async def until(stage: Stage, phase: Phase) -> None:
    for _ in range(200):
        if stage.phase is phase:
            return
        await stage.pass_time(1)
    raise AssertionError(f"{phase} was not reached: {status(stage)}")


async def at_20_percent() -> Stage:
    stage = Stage()
    await stage.pass_time(10)
    stage.edit(template=template("v2"))
    await stage.pass_time(15)
    assert status(stage).weight == 20
    return stage


async def rolled_back() -> Stage:
    stage = await at_20_percent()
    stage.world.verdict = Verdict.FAIL
    await until(stage, Phase.ROLLED_BACK)
    stage.world.verdict = Verdict.PASS
    return stage


@pytest.mark.parametrize("write", ["dry run", "record"])
async def test_an_abort_is_obeyed_while_a_new_spec_cannot_be_accepted(write: str) -> None:
    stage = await at_20_percent()
    stage.outages[write] = AWAY
    stage.edit(template=template("v3"))
    await stage.pass_time(1)
    assert status(stage).phase is Phase.PROGRESSING, "the last accepted spec stays in force"
    stage.ask("abort")
    await stage.pass_time(1)
    assert stage.world.route == RouteState(True, 0, V2, stage.world.route.rejected_because)
    assert status(stage).phase is Phase.ROLLING_BACK
    ready = next(one for one in status(stage).conditions if one.type == "Ready")
    assert (ready.status, ready.reason) == ("False", "ApiUnavailable")


async def test_a_pause_is_obeyed_while_the_rest_of_the_spec_is_refused() -> None:
    stage = await at_20_percent()
    stage.edit(paused=True, strategy=strategy(((50, 10, False), (5, 10, False))))
    await stage.pass_time(60)
    assert (status(stage).phase, status(stage).weight) == (Phase.PAUSED, 20)


async def test_checks_that_fail_roll_back_while_a_new_spec_cannot_be_accepted() -> None:
    stage = await at_20_percent()
    stage.outages["record"] = AWAY
    stage.edit(strategy=strategy(STRATEGIES[1]))
    stage.world.verdict = Verdict.FAIL
    await stage.pass_time(30)
    assert stage.world.route.weight == 0
    assert status(stage).history[0].reason == "AnalysisFailed"


async def test_a_spec_that_could_not_be_recorded_is_accepted_when_the_server_is_back() -> None:
    stage = await at_20_percent()
    stage.outages["record"] = AWAY
    stage.edit(template=template("v3"))
    await stage.pass_time(20)
    stage.outages.clear()
    await stage.pass_time(31)
    assert status(stage).canary_revision == revision_of(template("v3"))


async def test_the_first_spec_is_not_decided_on_while_the_server_is_away() -> None:
    stage = Stage()
    stage.outages["record"] = AWAY
    await stage.pass_time(20)
    assert status(stage).phase is None
    stage.outages.clear()
    await stage.pass_time(20)
    assert status(stage).phase is Phase.STABLE


async def test_a_retry_begins_once_the_mark_of_the_rejection_could_be_removed() -> None:
    stage = await rolled_back()
    error = NameConflictError("belongs to somebody")
    stage.outages["route"] = error
    stage.ask("retry")
    await stage.pass_time(5)
    assert status(stage).phase is Phase.ROLLED_BACK
    assert stage.world.request == "retry", "not answered yet"
    ready = next(one for one in status(stage).conditions if one.type == "Ready")
    assert ready.reason == error.reason
    stage.outages.clear()
    await stage.pass_time(100)
    outcomes = [entry.outcome for entry in status(stage).history]
    assert outcomes == [Outcome.PROMOTED, Outcome.ROLLED_BACK], "not ended by the old mark"


async def test_a_revision_that_is_applied_again_is_not_ended_by_its_old_mark() -> None:
    stage = await rolled_back()
    stage.edit(template=template("v1"))
    await stage.pass_time(5)

    def fail() -> None:
        raise AWAY

    stage.traps.append(Trap(1, fail, of="route"))
    stage.edit(template=template("v2"))
    await stage.pass_time(100)
    outcomes = [entry.outcome for entry in status(stage).history]
    assert outcomes == [Outcome.PROMOTED, Outcome.ROLLED_BACK]


@pytest.mark.parametrize("error", [AWAY, ForbiddenError("may not patch canaryrollouts")])
async def test_a_request_that_cannot_be_removed_is_carried_out(error: SurroundingsError) -> None:
    stage = await at_20_percent()
    stage.outages["request"] = error
    stage.ask("promote")
    await stage.pass_time(60)
    assert status(stage).history[0].outcome is Outcome.PROMOTED
    assert stage.world.deployments["stable"].revision == V2
    stage.outages.clear()
    await stage.pass_time(31)
    assert stage.world.request is None


async def test_a_deleted_stable_comes_back_whole_while_the_newest_spec_is_refused() -> None:
    stage = Stage()
    await stage.pass_time(10)
    stage.edit(strategy=strategy(((50, 10, False), (5, 10, False))))
    await stage.pass_time(1)
    del stage.world.deployments["stable"]
    stage.changed()
    await stage.pass_time(1)
    assert stage.world.deployments["stable"].replicas == 4, "not the default of 1"


async def test_a_deleted_stable_comes_back_even_where_replicas_itself_is_refused() -> None:
    stage = Stage()
    await stage.pass_time(10)
    stage.edit(replicas=-1)
    del stage.world.deployments["stable"]
    stage.changed()
    await stage.pass_time(1)
    assert stage.world.deployments["stable"].replicas == 1


async def test_a_weight_that_pods_could_not_carry_comes_back_as_a_step_that_there_is() -> None:
    stage = await at_20_percent()
    stage.edit(strategy=strategy(((10, 10, False), (50, 10, False))))
    await stage.work()
    assert status(stage).weight == 20, "an edit alone changes no weight"
    stage.world.pod_start = timedelta(seconds=2)
    stage.fail_pods("canary", 8, "crash")
    await stage.work()
    assert status(stage).weight == 0
    await stage.pass_time(3)
    assert status(stage).weight == 10, "20 % is no step any more"


@pytest.mark.parametrize("scaled", ["before", "after"])
async def test_a_rollback_waits_for_no_stable_pod_where_none_is_wanted(scaled: str) -> None:
    stage = await at_20_percent()
    if scaled == "before":
        stage.edit(replicas=0)
    stage.world.broken.add(stage.world.deployments["stable"].revision)
    stage.fail_pods("stable", 8, "crash")
    stage.world.verdict = Verdict.FAIL
    await until(stage, Phase.ROLLING_BACK)
    stage.edit(replicas=0)
    await until(stage, Phase.ROLLED_BACK)
    assert stage.world.route.weight == 0
    assert stage.world.deployments["canary"].replicas == 0


async def test_traffic_of_a_rejected_revision_that_somebody_took_is_not_given_back() -> None:
    stage = await at_20_percent()
    stage.world.broken.add(stage.world.deployments["stable"].revision)
    stage.fail_pods("stable", 8, "crash")
    stage.world.verdict = Verdict.FAIL
    await until(stage, Phase.ROLLING_BACK)
    assert stage.world.route.weight == 20, "stable has no pod to serve with"
    stage.world.route = replace(stage.world.route, weight=0)
    stage.changed()
    await stage.pass_time(5)
    assert stage.world.route.weight == 0
    assert status(stage).weight == 0


async def test_a_rollback_gives_back_no_traffic_that_somebody_took() -> None:
    """What spares the share had not seen the hand."""
    stage = await at_20_percent()
    stage.ask("promote")
    stage.pods_move = False  # stable does not follow, so that its deadline passes
    stage.fail_pods("stable", 8, "crash")
    await until(stage, Phase.PROMOTING)
    stage.held_back.add("route")
    stage.edit_weight(0)
    await until(stage, Phase.ROLLING_BACK)
    assert (status(stage).weight, stage.world.route.weight) == (20, 0)
    stage.held_back.clear()
    await stage.pass_time(1)
    assert (status(stage).weight, stage.world.route.weight) == (0, 0)


async def test_a_share_that_is_spared_is_not_given_back_where_it_was_taken_unnoticed() -> None:
    """The rollback took it, and lost the answer; the watch lags, and stable is deleted."""
    stage = await at_20_percent()
    stage.world.verdict = Verdict.FAIL
    stage.held_back |= {"route", "rollouts"}

    def lose_the_answer() -> None:
        stage.world.deployments.pop("stable")
        stage.changed()
        raise AWAY

    stage.traps.append(Trap(1, lose_the_answer, after=True, of="route"))
    await stage.pass_time(10)
    assert not stage.traps
    assert stage.world.route.weight == 0
    stage.held_back.clear()
    await until(stage, Phase.ROLLED_BACK)


async def test_a_raise_is_recorded_first_where_the_weight_of_the_route_cannot_be_read() -> None:
    stage = Stage()
    await stage.pass_time(10)
    stage.held_back.add("deployments")
    stage.edit(template=template("v2"))
    await stage.pass_time(0)
    stage.edit_weight(None)  # as a hand that deletes the canary's destination
    stage.held_back.clear()
    await stage.pass_time(0)  # the witness looks at the order of the writes
    assert (status(stage).weight, stage.world.route.weight) == (5, 5)


async def test_a_rollback_that_only_left_its_mark_counts_the_check_that_failed() -> None:
    stage = await at_20_percent()
    stage.world.verdict = Verdict.FAIL
    stage.traps.append(Trap(1, stage.kill, after=True, of="route"))
    await until(stage, Phase.ROLLED_BACK)
    (ended,) = [one for one in status(stage).history if one.outcome is Outcome.ROLLED_BACK]
    assert ended.reason == "AnalysisFailed"
    assert status(stage).failed_checks == stage.world.spec["analysis"]["failureLimit"] + 1


async def test_checks_are_not_made_again_at_once_while_the_router_keeps_an_old_mark() -> None:
    stage = await rolled_back()
    stage.outages["route"] = AWAY
    stage.edit(template=template("v3"))
    await stage.pass_time(5)
    stage.edit(template=template("v2"))  # its mark is still there, and v3 is still on trial
    await stage.pass_time(20)  # the stage finds no rest where a check wakes the next
    assert stage.world.route.weight == 0
    stage.outages.clear()
    await until(stage, Phase.STABLE)


async def test_nothing_is_raised_while_a_lower_weight_may_have_been_recorded() -> None:
    stage = Stage()
    await stage.pass_time(10)
    stage.edit(template=template("v2"))
    await stage.pass_time(3)
    stage.edit_weight(90)
    await stage.work()  # set back, so that the status says all that there is to say
    stage.held_back.add("rollouts")

    def lose_the_answer() -> None:
        raise AWAY

    stage.traps.append(Trap(1, lose_the_answer, after=True, of="status"))
    stage.fail_pods("canary", 8, "crash")
    await stage.work()  # the pod is back at once; the witness looks at the order of the writes
    await stage.pass_time(5)  # it is tried again and again
    assert (status(stage).weight, stage.world.route.weight) == (0, 0)
    stage.held_back.clear()
    await stage.pass_time(1)
    assert (status(stage).weight, stage.world.route.weight) == (5, 5)


ACME = [{"headers": {"x-company": {"exact": "acme"}}}]


@pytest.mark.parametrize("match", [None, [{"uri": {"prefix": "/cart"}}]], ids=["all", "others"])
async def test_checks_of_one_group_open_no_other_to_a_canary(
    match: list[dict[str, object]] | None,
) -> None:
    stage = Stage(strategy={**strategy(STRATEGIES[0]), "match": ACME})
    await stage.pass_time(10)
    stage.edit(template=template("v2"))
    await stage.pass_time(15)
    assert status(stage).weight == 20
    changed = {**strategy(STRATEGIES[0]), **({"match": match} if match else {})}
    stage.edit(strategy=changed)
    await stage.pass_time(1)
    ready = next(one for one in status(stage).conditions if one.type == "Ready")
    assert ready.reason == "InvalidSpec"
    assert "spec.strategy.match may not change while a canary is on trial" in ready.message
    stage.ask("abort")
    await until(stage, Phase.ROLLED_BACK)
    await stage.pass_time(31)
    ready = next(one for one in status(stage).conditions if one.type == "Ready")
    assert ready.reason != "InvalidSpec", "no canary is on trial any more"
