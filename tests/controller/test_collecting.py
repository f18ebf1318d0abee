"""The garbage collector does not look at what stays."""

import gc
from collections.abc import Iterator

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


def test_full_collections_are_rare() -> None:
    _, _, before = gc.get_threshold()
    spare_what_stays()
    assert gc.get_threshold()[2] == 10 * before
