"""Questions that are asked at about the same time are put together."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar

LINGER_SECONDS = 0.02
"""How long a question waits for others."""

Group = TypeVar("Group", bound=Hashable)
Item = TypeVar("Item", bound=Hashable)
Answer = TypeVar("Answer")

Ask: TypeAlias = Callable[[Group, Sequence[Item]], Awaitable[Mapping[Item, Answer]]]
"""Answers for all items of a group at once."""


class Batches(Generic[Group, Item, Answer]):
    """Asks once for many: items of the same group that come within a moment share a question."""

    def __init__(self, ask: Ask[Group, Item, Answer], size: int) -> None:
        """Prepare.

        Args:
            ask: Asks for at most `size` items; whatever it raises, each of them gets.
            size: Most items in one question.
        """
        self._ask = ask
        self._size = size
        self._waiting: dict[Group, dict[Item, asyncio.Future[Answer]]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def get(self, group: Group, item: Item) -> Answer:
        """Return the answer for `item`."""
        if group not in self._waiting:
            self._waiting[group] = {}
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._depart, group)
        waiting = self._waiting[group]
        if item not in waiting:
            waiting[item] = asyncio.get_running_loop().create_future()
            waiting[item].add_done_callback(_look_at)
        return await asyncio.shield(waiting[item])  # others may wait for the same

    def _depart(self, group: Group) -> None:
        waiting = list(self._waiting.pop(group).items())
        for start in range(0, len(waiting), self._size):
            task = asyncio.ensure_future(
                self._answer(group, dict(waiting[start : start + self._size]))
            )
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _answer(self, group: Group, waiting: Mapping[Item, asyncio.Future[Answer]]) -> None:
        try:
            answers = await self._ask(group, tuple(waiting))
        except Exception as error:  # noqa: BLE001 - each of those who wait raises it
            for future in waiting.values():
                future.set_exception(error)
        else:
            for item, future in waiting.items():
                future.set_result(answers[item])


def _look_at(future: "asyncio.Future[Answer]") -> None:
    """Take note of an exception that nobody may be left to wait for."""
    if not future.cancelled():
        future.exception()
