"""What one look at a CanaryRollout tells, in every state, and of objects that make no sense."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary_operator.plugin.ending import check_still_wanted, exit_code
from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.screens.rollouts import message_of
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


def retried(request: str, **last: Any) -> dict[str, Any]:
    found = sights.rolled_back()
    found["metadata"]["annotations"] = {"canary-operator.dev/request": request}
    if last:
        found["status"]["lastRequest"] = {"value": request, "at": sights.ago(1), **last}
    return found


def first_refused() -> dict[str, Any]:
    """Return a rollout whose very first spec is refused: it has no phase."""
    found = sights.unseen()
    found["status"] = {
        "observedGeneration": 3,
        "message": "spec.traffic.istio.hosts[0] is not allowed.",
        "conditions": sights.refused()["status"]["conditions"],
    }
    return found


def not_begun() -> dict[str, Any]:
    """Return a rollout whose newest template the operator cannot try, for want of a right."""
    found = sights.changed(sights.stable(), stableRevision=sights.STABLE)
    found["status"]["conditions"][0] |= {"status": "False", "reason": "Forbidden"}
    return found


def short_of_pods() -> dict[str, Any]:
    found = sights.stable()
    found["status"]["conditions"][0] |= {"status": "False", "reason": "StableUnavailable"}
    return found


@pytest.mark.parametrize(
    ("manifest", "end"),
    [
        pytest.param(first_refused(), End.REFUSED, id="the first spec is refused"),
        pytest.param(not_begun(), None, id="the newest template is not tried yet"),
        pytest.param(short_of_pods(), None, id="stable has too few pods"),
        pytest.param(retried(f"retry/{CANARY}/x"), None, id="a retry waits"),
        pytest.param(retried(f"abort/{CANARY}/x"), End.ROLLED_BACK, id="something else waits"),
        pytest.param(
            retried(f"retry/{CANARY}/x", outcome="Refused"), End.ROLLED_BACK, id="retry refused"
        ),
    ],
)
def test_ends_that_are_easily_mistaken(manifest: dict[str, Any], end: End | None) -> None:
    assert sight(manifest).end is end


WANTED, OTHER = CANARY, "0123456789"


@pytest.mark.parametrize(
    ("manifest", "wanted", "patient", "code"),
    [
        pytest.param(sights.stable(), WANTED, False, Exit.DONE, id="what was wanted serves"),
        pytest.param(sights.stable(), None, False, Exit.DONE, id="anything was wanted"),
        pytest.param(sights.stable(), OTHER, False, Exit.FAILED, id="another one serves"),
        pytest.param(sights.rolled_back(), WANTED, False, Exit.FAILED, id="rolled back"),
        pytest.param(sights.refused(), None, False, Exit.FAILED, id="refused"),
        pytest.param(sights.progressing(), WANTED, False, Exit.UNDER_WAY, id="under way"),
        pytest.param(sights.progressing(), WANTED, True, Exit.TIMEOUT, id="waited in vain"),
    ],
)
def test_exit_codes(
    manifest: dict[str, Any], wanted: str | None, patient: bool, code: Exit
) -> None:
    assert exit_code(sight(manifest), wanted, patient=patient) is code


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        pytest.param("0a0a0a0a0a", "was superseded", id="superseded"),
        pytest.param(OTHER, "never began", id="set back before it began"),
    ],
)
def test_another_revision_than_the_one_that_was_wanted(wanted: str, words: str) -> None:
    with pytest.raises(PluginError, match=words):
        check_still_wanted(sight(sights.stable()), wanted)
    check_still_wanted(sight(sights.stable()), WANTED)


@pytest.mark.parametrize(
    "change",
    [
        {"phase": "Levitating"},
        {
            "conditions": [
                {"type": "Novel", "status": "True"},
                *sights.stable()["status"]["conditions"],
            ]
        },
        {"lastRequest": {"value": "x", "outcome": "Deferred", "at": sights.ago(1)}},
        {"failedChecks": {"a": 1}},
    ],
)
def test_words_of_a_newer_operator_hide_nothing_else(change: dict[str, Any]) -> None:
    found = sight(sights.changed(progressing(), **change))
    assert found.is_newer
    assert (found.status.weight, found.status.canary_revision) == (20, CANARY)
    assert "newer than this plugin" in message_of(found)


def test_a_status_that_is_known_is_not_newer() -> None:
    assert not sight().is_newer


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
    assert images_of({"spec": {"containers": [{}, "x"]}}) == {"": ""}
