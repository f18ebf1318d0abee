"""What one look at a CanaryRollout tells, in every state, and of objects that make no sense."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary_operator.plugin.sight import End, Sight, images_of
from canary_operator.plugin.trail import Trail
from tests.plugin import sights
from tests.plugin.sights import CANARY, NOW, progressing, sight


@pytest.mark.parametrize(
    ("manifest", "end"),
    [
        pytest.param(sights.stable, End.SERVING, id="stable and looked at"),
        pytest.param(sights.rolled_back, End.ROLLED_BACK, id="rolled back"),
        pytest.param(sights.refused, End.REFUSED, id="the spec is refused: nothing will begin"),
        pytest.param(sights.progressing, None, id="under way"),
        pytest.param(sights.paused, None, id="waits for a person"),
        pytest.param(sights.unseen, None, id="no operator has looked"),
    ],
)
def test_how_it_ends(manifest: Callable[[], dict[str, Any]], end: End | None) -> None:
    assert sight(manifest()).end is end


def test_a_newer_spec_is_not_ended() -> None:
    found = sights.stable()
    found["metadata"]["generation"] += 1
    assert sight(found).end is None


def test_a_refused_edit_does_not_end_a_rollout_under_way() -> None:
    stalled = [{"type": "Stalled", "status": "True", "reason": "InvalidSpec", "message": ""}]
    found = sights.changed(progressing(), conditions=stalled)
    assert sight(found).end is None


def test_times_are_those_of_the_operator() -> None:
    found = sight()
    assert found.step == 1
    assert found.hold_ends_at() == NOW + timedelta(seconds=30)
    assert found.deadline_at() == NOW - timedelta(seconds=30) + timedelta(minutes=11)
    check = found.next_check_at()
    assert check is not None
    assert timedelta(seconds=18) <= check - NOW <= timedelta(seconds=26)  # the grid's next slot


@pytest.mark.parametrize("make", [sights.stable, sights.rolled_back, sights.refused, sights.unseen])
def test_where_nothing_is_held_there_is_no_time(make: Callable[[], dict[str, Any]]) -> None:
    found = sight(make())
    assert found.hold_ends_at() is None
    assert found.next_check_at() is None
    assert found.step is None


def test_the_deadline_stops_while_paused() -> None:
    assert sight(sights.paused()).deadline_at() is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=5), JSON, max_size=3)


@given(spec=OBJECTS, status=OBJECTS)
def test_an_object_that_makes_no_sense_can_be_looked_at(
    spec: dict[str, Any], status: dict[str, Any]
) -> None:
    found = Sight.of({"metadata": {"name": "web"}, "spec": spec, "status": status})
    assert found.name == "web"
    assert found.end is None or found.status.phase is not None


def test_a_trail_has_one_point_for_each_check() -> None:
    trail = Trail()
    status = sight().status
    trail.add(status)
    trail.add(status)
    assert len(trail.of("success-rate")) == 1
    assert trail.of("success-rate")[0].value == 99.95
    assert trail.of("latency")[0].value is None


def test_another_revision_begins_a_new_trail() -> None:
    trail = Trail()
    trail.add(sight().status)
    assert trail.revision == CANARY
    other = sights.changed(progressing(), canaryRevision="ffffffffff", metrics=[])
    trail.add(sight(other).status)
    assert trail.of("success-rate") == ()


def test_images_of_a_template_that_is_none() -> None:
    assert images_of({}) == {}
    assert images_of({"spec": {"containers": [{}]}}) == {"": ""}
