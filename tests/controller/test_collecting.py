"""The garbage collector does not look at what stays."""

import gc
from collections import deque
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import pytest

from canary_operator.controller.collecting import spare_what_stays


class Kept:
    """Something that lives as long as the operator."""


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def is_looked_at(one: object) -> bool:
    return any(other is one for other in gc.get_objects())


def test_only_what_comes_later_is_looked_at() -> None:
    kept = Kept()
    assert is_looked_at(kept)
    spare_what_stays()
    later = Kept()
    assert not is_looked_at(kept)
    assert is_looked_at(later)


class Event:
    """What a watch tells, as kopf keeps it: in a circle, so that only a collection frees it."""

    def __init__(self) -> None:
        self.itself = self
        self.parts: list[dict[str, Any]] = [{"part": {}} for _ in range(60)]


AT_ONCE = 30
"""Events that are looked at in the same moment."""
MOST_FULL = 3
"""Full collections; Python's own thresholds make twice as many."""


def test_events_do_not_wait_for_a_full_collection() -> None:
    spare_what_stays()
    begun = gc.get_stats()[2]["collections"]
    there: WeakSet[Event] = WeakSet()
    looked_at: deque[Event] = deque(maxlen=AT_ONCE)
    most = 0
    for _ in range(4000):
        event = Event()
        there.add(event)
        looked_at.append(event)
        most = max(most, len(there))
    assert most < 1000
    assert gc.get_stats()[2]["collections"] - begun <= MOST_FULL
