"""Blocking calls beside the event loop, with a bound on how many."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

PATIENCE = 4
"""How many calls' time one call waits for its place: many that are quick soon let it in."""

_Result = TypeVar("_Result")


class BusyLaneError(TimeoutError):
    """No place became free in time."""


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
