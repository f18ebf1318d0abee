"""Where `undo` goes back to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary_operator.domain.revision import revision_of
from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.live.records import Record
from canary_operator.plugin.live.undoing import undo_target
from canary_operator.plugin.screens.revisions import difference, known_revisions, way_back
from canary_operator.plugin.sight import Sight
from tests.plugin.objects import rollout
from tests.support.bed import quick_spec, template

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
REVISIONS = {version: revision_of(template(version)) for version in ("v1", "v2", "v3", "v4")}
V1, V2, V3, V4 = REVISIONS.values()
NAMES = {revision: version for version, revision in REVISIONS.items()}


def records(*versions: str) -> tuple[Record, ...]:
    """Return records, newest first, as the versions were accepted in this order."""
    made = [
        Record(REVISIONS[version], number, template(version), NOW - timedelta(hours=9 - number))
        for number, version in enumerate(versions, start=1)
    ]
    return tuple(reversed(made))


def ended(*entries: str) -> list[dict[str, Any]]:
    """Return a history, newest first, from words such as `v2:Promoted`."""
    history = []
    for entry in entries:
        version, outcome = entry.split(":")
        history.append(
            {
                "revision": REVISIONS[version],
                "outcome": outcome,
                "reason": outcome,
                "message": "Too many errors." if outcome == "RolledBack" else "",
                "startedAt": "2026-11-28T10:00:00Z",
                "finishedAt": "2026-11-28T11:00:00Z",
                "maxWeight": 50,
            }
        )
    return history


def web(
    wanted: str, stable: str | None, *history: str, phase: str = "Stable", **status: Any
) -> Sight:
    known: dict[str, Any] = {"phase": phase, "observedGeneration": 1, "history": ended(*history)}
    if stable:
        known["stableRevision"] = REVISIONS[stable]
    return Sight.of(rollout(known | status, spec=quick_spec(wanted)))


@pytest.mark.parametrize(
    ("sight", "known", "expected"),
    [
        pytest.param(
            web("v2", "v1", phase="Progressing"), records("v1", "v2"), "v1", id="a canary on trial"
        ),
        pytest.param(
            web("v2", "v1", "v2:RolledBack", phase="RolledBack"),
            records("v1", "v2"),
            "v1",
            id="a canary that was rolled back",
        ),
        pytest.param(web("v2", "v1"), records("v1"), "v1", id="a spec that was refused"),
        pytest.param(
            web("v2", "v2", "v2:Promoted"), records("v1", "v2"), "v1", id="the very first one"
        ),
        pytest.param(
            web("v3", "v3", "v3:Promoted", "v2:Promoted"),
            records("v1", "v2", "v3"),
            "v2",
            id="the one that was stable before",
        ),
        pytest.param(
            web("v3", "v3", "v3:Promoted", "v2:RolledBack"),
            records("v1", "v2", "v3"),
            "v1",
            id="not one that was rolled back",
        ),
        pytest.param(
            web("v3", "v3", "v3:Promoted", "v2:Superseded"),
            records("v1", "v2", "v3"),
            "v1",
            id="rather one that served than one that was superseded",
        ),
        pytest.param(
            web("v3", "v3", "v3:Promoted", "v2:Superseded"),
            records("v2", "v3"),
            "v2",
            id="one that was superseded, where nothing else is left",
        ),
        pytest.param(
            web("v1", "v1", "v1:Promoted", "v2:Promoted"),
            records("v2", "v1"),
            "v2",
            id="an undo of an undo",
        ),
        pytest.param(
            web("v3", "v3", "v2:RolledBack", "v3:Promoted", "v2:Promoted"),
            records("v1", "v2", "v3"),
            "v1",
            id="not one that failed at its second try",
        ),
        pytest.param(
            web("v3", "v3", "v3:Promoted", "v2:Promoted"),
            records("v1", "v3"),
            "v1",
            id="a record that is gone",
        ),
    ],
)
def test_where_to(sight: Sight, known: tuple[Record, ...], expected: str) -> None:
    undo = undo_target(sight, known)
    assert NAMES[undo.record.revision] == expected
    assert undo.needed
    assert undo.rolled_back is None


@pytest.mark.parametrize(
    ("sight", "known", "expected"),
    [
        pytest.param(
            web("v1", "v1"), records("v1"), "there is no other revision", id="the first one"
        ),
        pytest.param(
            web("v2", "v2", "v2:Promoted", "v1:RolledBack"),
            records("v1", "v2"),
            "every other revision was rolled back",
            id="only bad ones",
        ),
        pytest.param(
            web("v2", None),
            records("v1"),
            "the operator has not looked at it yet, so nothing is stable",
            id="no operator",
        ),
        pytest.param(
            web("v2", "v1"),
            records("v2"),
            f"the record of stable revision {V1} is gone",
            id="a lost record",
        ),
    ],
)
def test_nowhere_to_go(sight: Sight, known: tuple[Record, ...], expected: str) -> None:
    with pytest.raises(PluginError) as raised:
        undo_target(sight, known)
    assert raised.value.exit_code == Exit.FAILED
    assert raised.value.format_message() == f"web has nothing to go back to: {expected}"


def test_a_revision_by_name() -> None:
    sight, known = web("v3", "v3", "v3:Promoted", "v2:RolledBack"), records("v1", "v2", "v3")
    assert undo_target(sight, known, V1).record.revision == V1
    assert undo_target(sight, known, V2[:5]).record.revision == V2
    failed = undo_target(sight, known, V2).rolled_back
    assert failed is not None
    assert failed.message == "Too many errors."
    assert not undo_target(sight, known, V3).needed


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("ffffffffff", "web has no record of revision ffffffffff"),
        ("", f" is the beginning of several revisions: {V2}, {V1}"),
    ],
)
def test_a_name_that_means_nothing(to: str, expected: str) -> None:
    with pytest.raises(PluginError) as raised:
        undo_target(web("v1", "v1"), records("v1", "v2"), to)
    assert raised.value.format_message() == expected


def test_the_revisions_that_there_are() -> None:
    sight = web("v3", "v1", "v2:RolledBack", phase="Progressing", canaryRevision=V3)
    assert known_revisions(sight, records("v1", "v2", "v3"), NOW) == (
        f"  {V3}  app:v3        6h  canary\n"
        f"  {V2}  app:v2        7h  rolled back\n"
        f"  {V1}  app:v1        8h  stable"
    )


def words(sight: Sight, known: tuple[Record, ...], to: str | None = None) -> list[str]:
    return [*way_back(sight, undo_target(sight, known, to), NOW)]


CLIMBING = {"phase": "Progressing", "canaryRevision": V2}


@pytest.mark.parametrize(
    ("sight", "to", "expected"),
    [
        pytest.param(
            web("v2", "v1", **CLIMBING),
            None,
            [
                f"web: {V2} (app:v2) → {V1} (app:v1)",
                (
                    f"Revision {V1} is stable: all traffic goes back to it at once, and canary {V2}"
                    " is given up."
                ),
            ],
            id="from a canary to stable",
        ),
        pytest.param(
            web("v2", "v1", phase="Promoting", canaryRevision=V2),
            None,
            [
                f"web: {V2} (app:v2) → {V1} (app:v1)",
                (
                    f"Revision {V1} is stable: the promotion of canary {V2} ends, and stable is set"
                    " back."
                ),
            ],
            id="from a promotion to stable",
        ),
        pytest.param(
            web("v2", "v2", "v2:Promoted", "v3:RolledBack"),
            V3,
            [
                f"web: {V2} (app:v2) → {V3} (app:v3)",
                f"Revision {V3} goes on trial against {V2}, first with 20 %.",
                f"Warning: {V3} was rolled back 1h ago: Too many errors.",
            ],
            id="to one that was rolled back",
        ),
        pytest.param(
            web("v3", "v2", "v3:RolledBack", phase="RolledBack", rejectedRevision=V3),
            V3,
            [
                f"web asks for revision {V3} (app:v3) already: nothing to undo.",
                "It was rolled back; try it again with: kubectl canary retry web",
            ],
            id="to the one that was rejected",
        ),
    ],
)
def test_what_a_person_reads(sight: Sight, to: str | None, expected: list[str]) -> None:
    assert words(sight, records("v1", "v2", "v3"), to) == expected


def test_the_difference_of_two_templates() -> None:
    before, after = template("v2"), template("v1")
    lines = difference(before, after).splitlines()
    assert lines[:2] == ["--- now", "+++ then"]
    changed = [line.replace(" ", "") for line in lines[2:] if line[0] in "+-"]
    assert changed == ["--image:app:v2", "+-image:app:v1"]
