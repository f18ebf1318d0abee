"""How stable's failures clump, by an A/A test over its past."""

import math
import random

import pytest

from canary_operator.domain.clumping import Pods, clumping_of, failures, slow_requests
from canary_operator.domain.counts import Count


def past(clump: int, pods: int = 4, rate: float = 0.01, seed: int = 1) -> list[Pods]:
    """Return 60 windows of 1,000 requests whose failures come in clumps within one pod."""
    chance = random.Random(seed)
    return [
        {
            f"pod-{index}": (1000 / pods, clump * _events(chance, 1000 / pods * rate / clump))
            for index in range(pods)
        }
        for _ in range(60)
    ]


def _events(chance: random.Random, mean: float) -> int:
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product, count = product * chance.random(), count + 1
    return count


def average(clump: int, pods: int) -> float:
    return sum(clumping_of(past(clump, pods, seed=seed)) for seed in range(40)) / 40


@pytest.mark.parametrize("pods", [4, 1], ids=["halves of the pods", "neighbouring windows"])
def test_the_size_of_clumps_is_found(pods: int) -> None:
    assert 1 <= average(1, pods) < 1.4
    assert 3.5 < average(5, pods) < 7
    assert 11 < average(20, pods) < 26


@pytest.mark.parametrize(
    "windows",
    [
        pytest.param([], id="no past"),
        pytest.param([{}] * 60, id="no pods"),
        pytest.param([{"a": (100, 0), "b": (100, 0)}] * 60, id="no failures"),
        pytest.param([{"a": (100, 5)}, {"b": (100, 5)}], id="pods that never ran together"),
        pytest.param([{"a": (100, 9), "b": (100, 9)}] * 60, id="halves that fail alike"),
    ],
)
def test_clumps_that_cannot_be_seen_are_of_one(windows: list[Pods]) -> None:
    assert clumping_of(windows) == 1


def test_little_is_not_believed_much() -> None:
    one_burst: list[Pods] = [{"a": (500, 30), "b": (500, 0)}]
    assert 1 < clumping_of(one_burst) < 10


def test_what_is_counted() -> None:
    assert failures([{"a": Count(10, 2)}]) == [{"a": (10, 2)}]
    buckets = {100.0: 8.0, 500.0: 9.0, math.inf: 10.0}
    assert slow_requests([{"a": buckets, "b": {}}], 500) == [{"a": (10, 1), "b": (0, 0)}]
