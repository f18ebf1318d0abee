"""Calls a reconcile function once per wake-up and key; never twice at once for one key."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from canary_operator.playground.client import ApiError, ConflictError
from canary_operator.playground.controllers.cache import Key

logger = logging.getLogger(__name__)

SHORTEST_RETRY_SECONDS = 0.02
LONGEST_RETRY_SECONDS = 2.0

Reconcile = Callable[[Key], Awaitable[float | None]]
"""Brings one object to what it should be; returns seconds after which time alone changes that."""


class Worker:
    """Runs `reconcile` for keys that were woken, each key in its own task while there is work."""

    def __init__(self, name: str, reconcile: Reconcile) -> None:
        self._name = name
        self._reconcile = reconcile
        self._dirty: set[Key] = set()
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._alarms: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._started = False

    def start(self) -> None:
        """Begin with the keys woken so far; before, a half-filled cache would mislead."""
        self._started = True
        for key in list(self._dirty):
            self.wake(key)

    def wake(self, key: Key) -> None:
        """Reconcile `key` soon; wake-ups that come before it starts count as one."""
        self._dirty.add(key)
        if self._started and key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._work(key), name=f"{self._name} {key}")

    def wake_after(self, key: Key, seconds: float) -> None:
        """Wake `key` later; a newer alarm replaces an older one."""
        self._silence(key)
        loop = asyncio.get_running_loop()
        self._alarms[key] = loop.call_later(max(0.0, seconds), self.wake, key)

    async def stop(self) -> None:
        """Stop at once; what is half done is finished by whoever reconciles next."""
        self._started = False
        for key in list(self._alarms):
            self._silence(key)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, key: Key) -> None:
        try:
            while key in self._dirty:
                self._dirty.discard(key)
                self._silence(key)
                await self._once(key)
        finally:
            del self._tasks[key]

    async def _once(self, key: Key) -> None:
        try:
            again_after = await self._reconcile(key)
        except ConflictError as error:  # the change that we missed is on its way to the cache
            logger.debug("Conflict: controller=%s key=%s error=%s", self._name, key, error)
            self._retry(key)
        except ApiError as error:
            logger.info("Retrying: controller=%s key=%s error=%s", self._name, key, error)
            self._retry(key)
        except Exception:
            logger.exception("Retrying after a bug: controller=%s key=%s", self._name, key)
            self._retry(key)
        else:
            self._failures.pop(key, None)
            if again_after is not None:
                self.wake_after(key, again_after)

    def _retry(self, key: Key) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.wake_after(key, min(SHORTEST_RETRY_SECONDS * 2**failures, LONGEST_RETRY_SECONDS))

    def _silence(self, key: Key) -> None:
        if alarm := self._alarms.pop(key, None):
            alarm.cancel()
