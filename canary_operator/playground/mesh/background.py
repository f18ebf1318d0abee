"""Tasks that live as long as their owner, and whose failure is never silent."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Self

logger = logging.getLogger(__name__)


class Background:
    """Starts tasks and ends them together; use it as an async context manager.

    Unlike `asyncio.TaskGroup` it may be entered and left in different tasks, as test fixtures do,
    and a failure does not cancel whoever happens to own it: it is logged, with its traceback.
    """

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work` until it ends or the owner does."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_report)
        self._tasks.append(task)
        return task


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.error("Background task failed: task=%s", task.get_name(), exc_info=error)
