"""Measurements beside ticks: asked for once, kept until recorded, shared where they can be."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary_operator.domain.looks import next_slot
from canary_operator.domain.phase import Phase
from canary_operator.domain.readings import NOT_MEASURED, Readings, Seen
from canary_operator.domain.situation import CheckResult, Situation, Wanted
from canary_operator.domain.spec import RolloutSpec, parse_spec
from canary_operator.domain.status import (
    Attempt,
    CheckRecord,
    RolloutStatus,
    Verdict,
)
from canary_operator.engine.checks import FULL, Checks
from canary_operator.ports import Key, Measure
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
APPLIED = NOW - timedelta(seconds=5)
WEB, API = Key("demo", "web"), Key("demo", "api")
PASSED = Readings(NOW, Seen(timedelta(seconds=5), {}))
QUERY = {"interval": "5s", "metrics": [{"name": "own", "query": {"promql": "1", "max": 1}}]}


def situation(status: dict[str, Any] | None = None, **changes: Any) -> Situation:
    """Return a rollout at its first weight, whose first check is due now."""
    recorded = {
        "phase": Phase.PROGRESSING,
        "canary_revision": "b" * 10,
        "weight": 5,
        "weight_applied_at": APPLIED,
        "attempt": Attempt(started_at=APPLIED, step_weight=5),
    } | (status or {})
    wanted = Wanted("b" * 10, parse_spec(spec("v2", **changes)))
    return Situation(NOW, "web", 2, RolloutStatus(**recorded), wanted)


class Source:
    """Stands in for Prometheus."""

    def __init__(self) -> None:
        self.asked: list[set[Key]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()
        self.answer: Mapping[Key, Readings] | Exception = {WEB: PASSED, API: PASSED}

    async def try_out(self, key: Key, spec: RolloutSpec) -> None:
        pass

    async def read(self, measures: Sequence[Measure]) -> Mapping[Key, Readings]:
        self.asked.append({measure.key for measure in measures})
        self.begun.set()
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Woken:
    """Remembers who was woken."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self._event = asyncio.Event()

    def __call__(self, key: Key) -> None:
        self.keys.append(key)
        self._event.set()

    async def wait(self, times: int = 1) -> None:
        async with asyncio.timeout(5):
            while len(self.keys) < times:
                self._event.clear()
                await self._event.wait()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def woken() -> Woken:
    return Woken()


@pytest.fixture
def checks(source: Source, woken: Woken) -> Checks:
    return Checks(source, woken, gather_seconds=0)


async def test_a_due_check_is_made_and_wakes_the_rollout(checks: Checks, woken: Woken) -> None:
    checks.start_if_due(WEB, situation())
    assert checks.busy
    assert checks.result(WEB) is None
    await woken.wait()
    assert checks.result(WEB) == CheckResult(PASSED, "b" * 10, APPLIED)
    assert not checks.busy


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({"weight_applied_at": NOW}, id="before one window has passed"),
        pytest.param({"weight": 0}, id="without traffic"),
        pytest.param({"weight_applied_at": None}, id="before the weight is in force"),
        pytest.param({"phase": Phase.STABLE}, id="without a canary"),
        pytest.param(
            {
                "attempt": Attempt(
                    started_at=APPLIED, last_check=CheckRecord(at=NOW, verdict=Verdict.PASS)
                )
            },
            id="before the interval since the latest one has passed",
        ),
    ],
)
async def test_no_check_is_made(checks: Checks, status: dict[str, Any]) -> None:
    checks.start_if_due(WEB, situation(status))
    assert not checks.busy


async def test_a_check_is_not_asked_for_twice(checks: Checks, source: Source, woken: Woken) -> None:
    source.gate.clear()
    checks.start_if_due(WEB, situation())
    checks.start_if_due(WEB, situation())  # it waits
    await source.begun.wait()
    checks.start_if_due(WEB, situation())  # it is under way
    source.gate.set()
    await woken.wait()
    checks.start_if_due(WEB, situation())  # its result is not recorded yet
    assert not checks.busy
    assert source.asked == [{WEB}]


async def test_a_recorded_result_makes_room_for_the_next(
    checks: Checks, source: Source, woken: Woken
) -> None:
    checks.start_if_due(WEB, situation())
    await woken.wait()
    result = checks.result(WEB)
    assert result is not None
    checks.recorded(WEB, None)
    checks.recorded(WEB, replace(result, revision="c" * 10))  # another one
    assert checks.result(WEB) is result
    checks.recorded(WEB, result)
    assert checks.result(WEB) is None
    checks.start_if_due(WEB, situation())
    await woken.wait(2)
    assert source.asked == [{WEB}, {WEB}]


