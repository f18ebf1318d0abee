"""Who is looked at when: events wake a rollout at once, deadlines when they are due.

Ticks of one rollout never overlap; ticks of different rollouts run side by side, up to a bound.
A rollout whose tick fails is tried again with growing pauses and holds up nobody else.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from canary_operator.domain.errors import ConflictError, SurroundingsError
from canary_operator.engine.tick import Next
from canary_operator.ports import Key
from canary_operator.telemetry import Silence, Telemetry, TickOutcome

logger = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(milliseconds=100)
LONGEST_PAUSE = timedelta(seconds=10)
"""A rollback may be waiting for the API server to come back."""
LONGEST_SLEEP = timedelta(hours=1)
"""A far deadline is looked at again by then: the wall clock may have been set."""


class Scheduler:
    """Runs the ticks of all rollouts."""

    def __init__(
        self,
        tick: Callable[[Key], Awaitable[Next]],
        clock: Callable[[], datetime],
        limit: int = 16,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._tick = tick
        self._telemetry = telemetry or Silence()
        self._clock = clock
        self._slots = asyncio.Semaphore(limit)
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._woken: dict[Key, float] = {}
        """Who is due, and since which second of the loop."""
        self._begun: dict[Key, float] = {}
        """Ticks that are under way, and since which second of the loop."""
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._started = False

    def start(self) -> None:
        """Begin to run ticks, also those that were asked for before."""
        self._started = True
        now = asyncio.get_running_loop().time()
        self._woken = dict.fromkeys(self._woken, now)  # before, nothing was due here
        for key in self._woken.keys() - self._running.keys():
            self._run(key)

    def wake(self, key: Key) -> None:
        """Look at `key` as soon as possible."""
        self._wake_since(key, asyncio.get_running_loop().time())

    def _wake_since(self, key: Key, due: float) -> None:
        self._woken.setdefault(key, due)
        if self._started and key not in self._running:
            self._run(key)

    def longest_tick(self) -> tuple[Key, float] | None:
        """Return the tick that has been under way longest, and its seconds so far."""
        if not self._begun:
            return None
        key = min(self._begun, key=self._begun.__getitem__)
        return key, asyncio.get_running_loop().time() - self._begun[key]

    async def stop(self) -> None:
        """Stop at once: what a tick has not written yet, the next operator decides anew.

        `start` begins again, with what was asked for meanwhile.
        """
        self._started = False
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._failures.clear()
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        task = asyncio.create_task(self._drive(key), name=f"tick {key}")
        self._running[key] = task
        task.add_done_callback(lambda _: self._done(key))

    def _done(self, key: Key) -> None:
        self._running.pop(key, None)
        if self._started and key in self._woken:
            self._run(key)

    async def _drive(self, key: Key) -> None:
        """Tick until nothing is due, then set the timer for the next deadline."""
        async with self._slots:
            following = await self._timed(key)
        if following.again:
            self._woken.setdefault(key, asyncio.get_running_loop().time())
        elif following.at is not None:
            self._set_timer(key, following.at)

    async def _timed(self, key: Key) -> Next:
        """Run one tick and tell how it went."""
        begun = self._begun[key] = asyncio.get_running_loop().time()
        lag = begun - self._woken.pop(key, begun)
        try:
            outcome, following = await self._try(key)
        finally:
            del self._begun[key]
        seconds = asyncio.get_running_loop().time() - begun
        self._telemetry.ticked(outcome, seconds=seconds, lag=lag)
        return following

    async def _try(self, key: Key) -> tuple[TickOutcome, Next]:
        try:
            following = await self._tick(key)
        except (ConflictError, SurroundingsError) as error:
            logger.info("Tick put off: %s", error, extra={"rollout": str(key)})
            return TickOutcome.PUT_OFF, Next(at=self._retry_at(key, error))
        except Exception:
            logger.exception("Tick failed unexpectedly", extra={"rollout": str(key)})
            return TickOutcome.FAILED, Next(at=self._retry_at(key, None))
        self._failures.pop(key, None)
        return TickOutcome.OK, following

    def _retry_at(self, key: Key, error: Exception | None) -> datetime:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        pause = min(FIRST_PAUSE * 2 ** min(failures, 12), LONGEST_PAUSE)
        asked = error.retry_after if isinstance(error, SurroundingsError) else None
        return self._clock() + (asked or pause)

    def _set_timer(self, key: Key, moment: datetime) -> None:
        delay = min(max(moment - self._clock(), timedelta()), LONGEST_SLEEP)
        loop = asyncio.get_running_loop()
        due = loop.time() + delay.total_seconds()
        self._timers[key] = loop.call_at(due, self._wake_since, key, due)
