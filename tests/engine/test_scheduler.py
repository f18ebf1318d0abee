"""Who ticks when: one rollout never twice at once, and none waits for another."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from canary_operator.domain.errors import ConflictError, UnavailableError
from canary_operator.engine.scheduler import LONGEST_PAUSE, LONGEST_SLEEP, Scheduler
from canary_operator.engine.tick import Next
from canary_operator.ports import Key

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
WEB, API, SHOP = Key("demo", "web"), Key("demo", "api"), Key("demo", "shop")


class Ticks:
    """Stands in for the ticker: counts, can be held up, answers what it is told."""

    def __init__(self) -> None:
        self.begun: Counter[Key] = Counter()
        self.running: Counter[Key] = Counter()
        self.answers: dict[Key, list[Next | Exception]] = {}
        self.gates: dict[Key, asyncio.Event] = {}
        self.changed = asyncio.Condition()

    async def __call__(self, key: Key) -> Next:
        self.begun[key] += 1
        self.running[key] += 1
        assert self.running[key] == 1, "ticks of one rollout overlap"
        try:
            async with self.changed:
                self.changed.notify_all()
            if key in self.gates:
                await self.gates[key].wait()
            answer = self.answers.get(key, []).pop(0) if self.answers.get(key) else Next()
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.running[key] -= 1

    async def until_begun(self, key: Key, times: int) -> None:
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(lambda: self.begun[key] >= times)


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest_asyncio.fixture
async def scheduler(ticks: Ticks) -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(ticks, lambda: NOW, limit=2)
    scheduler.start()
    yield scheduler
    await scheduler.stop()


async def rest(scheduler: Scheduler) -> None:
    """Let everything run that can run."""
    while scheduler._running:
        await asyncio.gather(*scheduler._running.values())
        await asyncio.sleep(0)


def pause(scheduler: Scheduler, key: Key) -> float:
    """Return the seconds until a rollout is looked at again."""
    return scheduler._timers[key].when() - asyncio.get_running_loop().time()


async def test_ticks_of_one_rollout_never_overlap(scheduler: Scheduler, ticks: Ticks) -> None:
    ticks.gates[WEB] = asyncio.Event()
    scheduler.wake(WEB)
    await ticks.until_begun(WEB, 1)
    for _ in range(3):
        scheduler.wake(WEB)
        await asyncio.sleep(0)
    assert ticks.begun[WEB] == 1
    ticks.gates[WEB].set()
    await rest(scheduler)
    assert ticks.begun[WEB] == 2  # what woke it meanwhile is looked at once


async def test_a_slow_tick_delays_no_other_rollout(scheduler: Scheduler, ticks: Ticks) -> None:
    ticks.gates[WEB] = asyncio.Event()
    scheduler.wake(WEB)
    await ticks.until_begun(WEB, 1)
    for times in (1, 2):
        scheduler.wake(API)
        await ticks.until_begun(API, times)
    ticks.gates[WEB].set()


async def test_no_more_ticks_at_once_than_allowed(scheduler: Scheduler, ticks: Ticks) -> None:
    for key in (WEB, API):
        ticks.gates[key] = asyncio.Event()
        scheduler.wake(key)
        await ticks.until_begun(key, 1)
    scheduler.wake(SHOP)
    for _ in range(5):
        await asyncio.sleep(0)
    assert ticks.begun[SHOP] == 0
    ticks.gates[API].set()
    await ticks.until_begun(SHOP, 1)
    ticks.gates[WEB].set()


@pytest.mark.parametrize(
    "error", [ConflictError("changed"), UnavailableError("away"), RuntimeError("a bug")]
)
async def test_a_failed_tick_is_tried_again_with_growing_pauses(
    scheduler: Scheduler, ticks: Ticks, error: Exception
) -> None:
    ticks.answers[WEB] = [error] * 12
    pauses = []
    for _ in range(12):
        scheduler.wake(WEB)
        await rest(scheduler)
        pauses.append(round(pause(scheduler, WEB), 1))
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE.total_seconds()


async def test_a_failed_tick_comes_again_by_itself(scheduler: Scheduler, ticks: Ticks) -> None:
    ticks.answers[WEB] = [UnavailableError("away")]
    scheduler.wake(WEB)
    await ticks.until_begun(WEB, 2)


async def test_after_a_success_pauses_are_short_again(scheduler: Scheduler, ticks: Ticks) -> None:
    away = UnavailableError("away")
    ticks.answers[WEB] = [away, away, away, Next(), away]
    for _ in range(5):
        scheduler.wake(WEB)
        await rest(scheduler)
    assert pause(scheduler, WEB) == pytest.approx(0.1, abs=0.05)


async def test_a_failing_rollout_delays_no_other(scheduler: Scheduler, ticks: Ticks) -> None:
    ticks.answers[WEB] = [UnavailableError("away")] * 8
    for _ in range(8):
        scheduler.wake(WEB)
        await rest(scheduler)
    scheduler.wake(API)
    await rest(scheduler)
    assert ticks.begun[API] == 1
    assert API not in scheduler._timers


async def test_the_other_side_says_how_long_to_wait(scheduler: Scheduler, ticks: Ticks) -> None:
    ticks.answers[WEB] = [UnavailableError("busy", timedelta(seconds=7))]
    scheduler.wake(WEB)
    await rest(scheduler)
    assert pause(scheduler, WEB) == pytest.approx(7, abs=0.05)


async def test_a_bug_is_logged_with_its_traceback(
    scheduler: Scheduler, ticks: Ticks, caplog: pytest.LogCaptureFixture
) -> None:
    ticks.answers[WEB] = [RuntimeError("a bug")]
    scheduler.wake(WEB)
    await rest(scheduler)
    (record,) = caplog.records
    assert (record.levelname, record.__dict__["rollout"]) == ("ERROR", "demo/web")
    assert record.exc_info


@pytest.mark.parametrize(
    "following", [Next(again=True), Next(at=NOW), Next(at=NOW - timedelta(days=1))]
)
async def test_what_is_due_is_looked_at_at_once(
    scheduler: Scheduler, ticks: Ticks, following: Next
) -> None:
    ticks.answers[WEB] = [following]
    scheduler.wake(WEB)
    await ticks.until_begun(WEB, 2)


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        pytest.param(timedelta(minutes=2), timedelta(minutes=2), id="a deadline"),
        pytest.param(timedelta(days=2), LONGEST_SLEEP, id="a far one, as clocks may be set"),
    ],
)
async def test_a_deadline_wakes(
    scheduler: Scheduler, ticks: Ticks, wait: timedelta, expected: timedelta
) -> None:
    ticks.answers[WEB] = [Next(at=NOW + wait)]
    scheduler.wake(WEB)
    await rest(scheduler)
    assert pause(scheduler, WEB) == pytest.approx(expected.total_seconds(), abs=0.05)


async def test_an_event_replaces_the_deadline(scheduler: Scheduler, ticks: Ticks) -> None:
    ticks.answers[WEB] = [Next(at=NOW + timedelta(minutes=2)), Next()]
    scheduler.wake(WEB)
    await rest(scheduler)
    scheduler.wake(WEB)
    await rest(scheduler)
    assert WEB not in scheduler._timers


async def test_nothing_ticks_before_the_start(ticks: Ticks) -> None:
    scheduler = Scheduler(ticks, lambda: NOW)
    scheduler.wake(WEB)
    await asyncio.sleep(0)
    assert ticks.begun[WEB] == 0
    scheduler.start()
    await ticks.until_begun(WEB, 1)
    await scheduler.stop()


async def test_nothing_ticks_after_the_end(scheduler: Scheduler, ticks: Ticks) -> None:
    ticks.gates[WEB] = asyncio.Event()
    ticks.answers[API] = [Next(at=NOW + timedelta(minutes=2))]
    for key in (WEB, API):
        scheduler.wake(key)
        await ticks.until_begun(key, 1)
    scheduler.wake(WEB)
    await scheduler.stop()
    assert ticks.running.total() == 0
    scheduler.wake(SHOP)
    await asyncio.sleep(0)
    assert ticks.begun == {WEB: 1, API: 1}
