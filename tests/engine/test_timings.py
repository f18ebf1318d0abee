"""What the scheduler tells of its ticks: how they ended, how long they took, how late they were."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from canary_operator.domain.errors import ConflictError, UnavailableError
from canary_operator.engine.scheduler import Scheduler
from canary_operator.engine.tick import Next
from canary_operator.ports import Key
from canary_operator.telemetry import Silence, TickOutcome

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
WEB, API = Key("demo", "web"), Key("demo", "api")


class Heard(Silence):
    """Keeps what was told."""

    def __init__(self) -> None:
        self.ticks: list[tuple[str, float, float]] = []

    def ticked(self, outcome: TickOutcome, *, seconds: float, lag: float) -> None:
        self.ticks.append((outcome.value, seconds, lag))


class Clock:
    """The loop's time, moved by hand; timers fire when it says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)

    async def __call__(self, seconds: float) -> None:
        self.now += seconds
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def heard() -> Heard:
    return Heard()


def scheduler_of(
    tick: Callable[[Key], Awaitable[Next]], heard: Heard, *, limit: int = 16
) -> Scheduler:
    scheduler = Scheduler(tick, lambda: NOW, limit, heard)
    scheduler.start()
    return scheduler


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Next(), "ok"),
        (ConflictError("changed"), "put_off"),
        (UnavailableError("away"), "put_off"),
        (RuntimeError("a bug"), "failed"),
    ],
)
async def test_each_tick_is_told_with_its_length(
    clock: Clock, heard: Heard, answer: Next | Exception, outcome: str
) -> None:
    async def tick(_: Key) -> Next:
        clock.now += 2.5
        if isinstance(answer, Exception):
            raise answer
        return answer

    scheduler = scheduler_of(tick, heard)
    scheduler.wake(WEB)
    await clock(0)
    assert heard.ticks == [(outcome, 2.5, 0.0)]
    await scheduler.stop()


async def test_who_waits_for_a_free_place_is_late(clock: Clock, heard: Heard) -> None:
    gate = asyncio.Event()

    async def tick(key: Key) -> Next:
        if key == WEB:
            await gate.wait()
        return Next()

    scheduler = scheduler_of(tick, heard, limit=1)
    scheduler.wake(WEB)
    scheduler.wake(API)
    await clock(0)
    await clock(3)
    assert scheduler.longest_tick() == (WEB, 3.0)
    gate.set()
    await clock(0)
    assert heard.ticks == [("ok", 3.0, 0.0), ("ok", 0.0, 3.0)]
    assert scheduler.longest_tick() is None
    await scheduler.stop()


async def test_the_first_of_several_events_counts(clock: Clock, heard: Heard) -> None:
    gate = asyncio.Event()

    async def tick(_: Key) -> Next:
        await gate.wait()
        return Next()

    scheduler = scheduler_of(tick, heard)
    scheduler.wake(WEB)
    await clock(0)
    await clock(1)
    scheduler.wake(WEB)
    await clock(4)
    scheduler.wake(WEB)
    await clock(2)
    gate.set()
    await clock(0)
    assert heard.ticks == [("ok", 7.0, 0.0), ("ok", 0.0, 6.0)]
    await scheduler.stop()


async def test_a_deadline_counts_from_when_it_was_due(clock: Clock, heard: Heard) -> None:
    answers = [Next(at=NOW + timedelta(seconds=10)), Next()]

    async def tick(_: Key) -> Next:
        return answers.pop(0)

    scheduler = scheduler_of(tick, heard)
    scheduler.wake(WEB)
    await clock(0)
    await clock(10.75)  # the loop was busy
    assert [lag for _, _, lag in heard.ticks] == [0.0, 0.75]
    await scheduler.stop()


async def test_a_standby_was_not_late(clock: Clock, heard: Heard) -> None:
    async def tick(_: Key) -> Next:
        return Next()

    scheduler = Scheduler(tick, lambda: NOW, telemetry=heard)
    scheduler.wake(WEB)
    await clock(3600)
    scheduler.start()
    await clock(0)
    assert heard.ticks == [("ok", 0.0, 0.0)]
    await scheduler.stop()


async def test_a_tick_that_was_cancelled_is_not_counted(clock: Clock, heard: Heard) -> None:
    async def tick(_: Key) -> Next:
        await asyncio.Event().wait()
        return Next()

    scheduler = scheduler_of(tick, heard)
    scheduler.wake(WEB)
    await clock(0)
    await clock(1)
    assert scheduler.longest_tick() == (WEB, 1.0)
    await scheduler.stop()
    assert heard.ticks == []
    assert scheduler.longest_tick() is None
