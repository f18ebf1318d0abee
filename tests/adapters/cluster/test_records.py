"""Records that somebody deletes come back while they are needed."""

from canary_operator.adapters.cluster.resources import RECORDS, ROLLOUTS
from canary_operator.ports import Accepted, Rollout
from tests.adapters.cluster.world import World, template

FIRST = Accepted("r1", template("web:v1"), {"service": {"port": 80}}, 1)
SECOND = Accepted("r2", template("web:v2"), {"service": {"port": 80}}, 2)


async def two_records(world: World) -> Rollout:
    rollout = await world.rollout()
    for record in (FIRST, SECOND):
        await world.workloads.remember(rollout, record)
    assert list(world.workloads.records(rollout)) == [SECOND, FIRST]
    return rollout


async def test_deleted_records_are_restored_as_they_were(world: World) -> None:
    rollout = await two_records(world)
    for name in ("web-r1", "web-r2"):
        await world.delete(RECORDS, name, seen=True)
    assert not world.workloads.records(rollout)
    assert await world.workloads.restore(rollout, ["r1", "r2"])
    assert list(world.workloads.records(rollout)) == [SECOND, FIRST]
    assert not await world.workloads.restore(rollout, ["r1", "r2"])


async def test_only_what_is_needed_is_restored(world: World) -> None:
    rollout = await two_records(world)
    for name in ("web-r1", "web-r2"):
        await world.delete(RECORDS, name, seen=True)
    assert await world.workloads.restore(rollout, ["r2"])
    assert list(world.workloads.records(rollout)) == [SECOND]


async def test_what_we_forgot_ourselves_stays_away(world: World) -> None:
    rollout = await two_records(world)
    await world.workloads.forget(rollout, ["r1"])
    assert not await world.workloads.restore(rollout, ["r1", "r2"])
    assert list(world.workloads.records(rollout)) == [SECOND]


async def test_nothing_is_sent_while_nothing_was_deleted(world: World) -> None:
    rollout = await two_records(world)
    world.calls.clear()
    assert not await world.workloads.restore(rollout, ["r1", "r2"])
    assert not world.calls


async def test_records_of_a_deleted_rollout_go_with_it(world: World) -> None:
    rollout = await two_records(world)
    await world.delete(RECORDS, "web-r1", seen=True)
    await world.delete(ROLLOUTS, "web", seen=True)
    world.calls.clear()
    assert not await world.workloads.restore(rollout, ["r1", "r2"])
    assert not world.calls
