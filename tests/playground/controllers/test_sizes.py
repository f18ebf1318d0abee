"""The arithmetic of rolling updates and scaling."""

from itertools import product

import pytest

from canary_operator.playground.controllers.sizes import (
    IntOrPercent,
    Limits,
    Sized,
    proportional_sizes,
    rolling_limits,
    rounded,
    size_of_new,
    sizes_of_old,
)


@pytest.mark.parametrize(
    ("value", "of", "up", "expected"),
    [
        pytest.param(3, 10, True, 3, id="a number stays"),
        pytest.param("25%", 10, True, 3, id="a share rounds up"),
        pytest.param("25%", 10, False, 2, id="or down"),
        pytest.param("0%", 10, True, 0, id="nothing stays nothing"),
        pytest.param("100%", 7, False, 7, id="everything stays everything"),
        pytest.param("25%", 0, True, 0, id="no pods have no share"),
    ],
)
def test_numbers_and_shares(value: IntOrPercent, of: int, up: bool, expected: int) -> None:
    assert rounded(value, of, up=up) == expected


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        pytest.param(4, "25%", "25%", Limits(4, 1, 1), id="defaults"),
        pytest.param(2, "25%", "25%", Limits(2, 1, 0), id="few pods err on the side of more"),
        pytest.param(4, 0, 0, Limits(4, 0, 1), id="an update must be able to move"),
        pytest.param(4, "0%", "1%", Limits(4, 0, 1), id="also where shares round to nothing"),
        pytest.param(4, 1, 0, Limits(4, 1, 0), id="none unavailable"),
        pytest.param(2, 1, 5, Limits(2, 1, 2), id="no more unavailable than there are"),
    ],
)
def test_limits(
    replicas: int, surge: IntOrPercent, unavailable: IntOrPercent, expected: Limits
) -> None:
    assert rolling_limits(replicas, surge, unavailable) == expected


@pytest.mark.parametrize(
    ("new", "total", "expected"),
    [
        pytest.param(0, 4, 1, id="begins with the surge"),
        pytest.param(0, 0, 4, id="all at once where there is nothing old"),
        pytest.param(1, 5, 1, id="waits while the room is taken"),
        pytest.param(1, 3, 3, id="takes the room that old pods leave"),
        pytest.param(4, 5, 4, id="full size"),
        pytest.param(6, 6, 4, id="comes down to the wanted size"),
        pytest.param(1, 9, 1, id="never shrinks because others are too many"),
    ],
)
def test_the_new_set_grows_into_the_room(new: int, total: int, expected: int) -> None:
    assert size_of_new(Limits(4, 1, 1), new, total) == expected


def old(wanted: int, available: int, created: str = "1", name: str = "old") -> Sized:
    return Sized(name, wanted, available, created)


