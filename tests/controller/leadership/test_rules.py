"""When a Lease may be taken: by the own clock, whatever the clocks of others say."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary_operator.controller.leadership.rules import (
    Observed,
    Record,
    Times,
    claim,
    observe,
    release,
    renewal,
)

NOW = datetime(2026, 1, 1, 12, 30, 15, 250_000, tzinfo=UTC)
TIMES = Times(lease=10, renew_within=6, retry=2)
THEIRS = Record("7", holder="other", duration=10, renewed_at="2026-01-01T12:00:00.000000Z")


@pytest.mark.parametrize(
    ("change", "free_at"),
    [
        pytest.param({}, 110, id="another's Lease is free after its duration without a renewal"),
        pytest.param({"duration": 15.0}, 115, id="the holder's promise counts, not our own times"),
        pytest.param({"duration": 0.0}, 110, id="a Lease without a duration lasts as long as ours"),
        pytest.param({"holder": ""}, 100, id="a Lease that was given back is free at once"),
        pytest.param({"holder": "me"}, 100, id="our own Lease is free at once"),
    ],
)
def test_a_lease_is_free(change: dict[str, Any], free_at: float) -> None:
    seen = observe(None, replace(THEIRS, **change), 100)
    assert seen.free_at("me", TIMES) == free_at


def test_a_renewal_begins_the_time_anew() -> None:
    seen = observe(observe(None, THEIRS, 100), replace(THEIRS, renewed_at="later"), 104)
    assert seen.free_at("me", TIMES) == 114


def test_a_change_that_is_no_renewal_does_not() -> None:
    seen = observe(observe(None, THEIRS, 100), replace(THEIRS, version="8"), 104)
    assert seen.free_at("me", TIMES) == 110
    assert seen.record == replace(THEIRS, version="8")


def test_whoever_may_have_held_a_lease_that_is_not_there_gets_the_time_to_notice() -> None:
    assert observe(None, None, 100).free_at("me", TIMES) == 104


def test_whoever_held_a_deleted_lease_gets_the_time_to_notice() -> None:
    gone = observe(observe(None, THEIRS, 100), None, 104)
    assert gone.free_at("me", TIMES) == 114
    assert observe(gone, None, 109).free_at("me", TIMES) == 114
    assert observe(gone, replace(THEIRS, holder="third"), 109).free_at("me", TIMES) == 119


@given(st.datetimes(timezones=st.just(UTC)), st.floats(0, 1e6))
def test_what_a_holder_takes_for_the_time_does_not_matter(their: datetime, now: float) -> None:
    spec = renewal("other", TIMES, their)
    record = Record.read({"metadata": {"resourceVersion": "1"}, "spec": spec})
    assert observe(None, record, now).free_at("me", TIMES) == now + TIMES.lease


@given(
    st.floats(0, 5.9),
    st.floats(0, 60),
)
def test_the_leader_ends_before_another_may_begin(answer_after: float, seen_after: float) -> None:
    """A renewal is sent at 0, made at some time after, and seen by others after that."""
    made = answer_after
    seen = observe(None, THEIRS, made + seen_after)
    leader_ends = 0 + TIMES.renew_within
    assert leader_ends < seen.free_at("me", TIMES)


def test_what_is_written_is_a_lease() -> None:
    assert claim("me", TIMES, None, NOW) == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 10,
        "renewTime": "2026-01-01T12:30:15.250000Z",
        "acquireTime": "2026-01-01T12:30:15.250000Z",
        "leaseTransitions": 0,
    }
    assert claim("me", TIMES, replace(THEIRS, transitions=3), NOW)["leaseTransitions"] == 4
    assert claim("other", TIMES, replace(THEIRS, transitions=3), NOW)["leaseTransitions"] == 3
    assert "acquireTime" not in renewal("me", TIMES, NOW)
    assert release(NOW)["holderIdentity"] is None


@pytest.mark.parametrize("wrong", [(10, 10, 2), (10, 6, 6), (6, 10, 2), (10, 6, 0)])
def test_times_that_would_let_two_lead_are_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="must grow"):
        Times(*wrong)


def test_an_empty_lease_can_be_read() -> None:
    read = Record.read({"metadata": {"resourceVersion": "1"}})
    assert read == Record("1")
    assert observe(None, read, 5) == Observed(read, 5)
