"""Blocking calls beside the event loop, with a bound on how many."""

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Generic, Protocol, TypeVar

PATIENCE = 4
"""How many calls' time one call waits for its place: many that are quick soon let it in."""

SLOW_SECONDS = 1.0
"""Calls that took longer than this are slow."""

MOST_REMEMBERED = 1000
"""Slow owners that are known; nobody says when one is gone, so the oldest are forgotten."""

_Result = TypeVar("_Result")
_Owner = TypeVar("_Owner", bound=Hashable)


class BusyLaneError(TimeoutError):
    """No place became free in time."""


class Runs(Protocol):
    """Where a blocking call can be made."""

    async def run(self, call: Callable[[], _Result], seconds: float) -> _Result:
        """Return what `call` returns; see `Lane.run`."""
        ...


class Lane:
    """A few threads for blocking calls.

    A call that hangs keeps its thread until it ends, and its place in the lane: so the number of
    threads is bounded, and who comes later waits in the loop, where waiting can be given up.
    """

    def __init__(self, width: int, name: str) -> None:
        """Prepare; threads start when they are needed.

        Args:
            width: Most calls at the same time.
            name: What the threads are called.
        """
        self._places = asyncio.Semaphore(width)
        self._threads = ThreadPoolExecutor(width, thread_name_prefix=name)

    async def run(self, call: Callable[[], _Result], seconds: float) -> _Result:
        """Return what `call` returns within `seconds`; `PATIENCE` times that may pass before it.

        Raises:
            BusyLaneError: no place became free; `call` was not made.
            TimeoutError: it took longer. The call itself goes on until it ends.
        """
        try:
            async with asyncio.timeout(PATIENCE * seconds):
                await self._places.acquire()
        except TimeoutError:
            raise BusyLaneError from None
        running = asyncio.get_running_loop().run_in_executor(self._threads, call)
        running.add_done_callback(self._ended)
        finished, _ = await asyncio.wait({running}, timeout=seconds)
        if not finished:
            raise TimeoutError
        return running.result()

    def close(self) -> None:
        """Start no further call; one that is under way ends by its own timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ended(self, call: "asyncio.Future[_Result]") -> None:
        self._places.release()
        if not call.cancelled():
            call.exception()  # nobody may be left to ask for it


class CustomLanes(Generic[_Owner]):
    """Lanes for calls of many owners: who was slow last waits behind the others that were.

    So owners whose calls are quick never wait for those whose calls are slow, after the first time.
    """

    def __init__(self, width: int, name: str) -> None:
        """Prepare.

        Args:
            width: Most calls at the same time, at least 2; a quarter of them for slow ones.
            name: What the threads are called.
        """
        slow = max(1, width // 4)
        self._quick = Lane(max(1, width - slow), name)
        self._slow = Lane(slow, f"{name}-slow")
        self._slow_owners: dict[_Owner, None] = {}

    def of(self, owner: _Owner) -> "OwnLane[_Owner]":
        """Return the lane for calls of `owner`."""
        return OwnLane(self, owner)

    async def run(self, owner: _Owner, call: Callable[[], _Result], seconds: float) -> _Result:
        """Do as `Lane.run`, and remember how long the call took; waiting for a place is no fault.

        Raises:
            BusyLaneError: no place became free; `call` was not made.
            TimeoutError: it took longer. The call itself goes on until it ends.
        """
        watch = _Watch()

        def timed() -> _Result:
            with watch:
                return call()

        lane = self._slow if owner in self._slow_owners else self._quick
        try:
            return await lane.run(timed, seconds)
        finally:
            if watch.began is not None:
                self._took(owner, watch.seconds)

    def close(self) -> None:
        """Start no further call."""
        self._quick.close()
        self._slow.close()

    def _took(self, owner: _Owner, seconds: float) -> None:
        self._slow_owners.pop(owner, None)
        if seconds > SLOW_SECONDS:
            self._slow_owners[owner] = None
        if len(self._slow_owners) > MOST_REMEMBERED:  # some of them may be gone
            del self._slow_owners[next(iter(self._slow_owners))]


class _Watch:
    """Tells how long a block takes, or has taken so far."""

    def __init__(self) -> None:
        self.began: float | None = None
        self._ended: float | None = None

    def __enter__(self) -> None:
        self.began = monotonic()

    def __exit__(self, *_: object) -> None:
        self._ended = monotonic()

    @property
    def seconds(self) -> float:
        """Zero before the block begins."""
        now = monotonic() if self._ended is None else self._ended
        return now - (now if self.began is None else self.began)


@dataclass(frozen=True, slots=True)
class OwnLane(Generic[_Owner]):
    """The lanes of many, for one of them."""

    lanes: CustomLanes[_Owner]
    owner: _Owner

    async def run(self, call: Callable[[], _Result], seconds: float) -> _Result:
        """Do as `CustomLanes.run`."""
        return await self.lanes.run(self.owner, call, seconds)
