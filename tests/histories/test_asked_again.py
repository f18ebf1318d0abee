"""A template that is applied again while nothing can be recorded, and rejected before it can be."""

from canary_operator.domain.errors import ForbiddenError, UnavailableError
from canary_operator.domain.phase import Phase
from canary_operator.domain.revision import revision_of
from canary_operator.domain.status import RolloutStatus
from canary_operator.testing.builders import template
from tests.histories.stage import Stage, Trap
from tests.histories.vocabulary import fail_with

AWAY = UnavailableError("the API server is away")
V2 = revision_of(template("v2"))


def status(stage: Stage) -> RolloutStatus:
    return stage.witness.moment().status


async def rejected_while_asked_for() -> Stage:
    """Promote v2, which never comes up; want v3 meanwhile, then v2 again, which is not recorded."""
    stage = Stage()
    await stage.pass_time(10)
    stage.edit(template=template("v2"))
    await stage.pass_time(5)
    stage.pods_move = False
    stage.ask("promote")
    await stage.pass_time(2)
    assert status(stage).phase is Phase.PROMOTING
    stage.edit(template=template("v3"))
    await stage.pass_time(2)
    stage.outages["record"] = AWAY
    stage.edit(template=template("v2"))
    while status(stage).phase is Phase.PROMOTING:
        await stage.pass_time(10)
    stage.pods_move = True
    return stage


async def test_what_was_rejected_stays_out_when_it_is_recorded_at_last() -> None:
    stage = await rejected_while_asked_for()
    await stage.pass_time(120)
    assert (status(stage).phase, status(stage).rejected_revision) == (Phase.ROLLED_BACK, V2)
    stage.outages.clear()
    await stage.pass_time(120)
    assert (status(stage).phase, status(stage).rejected_revision) == (Phase.ROLLED_BACK, V2)
    assert stage.world.route.weight == 0


async def test_another_template_is_tried_as_soon_as_it_can_be_recorded() -> None:
    stage = await rejected_while_asked_for()
    stage.outages.clear()
    stage.edit(template=template("v3"))
    await stage.pass_time(300)
    assert status(stage).stable_revision == revision_of(template("v3"))


async def test_a_spec_whose_record_was_written_though_the_answer_was_lost_is_in_force() -> None:
    stage = Stage()
    await stage.pass_time(10)
    refused = ForbiddenError("may not patch")
    stage.traps.append(Trap(1, fail_with(refused), after=True, of="record"))
    stage.edit(template=template("v2"), replicas=8)
    await stage.pass_time(5)
    assert stage.world.deployments["stable"].replicas == 8
