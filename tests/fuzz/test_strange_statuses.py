"""Whatever somebody writes into a status, the engine goes on: no error, no loop, no wild weight.

The statuses are those that the API server would store: everything else it refuses itself.
"""

import asyncio
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from canary_operator.crd import custom_resource_definition
from canary_operator.domain.reasons import Reason
from canary_operator.domain.status import RolloutStatus, Verdict
from canary_operator.playground.api.structural import prune, with_defaults
from canary_operator.playground.api.validation import validate
from canary_operator.ports import Key
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World
from tests.fuzz.amount import examples
from tests.fuzz.mutations import changed

VERSIONS = custom_resource_definition()["spec"]["versions"]
STATUS = VERSIONS[0]["schema"]["openAPIV3Schema"]["properties"]["status"]
PHASES = ("Stable", "Progressing", "Paused", "Promoting", "RolledBack")
WEIGHTS = {0, 5, 20, 50}
MOST_WRITES = 100
"""Within six minutes; a whole release is some 40."""


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


async def reach(phase: str, compared: bool) -> World:
    """Return a world whose rollout is in a phase."""
    analysis = {**spec()["analysis"], **({"comparison": {}} if compared else {})}
    world = World(key=Key("demo", "web"), spec=spec(analysis=analysis))
    driver = Driver(world)
    await driver.work()
    if phase == "Stable":
        return world
    world.edit(template=template("v2"))
    await driver.work()
    await driver.pass_time(8)
    if phase == "Paused":
        world.ask("pause")
    elif phase == "RolledBack":
        world.ask("abort")
    elif phase == "Promoting":
        world.ask("promote")
        world.pod_start = timedelta(seconds=30)
    await driver.work()
    if phase == "RolledBack":
        await driver.pass_time(40, step=10)
    return world


@cache
def worlds() -> Mapping[tuple[str, bool], World]:
    """Return a world in each phase, judged by limits and by comparison."""
    keys = [(phase, compared) for phase in PHASES for compared in (False, True)]
    made = {key: asyncio.run(reach(*key)) for key in keys}
    assert [world.status["phase"] for world in made.values()] == [phase for phase, _ in keys]
    return made


def stored(status: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a status as the API server keeps it; None where it refuses it."""
    kept: dict[str, Any] = prune(with_defaults(status, STATUS), STATUS, "status", [])
    return kept if not any(validate(kept, STATUS)) else None


@st.composite
def strange_statuses(draw: Any) -> dict[str, Any]:
    statuses = [world.status for world in worlds().values()]
    status = stored(draw(changed(statuses, STATUS)))
    assume(status is not None)
    return status or {}


async def live_on(world: World, request: str | None) -> None:
    """Let a running operator meet a status that somebody wrote, and a person's request."""
    driver = Driver(world)
    world.version += 1
    await driver.work()
    if request is not None:
        world.ask(request)
        await driver.work()
    await driver.pass_time(60, step=6)
    await driver.pass_time(300, step=30)


def tells_what_is_left_undone(status: RolloutStatus) -> bool:
    """Whether a raise was recorded, and the user told what keeps it from being done.

    A revision that somebody wrote into the status has no ControllerRevision to build pods from;
    what was recorded is more than what the router gives, never less.
    """
    ready = next(one for one in status.conditions if one.type == "Ready")
    return (ready.status, ready.reason) == ("False", Reason.RECORD_MISSING)


@examples(150)
@given(
    begin=st.sampled_from([(phase, compared) for phase in PHASES for compared in (False, True)]),
    status=strange_statuses(),
    request=st.sampled_from([None, "abort", "retry", "promote", "resume"]),
    verdict=st.sampled_from(Verdict),
)
def test_no_status_stops_the_engine(
    runner: asyncio.Runner,
    begin: tuple[str, bool],
    status: dict[str, Any],
    request: str | None,
    verdict: Verdict,
) -> None:
    world = deepcopy(worlds()[begin])
    world.status, world.verdict, world.writes = status, verdict, []
    runner.run(live_on(world, request))
    after = RolloutStatus.read(world.status)
    assert after.phase is not None
    recorded_once = {status.get("weight")}  # it is the record: a pause keeps what it says
    assert world.route.weight in WEIGHTS | recorded_once
    recorded, told = after.weight or 0, world.route.weight or 0
    assert recorded == told or (recorded > told and tells_what_is_left_undone(after))
    assert len(world.writes) <= MOST_WRITES, world.writes
