"""I6: the same history with the operator killed at any point ends in the same state."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary_operator.domain.revision import revision_of
from canary_operator.domain.status import Verdict
from canary_operator.testing.builders import template
from tests.histories.profiles import NIGHTLY, examples
from tests.histories.stage import Stage, Trap
from tests.histories.vocabulary import REVISIONS, STRATEGIES, VERBS, VERSIONS, strategy

EVENTS = st.one_of(
    st.tuples(st.just("template"), st.sampled_from(VERSIONS)),
    st.tuples(st.just("replicas"), st.sampled_from([0, 1, 3, 8])),
    st.tuples(st.just("steps"), st.sampled_from(STRATEGIES)),
    st.tuples(st.just("wrong"), st.just(((50, 10, False), (5, 10, False)))),
    st.tuples(st.just("paused"), st.booleans()),
    st.tuples(st.just("ask"), st.sampled_from(VERBS)),
    st.tuples(st.just("ask"), st.sampled_from([f"{verb}/{REVISIONS[1]}/k1" for verb in VERBS])),
    st.tuples(st.just("verdict"), st.sampled_from(Verdict)),
    st.tuples(st.just("broken"), st.sampled_from(VERSIONS)),
    st.tuples(st.just("crash"), st.sampled_from(["stable", "canary"])),
    st.tuples(st.just("weight"), st.sampled_from([0, 50])),
    st.tuples(st.just("wait"), st.sampled_from([1, 5, 12, 40, 150])),
)
History = list[tuple[str, Any]]

FULL_LIFE: History = [
    ("template", "v2"),
    ("wait", 40),
    ("ask", "pause"),
    ("wait", 12),
    ("ask", "resume"),
    ("wait", 150),
    ("template", "v3"),
    ("wait", 12),
    ("verdict", Verdict.FAIL),
    ("wait", 150),
    ("verdict", Verdict.PASS),
    ("ask", "retry"),
    ("wait", 12),
    ("ask", "abort"),
    ("wait", 40),
    ("ask", "retry"),
    ("wait", 5),
    ("template", "v1"),
    ("wait", 150),
    ("template", "v2"),
    ("ask", "promote"),
    ("wait", 150),
]
"""Promoted, rolled back by checks and by a person, retried, superseded, promoted by request."""


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def act(stage: Stage, kind: str, value: Any) -> None:
    match kind:
        case "template":
            stage.edit(template=template(value))
        case "replicas" | "paused":
            stage.edit(**{kind: value})
        case "steps" | "wrong":
            stage.edit(strategy=strategy(value))
        case "ask":
            stage.ask(value)
        case "verdict":
            stage.world.verdict = value
        case "broken":
            stage.world.broken ^= {revision_of(template(value))}
        case "crash":
            stage.fail_pods(value, 8, "crash")
        case "weight":
            stage.edit_weight(value)


async def live(history: History, kills: list[int], *, after: bool, leads: bool = False) -> Stage:
    """Play a history; the operator dies at its writes of these numbers, or loses the lead."""
    stage = Stage()
    deed = stage.depose if leads else stage.kill
    stage.traps = [Trap(number, deed, after=after) for number in kills]
    await stage.work()
    for kind, value in history:
        act(stage, kind, value)
        await stage.pass_time(value if kind == "wait" else 0)
    await stage.pass_time(60)
    return stage


def what_matters(stage: Stage) -> dict[str, Any]:
    world = stage.world
    status = world.status
    names = ("phase", "stableRevision", "canaryRevision", "rejectedRevision", "weight", "step")
    return {
        "status": {name: status.get(name) for name in (*names, "failedChecks")},
        "history": [(h["revision"], h["outcome"], h["reason"]) for h in status.get("history", [])],
        "answered": (status.get("lastRequest") or {}).get("outcome"),
        "request": world.request,
        "route": (world.route.weight, world.route.rejected),
        "services": world.services,
        "records": sorted(record.revision for record in world.records),
        "deployments": {
            track: (deployment.revision, deployment.replicas)
            for track, deployment in world.deployments.items()
        },
    }


@pytest.mark.timeout(0)
@examples(100, 10_000)
@given(
    history=st.lists(EVENTS, min_size=1, max_size=10),
    kills=st.lists(st.integers(1, 60), min_size=1, max_size=4, unique=True),
    after=st.booleans(),
    leads=st.booleans(),
)
def test_kills_anywhere_change_nothing_in_the_end(
    history: History, kills: list[int], after: bool, leads: bool
) -> None:
    expected = what_matters(asyncio.run(live(history, [], after=after)))
    found = asyncio.run(live(history, kills, after=after, leads=leads and not after))
    assert what_matters(found) == expected


@pytest.mark.timeout(0)
async def test_a_kill_at_each_write_of_a_full_life_changes_nothing_in_the_end() -> None:
    calm = await live(FULL_LIFE, [], after=False)
    expected = what_matters(calm)
    outcomes = [outcome for _, outcome, _ in expected["history"]]
    assert set(outcomes) == {"Promoted", "RolledBack", "Superseded"}
    writes = len(calm.world.writes)
    assert writes > 60
    for number in range(1, writes + 1, 1 if NIGHTLY else 5):
        for after in (False, True):
            killed = await live(FULL_LIFE, [number], after=after)
            assert any(what.startswith("kill in") for what in killed.census)
            assert what_matters(killed) == expected, f"killed at write {number}, after: {after}"
