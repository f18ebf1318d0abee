"""What weights mean in pods, without a mesh."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary_operator.domain.acceptance import check_router, check_shares, doubts_about
from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.spec import parse_spec
from canary_operator.domain.split import PodRatio, Routed, split_of, stable_pods_for, steps_of
from canary_operator.testing.builders import spec, without_a_mesh

REPLICAS = st.integers(1, 2000)
WEIGHTS = st.integers(1, 99)


def share(replicas: int, pods: int) -> Fraction:
    return Fraction(100 * pods, replicas + pods)


@given(REPLICAS, WEIGHTS)
def test_the_share_is_the_nearest_one_from_above(replicas: int, weight: int) -> None:
    pods = PodRatio(replicas).pods_for(weight)
    assert share(replicas, pods) >= weight
    assert pods == 1 or share(replicas, pods - 1) < weight


@given(REPLICAS, WEIGHTS)
def test_the_share_that_is_told_asks_for_the_same_pods(replicas: int, weight: int) -> None:
    ratio = PodRatio(replicas)
    told = ratio.share(weight)
    assert weight <= told <= share(replicas, ratio.pods_for(weight)) < told + 1
    assert ratio.pods_for(told) == ratio.pods_at(told) == ratio.pods_for(weight)


@given(REPLICAS, WEIGHTS, st.integers(0, 2000))
def test_another_number_of_stable_pods_never_raises_the_share(
    replicas: int, weight: int, later: int
) -> None:
    told = PodRatio(replicas).share(weight)
    pods = PodRatio(later).pods_at(told)
    assert pods == 0 or share(later, pods) < told + 1
    assert later == 0 or share(later, pods + 1) > told


@given(st.integers(0, 2000), st.integers(0, 100))
def test_a_router_gives_every_share_to_pods_that_carry_it(replicas: int, weight: int) -> None:
    routed = Routed(replicas)
    assert routed.share(weight) == weight
    assert routed.pods_at(weight) == routed.pods_for(weight) <= max(replicas, 1)


@given(WEIGHTS)
def test_as_many_stable_pods_as_the_message_says_are_enough(weight: int) -> None:
    check_shares(parse_spec(spec(**without_a_mesh(weight, replicas=stable_pods_for(weight)))))


@pytest.mark.parametrize(
    ("replicas", "weights", "given"),
    [
        (3, (25, 50), (25, 50)),
        (4, (25, 50), (33, 50)),
        (2, (33, 50), (33, 50)),
        (9, (10, 25, 50), (10, 25, 50)),
        (0, (25, 50), (100, 100)),
    ],
)
def test_usual_steps_can_be_given_by_few_pods(
    replicas: int, weights: tuple[int, ...], given: tuple[int, ...]
) -> None:
    accepted = parse_spec(spec(**without_a_mesh(*weights, replicas=replicas)))
    check_shares(accepted)
    assert tuple(step.weight for step in steps_of(accepted)) == given
    assert isinstance(split_of(accepted), PodRatio)


def test_a_step_below_the_share_of_one_pod_is_refused_with_what_it_needs() -> None:
    small = parse_spec(spec(**without_a_mesh(1, 50)))
    with pytest.raises(InvalidSpecError) as refusal:
        check_shares(small)
    assert refusal.value.message == (
        "spec.strategy: 1 % needs 99 stable pods; with 3 the smallest share is 25 %. Raise "
        "spec.replicas or the weight, or set spec.traffic.replicas.rounding to Up."
    )


def test_it_is_rounded_up_where_the_spec_says_so() -> None:
    rounded = parse_spec(spec(**without_a_mesh(1, 10, 50, rounding="Up")))
    check_shares(rounded)
    assert [step.weight for step in steps_of(rounded)] == [25, 25, 50]
    (doubt,) = doubts_about(rounded)
    assert doubt == (
        "Beside 3 stable pods the steps 1, 10, 50 % come out at 25, 25, 50 %, with 1, 1, 3 "
        "canary pods."
    )


def test_the_router_of_a_rollout_stays() -> None:
    counted = parse_spec(spec(**without_a_mesh(25)))
    routed = parse_spec(spec())
    check_router(counted, {"traffic": {"replicas": {}}}, splits=True)
    check_router(routed, {}, splits=True)
    with pytest.raises(InvalidSpecError, match="may not change from istio to replicas"):
        check_router(counted, {"traffic": None}, splits=True)
    with pytest.raises(InvalidSpecError, match="may not change from replicas to istio"):
        check_router(routed, {"traffic": {"replicas": {}}}, splits=True)
