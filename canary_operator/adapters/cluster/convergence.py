"""What became of our writes: so that a write is neither repeated in vain nor for ever.

The API server may return another value than the one we wrote, because it normalises (`0.5` becomes
`500m`) or because an admission webhook changes it. What it answered to a wish is then as good as
the wish. And an object that somebody else keeps changing back is left alone for a while.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from canary_operator.adapters.cluster.cache import Place
from canary_operator.adapters.cluster.encoding import encode
from canary_operator.domain.errors import DriftConflictError

_FREE_WRITES = 3
_SOON_SECONDS = 10.0
"""What stays as written for longer was not changed in answer to our write."""
_FIRST_PAUSE_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 600.0
_URGENT_PAUSE_SECONDS = 5.0
"""What protects requests is tried again after that at the latest, however long the quarrel is."""


@dataclass(frozen=True, slots=True)
class _Past:
    wish: bytes
    answer: bytes
    writes: int
    """Writes of this wish, one soon after the other."""
    written_at: float


class Convergence:
    """Remembers, per object, the last wish, its answer, and how often it was written."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start empty; a restart costs one write for each object that the server normalises.

        Args:
            clock: Seconds that never go back.
        """
        self._clock = clock
        self._past: dict[Place, _Past] = {}
        self._settled: dict[Place, tuple[int, bytes]] = {}
        """Version of each object that was found to be as wished, and the digest of that wish."""

    def is_settled(self, place: Place, version: int, wish: Any) -> bool:
        """Whether this version was compared with this wish before, and nothing was to be done."""
        return self._settled.get(place) == (version, _digest(wish))

    def settled(self, place: Place, version: int, wish: Any) -> None:
        """Remember that a version is as wished, so that it need not be compared again."""
        self._settled[place] = (version, _digest(wish))

    def is_as_answered(self, place: Place, wish: Any, seen: Any) -> bool:
        """Whether `seen` is what the server made of `wish` when it was written last."""
        past = self._past.get(place)
        return past is not None and (past.wish, past.answer) == (_digest(wish), _digest(seen))

    def check(self, place: Place, wish: Any, what: str, *, urgent: bool = False) -> None:
        """Refuse a write that was made in vain too often.

        Args:
            place: Where the object is.
            wish: What it should look like.
            what: The object, in words.
            urgent: Whether the write takes requests from pods that should not have them.

        Raises:
            DriftConflictError: try again after its `retry_after`.
        """
        past = self._past.get(place)
        if past is None or past.wish != _digest(wish) or past.writes < _FREE_WRITES:
            return
        pause = min(_pause(past.writes), _URGENT_PAUSE_SECONDS if urgent else math.inf)
        left = past.written_at + pause - self._clock()
        if left > 0:
            raise DriftConflictError(
                f"{what} was set back {past.writes} times and does not stay as the rollout needs "
                "it: somebody else writes it too. Look for that writer with "
                "`kubectl get --show-managed-fields -o yaml`, and stop it.",
                retry_after=timedelta(seconds=left),
            )

    def written(self, place: Place, wish: Any, answer: Any) -> None:
        """Remember a write and what the server made of it."""
        now, digest, answered = self._clock(), _digest(wish), _digest(answer)
        past = self._past.get(place)
        again = past is not None and past.wish == digest and now - past.written_at <= _soon(past)
        writes = past.writes + 1 if past and again else 1
        same = digest if answered == digest else answered  # mostly; then it is kept once
        self._past[place] = _Past(digest, same, writes, now)

    def forget(self, place: Place) -> None:
        """Drop what is remembered of an object that is gone."""
        self._past.pop(place, None)
        self._settled.pop(place, None)


def _digest(value: Any) -> bytes:
    return hashlib.blake2b(encode(value), digest_size=12).digest()


def _soon(past: _Past) -> float:
    """Return for how long a further write belongs to the same quarrel."""
    return _SOON_SECONDS if past.writes < _FREE_WRITES else 2 * _pause(past.writes)


def _pause(writes: int) -> float:
    growth = min(writes - _FREE_WRITES, 16)
    return float(min(_FIRST_PAUSE_SECONDS * 2**growth, _LONGEST_PAUSE_SECONDS))
