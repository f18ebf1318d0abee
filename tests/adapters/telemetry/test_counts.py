"""Each fact is counted once, whatever becomes of writes, answers and the operator."""

from collections.abc import Callable

import pytest

from canary_operator.domain.errors import UnavailableError
from canary_operator.domain.phase import Phase
from canary_operator.domain.revision import revision_of
from canary_operator.domain.status import Verdict
from canary_operator.testing.builders import template
from canary_operator.testing.memory import Killed, World
from tests.adapters.telemetry.conftest import Ledger, Life, total


def quiet(world: World) -> None:
    """Nothing goes wrong."""


def conflicts(world: World) -> None:
    """Somebody else is quicker, at every other write of the status."""
    turn = [0]

    def interfere(name: str) -> None:
        turn[0] += name == "status"
        if name == "status" and turn[0] % 2:
            world.version += 1

    world.before_write = interfere


def lost_answers(world: World) -> None:
    """Each write of the status is done, and the answer to every other one is lost."""
    turn, note = [0], world.after_write

    def lose(name: str) -> None:
        note(name)
        turn[0] += name == "status"
        if name == "status" and turn[0] % 2:
            raise UnavailableError("the answer was lost")

    world.after_write = lose


def refusals(world: World) -> None:
    """Every fifth write of anything is refused."""
    turn = [0]

    def refuse(_: str) -> None:
        turn[0] += 1
        if turn[0] % 5 == 0:
            raise UnavailableError("not now")

    world.before_write = refuse


TROUBLES = (quiet, conflicts, lost_answers, refusals)


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_promotion_is_counted_once(life: Life, trouble: Callable[[World], None]) -> None:
    ledger = Ledger(life.world)
    life.world.after_write = ledger.note
    trouble(life.world)
    await life.release(template=template("v2"))
    await life.until(Phase.STABLE)
    await life.pass_time(30)
    assert ledger.endings == {"Promoted": ["Promoted"]}
    assert life.counted("promotions_total", namespace="demo", rollout="web") == 1
    assert life.counted("rollbacks_total") == 0
    assert life.counted("checks_total", verdict="Pass") == len(ledger.checks) > 2
    assert life.counted("checks_total", verdict="Fail") == 0


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_rollback_is_counted_once_by_its_reason(
    life: Life, trouble: Callable[[World], None]
) -> None:
    ledger = Ledger(life.world)
    life.world.after_write = ledger.note
    life.world.verdict = Verdict.FAIL
    trouble(life.world)
    await life.release(template=template("v2"))
    await life.until(Phase.ROLLED_BACK)
    await life.pass_time(30)
    assert ledger.endings == {"RolledBack": ["AnalysisFailed"]}
    assert life.counted("rollbacks_total", reason="AnalysisFailed") == 1
    assert life.counted("rollbacks_total") == 1
    assert life.counted("promotions_total") == 0
    assert life.counted("time_to_rollback_seconds_count") == 1
    assert life.counted("checks_total", verdict="Fail") == len(ledger.checks) >= 1


@pytest.mark.parametrize("nth", range(1, 40, 3))
async def test_a_life_after_a_kill_counts_nothing_again(life: Life, nth: int) -> None:
    """What nobody saw any more before the kill is counted by nobody, the rest once."""
    left = [nth]

    def kill(_: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    life.world.after_write = kill
    for version, verdict in (("v2", Verdict.PASS), ("v3", Verdict.FAIL)):
        life.world.verdict = verdict
        await life.release(template=template(version))
        await life.until(Phase.STABLE if verdict is Verdict.PASS else Phase.ROLLED_BACK)
        await life.pass_time(5)
    counted = life.counted("promotions_total") + life.counted("rollbacks_total")
    assert life.kills == (left[0] <= 0)
    assert 2 - life.kills <= counted <= 2
    assert life.counted("promotions_total") <= 1
    assert life.counted("rollbacks_total") <= 1


async def test_a_new_operator_counts_nothing_of_the_past(life: Life) -> None:
    await life.release(template=template("v2"))
    await life.until(Phase.STABLE)
    life.start()
    await life.work()
    assert total(life.registry, "promotions_total") == 0


async def test_an_end_by_the_user_is_no_rollback(life: Life) -> None:
    await life.release(template=template("v2"))
    await life.release(template=template("v1"))
    assert life.status.history[0].outcome == "Reverted"
    assert life.counted("rollbacks_total") + life.counted("promotions_total") == 0


def crash(life: Life, track: str) -> None:
    """Let the pods of a track fail, for good until it is healed."""
    deployment = life.world.deployments[track]
    life.world.broken.add(deployment.revision)
    for pod in deployment.pods:
        pod.available = False


async def test_the_time_to_a_rollback_ends_with_the_last_traffic(life: Life) -> None:
    """Stable has no pod, so the canary keeps its share until there is one."""
    await life.release(template=template("v2"))
    began = life.world.now
    while life.status.weight != 5:
        await life.pass_time(1)
    crash(life, "stable")
    life.world.verdict = Verdict.FAIL
    await life.until(Phase.ROLLING_BACK)
    assert life.status.weight == 5
    assert life.counted("rollbacks_total", reason="AnalysisFailed") == 1
    assert life.counted("time_to_rollback_seconds_count") == 0
    await life.pass_time(60)
    life.world.broken.clear()
    while life.status.weight:
        await life.pass_time(1)
    ended = life.world.now
    await life.until(Phase.ROLLED_BACK)
    assert life.counted("time_to_rollback_seconds_count") == 1
    assert life.counted("time_to_rollback_seconds_sum") == (ended - began).total_seconds()
    assert life.counted("rollbacks_total") == 1


async def test_the_time_to_a_rollback_of_a_canary_without_traffic(life: Life) -> None:
    life.world.broken.add(revision_of(template("v2")))
    await life.release(template=template("v2"))
    began = life.world.now
    await life.until(Phase.ROLLED_BACK)
    took = (life.world.now - began).total_seconds()
    assert life.counted("rollbacks_total", reason="ProgressDeadlineExceeded") == 1
    assert life.counted("time_to_rollback_seconds_sum") == took
