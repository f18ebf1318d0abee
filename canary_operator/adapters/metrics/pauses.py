"""Leaving an overloaded Prometheus alone for a while."""

from collections.abc import Callable
from datetime import timedelta
from threading import Lock

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(seconds=60)


class Pauses:
    """Knows whether Prometheus may be asked now; pauses grow until it answers again.

    Threads may use it together.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Prepare.

        Args:
            clock: Seconds that never go back.
        """
        self._clock = clock
        self._lock = Lock()
        self._until = 0.0
        self._in_a_row = 0

    @property
    def left(self) -> timedelta:
        """How long nothing must be asked; zero where it may."""
        return timedelta(seconds=max(0.0, self._until - self._clock()))

    def answered(self) -> None:
        """Take note of an answer."""
        self._in_a_row = 0

    def overloaded(self, asked: timedelta | None) -> None:
        """Begin a pause, of the length that Prometheus asks for where it does.

        Queries that were under way together end in one pause.
        """
        with self._lock:
            if self.left:
                return
            pause = asked or min(FIRST_PAUSE * 2**self._in_a_row, LONGEST_PAUSE)
            self._in_a_row = min(self._in_a_row + 1, 10)
            self._until = self._clock() + pause.total_seconds()
