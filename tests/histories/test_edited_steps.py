"""Steps that are edited while canary pods are missing: the way back leads to a step of today."""

from datetime import timedelta

import pytest

from canary_operator.domain.phase import Phase
from canary_operator.domain.status import RolloutStatus, Verdict
from canary_operator.testing.builders import template
from tests.histories.stage import Stage
from tests.histories.vocabulary import strategy

HELD = 10


def status(stage: Stage) -> RolloutStatus:
    return stage.witness.moment().status


@pytest.mark.parametrize(
    ("reached", "edited", "back"),
    [
        pytest.param(5, (10, 50), 10, id="all begin above: the first, which asks for pods only"),
        pytest.param(20, (10, 50), 10, id="the last that is not above what was reached"),
        pytest.param(20, (20, 50), 20, id="the same"),
        pytest.param(20, (30, 50), 30, id="all begin above what was earned"),
    ],
)
async def test_pods_that_come_back_get_a_step_of_the_edited_spec(
    reached: int, edited: tuple[int, ...], back: int
) -> None:
    stage = Stage()
    await stage.pass_time(10)
    stage.edit(template=template("v2"))
    while status(stage).weight != reached:
        await stage.pass_time(1)
    stage.world.verdict = Verdict.INCONCLUSIVE
    stage.world.pod_start = timedelta(seconds=5)
    stage.fail_pods("canary", 8, "crash")
    await stage.pass_time(1)
    assert status(stage).weight == 0
    stage.edit(strategy=strategy(tuple((weight, HELD, False) for weight in edited)))
    await stage.pass_time(15)
    assert (status(stage).phase, status(stage).weight) == (Phase.PROGRESSING, back)
    assert stage.world.route.weight == back
