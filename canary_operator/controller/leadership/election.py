"""The life of one candidate: stands by, takes the Lease, leads until it is lost or given back."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from datetime import datetime

from canary_operator.adapters.cluster.errors import ApiError
from canary_operator.controller.leadership.access import LeaseAccess, Manifest, uptime
from canary_operator.controller.leadership.rules import (
    Observed,
    Record,
    Times,
    claim,
    observe,
    release,
    renewal,
)
from canary_operator.domain.errors import CanaryOperatorError, ConflictError

logger = logging.getLogger(__name__)

Work = Callable[[], Awaitable[None]]

WRITE_MARGIN_SECONDS = 1.0
"""A write that is under way is cut off so long before others may take over."""
_QUICK_RETRY_SECONDS = 0.5
_COMPLAIN_AGAIN_SECONDS = 60.0


async def _nothing() -> None:
    """Work that is not given yet."""


class Election:
    """One candidate for one Lease."""

    def __init__(
        self,
        lease: LeaseAccess,
        me: str,
        *,
        clock: Callable[[], datetime],
        times: Times = Times(),  # noqa: B008 - frozen
        uptime: Callable[[], float] = uptime,
    ) -> None:
        """Prepare; nothing happens before `start`.

        Args:
            lease: What is competed for.
            me: A name that no other process has, also not this one after a restart.
            clock: Wall-clock time, only written for people to read.
            times: How long everything takes.
            uptime: Seconds that never go back.
        """
        self.me = me
        self._lease = lease
        self._clock = clock
        self._times = times
        self._uptime = uptime
        self._observed: Observed | None = None
        self._news = asyncio.Event()
        self._mine: Record | None = None
        self._renewed = 0.0
        """When the last renewal that succeeded was sent."""
        self._complaint = ""
        self._complained_at = -math.inf
        self._taking = False
        """Whether a claim was sent whose answer is not known."""
        self._begun = False
        self._task: asyncio.Task[None] | None = None
        self._begin: Work = _nothing
        self._end: Work = _nothing

    @property
    def leading(self) -> bool:
        """Whether work may be begun."""
        return self._mine is not None and self._uptime() < self._renewed + self._times.renew_within

    @property
    def working(self) -> bool:
        """Whether this operator leads and has begun its work: a leader that cannot is none."""
        return self._begun and self.leading

    def seconds_to_write(self) -> float:
        """Return how long a write that begins now may take; 0 when none may begin."""
        if not self.leading:
            return 0.0
        end = self._renewed + self._times.lease - WRITE_MARGIN_SECONDS
        return end - self._uptime()

    @property
    def alive(self) -> bool:
        """Whether the candidate competes or leads, or has not been started yet."""
        return self._task is None or not self._task.done()

    def start(self, begin: Work, end: Work) -> None:
        """Begin to compete.

        Args:
            begin: Called as leader; may take its time, the Lease is renewed meanwhile.
            end: Called when leading is over; when it returns, all work has ended. Repeatable.
        """
        self._begin, self._end = begin, end
        self._task = asyncio.create_task(self._run(), name="leader election")

    async def stop(self) -> None:
        """Give the Lease back if it is ours; all work must have ended before."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._mine is None and not self._taking:
            return
        try:
            async with asyncio.timeout(self._times.retry):
                if self._mine is None:
                    await self._is_still_mine()
                await self._give_back()
            logger.info("Leadership given back: identity=%s", self.me)
        except (ApiError, CanaryOperatorError, TimeoutError) as error:
            logger.warning("Leadership was not given back, others wait for its end: %s", error)
        self._mine = None

    async def _give_back(self) -> None:
        while self._mine is not None:
            try:
                await self._lease.change(self._mine.version, release(self._clock()))
            except ConflictError:
                # The end may have come between a renewal and its answer.
                if await self._is_still_mine():
                    continue
            return

    async def _run(self) -> None:
        while True:
            try:
                await self._stand_by()
                await self._lead()
            except (ApiError, CanaryOperatorError, TimeoutError) as error:
                self._complain(f"Leader election is tried again: {error}")
            except Exception:
                self._mine = None
                logger.exception("Leader election failed unexpectedly; it is tried again")
            await asyncio.sleep(self._times.retry)

    def _complain(self, words: str) -> None:
        """Say what is wrong, and again each minute, however often it is tried."""
        now = self._uptime()
        if words != self._complaint or now - self._complained_at >= _COMPLAIN_AGAIN_SECONDS:
            logger.warning(words)
            self._complaint, self._complained_at = words, now

    async def _stand_by(self) -> None:
        """Wait until the Lease is free, and take it; return as leader."""
        following = asyncio.create_task(self._follow(), name="follow the Lease")
        try:
            while not await self._take():
                await self._until_free()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _take(self) -> bool:
        """Read the Lease and take it if it is free; return whether it is ours now."""
        self._note(await self._lease.read())
        observed = self._observed
        if observed is None or observed.free_at(self.me, self._times) > self._uptime():
            return False
        before, sent = observed.record, self._uptime()
        spec = claim(self.me, self._times, before, self._clock())
        self._taking = True
        try:
            if before is None:
                taken = await self._lease.create(spec)
            else:
                taken = await self._lease.change(before.version, spec)
        except ConflictError:
            self._taking = False
            return False  # somebody else was quicker
        self._mine, self._renewed, self._taking = Record.read(taken), sent, False
        return True

    async def _until_free(self) -> None:
        """Wait until nobody has renewed for long enough, or somebody gave the Lease back."""
        while True:
            observed = self._observed
            if observed is None:
                return
            wait = observed.free_at(self.me, self._times) - self._uptime()
            if wait <= 0:
                return
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()

    async def _follow(self) -> None:
        while True:
            try:
                async with aclosing(self._lease.follow()) as seen:
                    async for manifest in seen:
                        self._note(manifest)
            except (ApiError, CanaryOperatorError) as error:
                logger.debug("The Lease cannot be followed: %s", error)
            await asyncio.sleep(self._times.retry)

    def _note(self, manifest: Manifest | None) -> None:
        record = None if manifest is None else Record.read(manifest)
        before = self._observed.record if self._observed else None
        self._observed = observe(self._observed, record, self._uptime())
        holder = record.holder if record else ""
        if holder not in {"", self.me} and (before is None or before.holder != holder):
            logger.info("Standing by: leader=%s", holder)
        self._news.set()

    async def _lead(self) -> None:
        logger.info("Leading: identity=%s", self.me)
        self._complaint = ""
        beginning = asyncio.create_task(self._work(), name="begin as leader")
        try:
            renewed = True
            while renewed:
                await asyncio.sleep(self._times.retry)
                renewed = await self._renew()
            logger.warning("Leadership lost: identity=%s; standing by", self.me)
            self._mine = None
        finally:
            self._begun = False
            beginning.cancel()
            await asyncio.gather(beginning, return_exceptions=True)
            await self._end()

    async def _work(self) -> None:
        """Begin as leader, again and again if that fails: without it, nobody works."""
        while True:
            try:
                await self._begin()
            except (ApiError, CanaryOperatorError) as error:
                self._complain(f"The leader cannot begin yet: {error}")
            except Exception:
                logger.exception("The leader cannot begin, unexpectedly")
            else:
                self._begun = True
                return
            await asyncio.sleep(self._times.retry)

    async def _renew(self) -> bool:
        """Renew the Lease, with several tries; return False when it is lost."""
        while self.leading and self._mine is not None:
            sent = self._uptime()
            try:
                async with asyncio.timeout(self._renewed + self._times.renew_within - sent):
                    spec = renewal(self.me, self._times, self._clock())
                    renewed = await self._lease.change(self._mine.version, spec)
            except ConflictError:
                if not await self._is_still_mine():
                    return False
            except (ApiError, CanaryOperatorError, TimeoutError) as error:
                self._complain(f"The Lease cannot be renewed: {error or 'no answer in time'}")
                await asyncio.sleep(_QUICK_RETRY_SECONDS)
            else:
                self._mine, self._renewed = Record.read(renewed), sent
                return True
        return False

    async def _is_still_mine(self) -> bool:
        """Look after a conflict: a renewal may have been made whose answer was lost."""
        try:
            async with asyncio.timeout(self._times.retry):
                manifest = await self._lease.read()
        except (ApiError, CanaryOperatorError, TimeoutError):
            await asyncio.sleep(_QUICK_RETRY_SECONDS)
            return True  # not known: the caller tries again while there is time
        record = None if manifest is None else Record.read(manifest)
        if record is None or record.holder != self.me:
            return False
        self._mine = record
        return True