async def test_rollouts_with_a_next_check_are_counted_while_they_have_one(checks: Checks) -> None:
    not_due = situation({"weight_applied_at": NOW})
    for key in (WEB, API, WEB):
        checks.start_if_due(key, not_due)
    assert checks.checked == 2
    checks.start_if_due(WEB, situation({"weight": 0}))
    assert checks.checked == 1
    checks.forget(API)
    assert checks.checked == 0
    checks.start_if_due(WEB, not_due)
    await checks.stop()
    assert checks.checked == 0


async def test_rollouts_that_are_due_together_share_a_question(
    checks: Checks, source: Source, woken: Woken
) -> None:
    for key in (WEB, API):
        checks.start_if_due(key, situation())
    await woken.wait(2)
    assert source.asked == [{WEB, API}]
    assert set(woken.keys) == {WEB, API}


async def test_what_comes_while_others_wait_is_gathered_with_them(
    source: Source, woken: Woken
) -> None:
    checks = Checks(source, woken, gather_seconds=0.4)
    keys = [Key("demo", f"web-{index}") for index in range(8)]
    source.answer = {}
    for key in keys:
        checks.start_if_due(key, situation())
        await asyncio.sleep(0.08)  # longer in all than the time to gather, far shorter each
    await woken.wait(len(keys))
    assert source.asked == [set(keys)]


async def test_a_query_of_ones_own_holds_up_nobody_else(
    checks: Checks, source: Source, woken: Woken
) -> None:
    checks.start_if_due(WEB, situation())
    checks.start_if_due(API, situation(analysis=QUERY | {"window": "5s"}))
    await woken.wait(2)
    assert sorted(source.asked, key=sorted) == [{API}, {WEB}]


async def test_the_past_of_stable_holds_up_nobody_else(
    checks: Checks, source: Source, woken: Woken
) -> None:
    checks.start_if_due(WEB, situation())
    checks.start_if_due(API, situation(analysis={"interval": "5s", "comparison": {}}))
    await woken.wait(2)
    assert sorted(source.asked, key=sorted) == [{API}, {WEB}]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({}, id="no answer"),
        pytest.param(RuntimeError("a bug"), id="an error that should not be"),
    ],
)
async def test_what_is_not_known_is_inconclusive(
    checks: Checks, source: Source, woken: Woken, answer: Any
) -> None:
    source.answer = answer
    checks.start_if_due(WEB, situation())
    await woken.wait()
    result = checks.result(WEB)
    assert result is not None
    assert result.readings.window is not None
    assert result.readings.window.traffic is NOT_MEASURED
    assert result.at == NOW
    assert not checks.busy


async def test_a_rollout_that_is_gone_is_forgotten(checks: Checks, woken: Woken) -> None:
    checks.start_if_due(WEB, situation())
    await woken.wait()
    checks.forget(WEB)
    assert checks.result(WEB) is None
    checks.start_if_due(WEB, situation())
    checks.forget(WEB)
    assert not checks.busy


async def test_the_end_cancels_what_is_under_way(
    checks: Checks, source: Source, woken: Woken
) -> None:
    source.gate.clear()
    checks.start_if_due(WEB, situation())
    await source.begun.wait()
    await checks.stop()
    assert woken.keys == []


async def test_who_fills_a_query_waits_for_nobody(source: Source, woken: Woken) -> None:
    checks = Checks(source, woken, gather_seconds=60)
    many = [Key("demo", f"web-{number}") for number in range(FULL)]
    for key in many[:-1]:
        checks.start_if_due(key, situation())
    await asyncio.sleep(0)
    assert not source.asked
    checks.start_if_due(many[-1], situation())
    await woken.wait(FULL)
    assert source.asked == [set(many)]
    await checks.stop()


async def test_many_rollouts_are_looked_at_at_finer_slots() -> None:
    steps = {"steps": [{"weight": 20, "hold": "24h"}], "progressDeadline": "48h"}
    analysis = {"interval": "30s", "window": "30s"}
    world = World(key=WEB, spec=spec(analysis=analysis, strategy=steps), now=NOW)
    driver = Driver(world)
    await driver.work()
    world.now += timedelta(seconds=0.2)
    world.edit(template=template("v2"))
    await driver.work()
    applied = driver.status.weight_applied_at
    assert applied is not None
    first, interval = applied + timedelta(seconds=30), timedelta(seconds=30)
    assert (await driver.settle()).at == next_slot(first, interval)
    other = situation({"weight_applied_at": NOW})  # not due yet
    for number in range(2000):
        driver.checks.start_if_due(Key("demo", f"other-{number}"), other)
    finer = next_slot(first, interval, 2000)
    assert (await driver.settle()).at == finer < next_slot(first, interval)
