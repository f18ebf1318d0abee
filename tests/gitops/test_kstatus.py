"""Conditions are what kstatus expects: done, failed and under way are never mistaken."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canary_operator.domain.phase import Phase
from canary_operator.domain.revision import revision_of
from canary_operator.playground.client import NotFoundError
from canary_operator.playground.local import ROLLOUTS
from canary_operator.ports import Key
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World
from tests.gitops.histories import EVENTS, play
from tests.gitops.kstatus import KStatus, kstatus
from tests.gitops.states import State, manifest, states
from tests.support.clusters import Cluster, eventually

STATES = list(states())


def conditions(**true: bool) -> list[dict[str, str]]:
    return [{"type": kind, "status": str(value)} for kind, value in true.items()]


RULES: dict[str, tuple[dict[str, Any], dict[str, Any], KStatus]] = {
    "no status at all looks finished": ({"generation": 1}, {}, KStatus.CURRENT),
    "a generation that nobody saw is under way, whatever the conditions say": (
        {"generation": 2},
        {"observedGeneration": 1, "conditions": conditions(Stalled=True, Ready=True)},
        KStatus.IN_PROGRESS,
    ),
    "-1 is no generation, so nobody looked yet": (
        {"generation": 1},
        {"observedGeneration": -1},
        KStatus.IN_PROGRESS,
    ),
    "deletion outranks everything": (
        {"generation": 2, "deletionTimestamp": "2026-01-01T00:00:00Z"},
        {"observedGeneration": 1},
        KStatus.TERMINATING,
    ),
    "stalled outranks ready": (
        {"generation": 1},
        {"observedGeneration": 1, "conditions": conditions(Ready=True, Stalled=True)},
        KStatus.FAILED,
    ),
    "the first of reconciling and stalled counts": (
        {"generation": 1},
        {"observedGeneration": 1, "conditions": conditions(Reconciling=True, Stalled=True)},
        KStatus.IN_PROGRESS,
    ),
    "what is false is as good as absent": (
        {"generation": 1},
        {"conditions": conditions(Stalled=False, Reconciling=False, Ready=True)},
        KStatus.CURRENT,
    ),
    "not ready alone is under way, for ever": (
        {"generation": 1},
        {"observedGeneration": 1, "conditions": conditions(Ready=False)},
        KStatus.IN_PROGRESS,
    ),
}


@pytest.mark.parametrize(("meta", "status", "expected"), RULES.values(), ids=RULES)
def test_the_rules_are_those_of_kstatus(
    meta: dict[str, Any], status: dict[str, Any], expected: KStatus
) -> None:
    assert kstatus({"metadata": meta, "status": status}) is expected


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_kstatus_reads_every_state_as_it_is_meant(state: State) -> None:
    assert kstatus(state.manifest) is state.kstatus


def test_every_phase_is_among_the_states() -> None:
    assert {state.phase for state in STATES} == {None, *Phase}


def test_reconciling_and_stalled_never_stand_together() -> None:
    for state in STATES:
        kinds = [one["type"] for one in (state.manifest.get("status") or {}).get("conditions", [])]
        assert not {"Reconciling", "Stalled"} <= set(kinds), state.name


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=st.lists(EVENTS, min_size=10, max_size=30))
def test_no_write_of_the_status_says_done_before_it_is(history: list[tuple[str, Any]]) -> None:
    world = World(key=Key("demo", "web"), spec=spec())

    def look(name: str) -> None:
        if name != "status":
            return
        found = kstatus(manifest(world.status, world.generation))
        phase, stable = world.status["phase"], world.status["stableRevision"]
        wanted = revision_of(world.spec["template"])
        assert world.status["observedGeneration"] == world.generation
        if found is KStatus.CURRENT:
            assert (phase, stable) == (Phase.STABLE, wanted), "what is wanted is not running"
            available = [pod for pod in world.deployments["stable"].pods if pod.available]
            assert len(available) >= world.spec["replicas"]
        if found is KStatus.FAILED:
            assert phase in {Phase.ROLLED_BACK, Phase.INITIALIZING}, "something still moves"

    world.after_write = look
    asyncio.run(play(world, history))


async def test_a_revision_that_waited_for_a_promotion_is_not_taken_for_done() -> None:
    world = World(key=Key("demo", "web"), spec=spec())
    seen: list[tuple[str, KStatus, str]] = []

    def look(name: str) -> None:
        if name == "status":
            found = kstatus(manifest(world.status, world.generation))
            seen.append((world.status["phase"], found, world.status["message"]))

    driver = Driver(world)
    await driver.work()
    world.edit(template=template("v2"))
    await driver.pass_time(5)
    world.broken.add(revision_of(template("v2")))  # so that the promotion takes its time
    world.ask("promote")
    await driver.work()
    assert driver.status.phase is Phase.PROMOTING
    world.edit(template=template("v3"))
    await driver.work()
    world.after_write = look
    world.broken.clear()
    await driver.work()
    first, *_ = seen
    assert first[:2] == (Phase.STABLE, KStatus.IN_PROGRESS)
    assert first[2] == (
        f"Revision {revision_of(template('v2'))} serves everything; "
        f"revision {revision_of(template('v3'))} goes on trial next."
    )
    assert {found for _, found, _ in seen} == {KStatus.IN_PROGRESS}
    assert driver.status.canary_revision == revision_of(template("v3"))


async def test_the_api_server_says_that_nobody_looked_yet(cluster: Cluster) -> None:
    namespace = await cluster.namespace()
    whole = manifest(None) | {"metadata": {"name": "web", "namespace": namespace}}
    made = await cluster.client.create(ROLLOUTS, whole, namespace)
    assert made["status"] == {"observedGeneration": -1}
    assert kstatus(made) is KStatus.IN_PROGRESS


async def test_a_rollout_that_goes_is_terminating(cluster: Cluster) -> None:
    namespace = await cluster.namespace()
    meta = {"name": "web", "namespace": namespace, "finalizers": ["example.org/wait"]}
    await cluster.client.create(ROLLOUTS, manifest(None) | {"metadata": meta}, namespace)
    await cluster.client.delete(ROLLOUTS, "web", namespace)
    going = await cluster.client.get(ROLLOUTS, "web", namespace)
    assert kstatus(going) is KStatus.TERMINATING
    await cluster.client.patch(ROLLOUTS, "web", {"metadata": {"finalizers": None}}, namespace)

    async def gone() -> bool:
        try:
            await cluster.client.get(ROLLOUTS, "web", namespace)
        except NotFoundError:
            return True
        return False

    await eventually(gone)
