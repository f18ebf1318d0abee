"""Events on a Kubernetes API."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from canary_operator.adapters.cluster.events import ClusterEvents
from canary_operator.adapters.cluster.resources import EVENTS
from canary_operator.domain.notices import Notice
from canary_operator.domain.reasons import Reason
from canary_operator.playground.api import Fault
from tests.adapters.cluster.world import World
from tests.support.clusters import EmbeddedCluster

STARTED = Notice("Normal", Reason.ROLLOUT_STARTED, "Revision r2 is on trial.")
FAILED = Notice("Warning", Reason.CHECK_FAILED, "95 % < 99 %.")


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sink(world: World, clock: Clock) -> ClusterEvents:
    return ClusterEvents(world.client, "operator-1", clock, pauses=(0.0, 0.0))


async def told(world: World, sink: ClusterEvents) -> list[dict]:
    await sink.stop()
    answer = await world.cluster.client.request("GET", EVENTS.path(world.namespace))
    return [each for each in answer["items"] if each["reportingComponent"] == "canary-operator"]


async def test_an_event_says_what_happened_to_which_rollout(
    world: World, sink: ClusterEvents
) -> None:
    rollout = await world.rollout()
    sink.start()
    sink.tell(rollout, STARTED)
    [event] = await told(world, sink)
    assert (event["type"], event["reason"], event["message"]) == (
        "Normal",
        "RolloutStarted",
        "Revision r2 is on trial.",
    )
    assert event["involvedObject"]["uid"] == rollout.uid
    assert event["reportingInstance"] == "operator-1"
    assert event["count"] == 1
    assert event["firstTimestamp"] == event["lastTimestamp"], "what `kubectl describe` sorts by"


async def test_equal_events_are_counted(world: World, sink: ClusterEvents, clock: Clock) -> None:
    rollout = await world.rollout()
    sink.start()
    for notice in (FAILED, STARTED, FAILED, FAILED):
        clock.now += timedelta(seconds=30)
        sink.tell(rollout, notice)
    events = {event["reason"]: event for event in await told(world, sink)}
    assert len(events) == 2
    failed = events["CheckFailed"]
    assert failed["count"] == 3
    assert failed["firstTimestamp"] < failed["lastTimestamp"]
    assert events["RolloutStarted"]["count"] == 1


async def test_an_event_that_returns_after_a_while_is_a_new_one(
    world: World, sink: ClusterEvents, clock: Clock
) -> None:
    rollout = await world.rollout()
    sink.start()
    for _ in range(2):
        sink.tell(rollout, FAILED)
        clock.now += timedelta(hours=1)
    assert len(await told(world, sink)) == 2


async def test_an_event_that_expired_is_told_anew(world: World, sink: ClusterEvents) -> None:
    rollout = await world.rollout()
    sink.start()
    sink.tell(rollout, FAILED)
    [event] = await told(world, sink)
    path = EVENTS.path(world.namespace, event["metadata"]["name"])
    await world.cluster.client.request("DELETE", path)
    sink.start()
    sink.tell(rollout, FAILED)
    assert len(await told(world, sink)) == 1


async def test_a_long_note_is_cut(world: World, sink: ClusterEvents) -> None:
    rollout = await world.rollout()
    sink.start()
    sink.tell(rollout, Notice("Warning", Reason.INVALID_TEMPLATE, "ü" * 2000))
    [event] = await told(world, sink)
    assert len(event["message"].encode()) <= 1024
    assert event["message"].endswith("ü…")


async def test_telling_never_waits(world: World, sink: ClusterEvents) -> None:
    rollout = await world.rollout()
    for number in range(2000):  # nobody sends: the sink was not started
        sink.tell(rollout, Notice("Normal", Reason.STABLE, str(number)))
    await sink.stop()


async def test_a_server_that_fails_for_a_moment(world: World, sink: ClusterEvents) -> None:
    if not isinstance(world.cluster, EmbeddedCluster):
        pytest.skip("needs injected faults")
    faults = world.cluster.api.faults
    faults.add(Fault(resource="events", verb="create", status=503, times=1))
    faults.add(Fault(resource="events", verb="create", reset=True, after=True, times=1))
    rollout = await world.rollout()
    sink.start()
    sink.tell(rollout, FAILED)
    assert len(await told(world, sink)) == 1


@pytest.mark.parametrize("status", [403, 404, 422, 500])
async def test_events_that_cannot_be_sent_hold_up_nothing(
    world: World, sink: ClusterEvents, status: int
) -> None:
    if not isinstance(world.cluster, EmbeddedCluster):
        pytest.skip("needs injected faults")
    refused = world.cluster.api.faults.add(Fault(resource="events", verb="create", status=status))
    rollout = await world.rollout()
    sink.start()
    sink.tell(rollout, STARTED)
    await told(world, sink)
    world.cluster.api.faults.remove(refused)
    sink.start()
    sink.tell(rollout, FAILED)
    assert [event["reason"] for event in await told(world, sink)] == ["CheckFailed"]


async def test_names_are_unique_across_instances(world: World, clock: Clock) -> None:
    rollout = await world.rollout()
    sinks = [ClusterEvents(world.client, f"operator-{n}", clock) for n in range(2)]
    for sink, notice in itertools.product(sinks, (STARTED, FAILED)):
        sink.start() if sink._task is None else None
        sink.tell(rollout, notice)
    await sinks[0].stop()
    assert len(await told(world, sinks[1])) == 4
