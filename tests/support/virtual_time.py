"""An event loop whose clock jumps to the next thing that is due: hours pass in no time, exactly.

    def test_something() -> None:
        run(story())

Only for code without real I/O: whoever waits for a socket would see its time-outs come first.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that never waits."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        selector: Any = self._selector  # type: ignore[attr-defined]
        really_select = selector.select

        def select(timeout: float | None = None) -> Any:
            events = really_select(0)
            if not events:
                if timeout is None:
                    raise RuntimeError("everything waits and nothing is due: a deadlock")
                self._now += timeout
            return events

        selector.select = select

    def time(self) -> float:
        return self._now


def run(story: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)


def now() -> float:
    """Return the virtual second."""
    return asyncio.get_running_loop().time()