@pytest.mark.parametrize(
    ("limits", "new", "olds", "expected"),
    [
        pytest.param(
            Limits(10, 3, 2), Sized("new", 0), [old(10, 10)], {"old": 8}, id="as many as may miss"
        ),
        pytest.param(
            Limits(10, 3, 2), Sized("new", 5, 0), [old(8, 8)], {}, id="broken new pods stop it"
        ),
        pytest.param(
            Limits(10, 3, 2), Sized("new", 5, 5), [old(8, 8)], {"old": 3}, id="ready ones let it go"
        ),
        pytest.param(
            Limits(4, 1, 0), Sized("new", 1, 0), [old(4, 4)], {}, id="none while none may miss"
        ),
        pytest.param(
            Limits(4, 1, 0), Sized("new", 1, 1), [old(4, 4)], {"old": 3}, id="one for one"
        ),
        pytest.param(
            Limits(4, 1, 1),
            Sized("new", 1, 0),
            [old(4, 1)],
            {"old": 3},
            id="a pod that is not available goes though fewer are than should",
        ),
        pytest.param(
            Limits(4, 1, 1),
            Sized("new", 0),
            [old(3, 3, "1", "a"), old(2, 0, "2", "b")],
            {"b": 0},
            id="unavailable pods of a younger set go before available ones of an older",
        ),
        pytest.param(
            Limits(4, 1, 1),
            Sized("new", 4, 4),
            [old(1, 1, "2", "b"), old(1, 1, "1", "a")],
            {"a": 0, "b": 0},
            id="all go when the new set carries everything",
        ),
        pytest.param(Limits(4, 1, 1), Sized("new", 4, 4), [], {}, id="nothing old, nothing to do"),
    ],
)
def test_old_sets_shrink_as_far_as_availability_allows(
    limits: Limits, new: Sized, olds: list[Sized], expected: dict[str, int]
) -> None:
    assert sizes_of_old(limits, new, olds) == expected


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "ready"),
    list(product(range(1, 8), (0, 1, 3, "25%"), (0, 1, "50%", "100%"), (True, False))),
)
def test_every_rolling_update_keeps_its_limits_and_ends_if_pods_are_ready(
    replicas: int, surge: IntOrPercent, unavailable: IntOrPercent, ready: bool
) -> None:
    limits = rolling_limits(replicas, surge, unavailable)
    new_size, old_size = 0, replicas
    for _ in range(3 * replicas + 3):
        new_size = size_of_new(limits, new_size, new_size + old_size)
        assert new_size + old_size <= limits.replicas + limits.surge
        new = Sized("new", new_size, new_size if ready else 0)
        old_size = sizes_of_old(limits, new, [old(old_size, old_size)]).get("old", old_size)
        assert new.available + old_size >= limits.fewest_available
    if ready:
        assert (new_size, old_size) == (replicas, 0)
    else:
        assert old_size == limits.fewest_available


@pytest.mark.parametrize(
    ("limits", "sets", "expected"),
    [
        pytest.param(
            Limits(10, 0, 1),
            [Sized("a", 3, most_when_sized=5), Sized("b", 2, most_when_sized=5)],
            {"a": 6, "b": 4},
            id="each grows by its share",
        ),
        pytest.param(
            Limits(5, 0, 1),
            [Sized("a", 6, most_when_sized=10), Sized("b", 4, most_when_sized=10)],
            {"a": 3, "b": 2},
            id="each shrinks by its share",
        ),
        pytest.param(
            Limits(6, 2, 1),
            [
                Sized("a", 2, created="1", most_when_sized=3),
                Sized("b", 1, created="2", most_when_sized=3),
            ],
            {"a": 5, "b": 3},
            id="the surge belongs to it",
        ),
        pytest.param(
            Limits(0, 1, 0),
            [Sized("a", 3, most_when_sized=5), Sized("b", 2, most_when_sized=5)],
            {"a": 0, "b": 0},
            id="all shrink to nothing",
        ),
        pytest.param(
            Limits(4, 1, 1),
            [Sized("a", 3, most_when_sized=5), Sized("b", 2, most_when_sized=5)],
            {},
            id="nothing changes where nothing has to",
        ),
    ],
)
def test_scaling_in_the_middle_of_an_update_keeps_the_mix(
    limits: Limits, sets: list[Sized], expected: dict[str, int]
) -> None:
    assert proportional_sizes(limits, sets) == expected


@pytest.mark.parametrize(("a", "b", "replicas"), list(product(range(1, 5), range(1, 5), range(9))))
def test_scaling_always_comes_to_the_wanted_number(a: int, b: int, replicas: int) -> None:
    limits = Limits(replicas, 1, 0)
    sets = [Sized("a", a, most_when_sized=a + b), Sized("b", b, most_when_sized=a + b)]
    sizes = {each.name: each.wanted for each in sets} | proportional_sizes(limits, sets)
    assert sum(sizes.values()) == limits.most
    assert all(size >= 0 for size in sizes.values())
