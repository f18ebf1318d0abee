"""What Argo CD shows of a rollout, and which of its buttons do what."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lupa import lua51

from canary_operator.domain.requests import Verb, parse_request
from canary_operator.ports import Key
from canary_operator.testing.builders import spec
from canary_operator.testing.memory import World
from canary_operator.testing.situations import CANARY
from tests.gitops.argocd import ACTIONS, DISCOVERY, HEALTH, STATUSES, act, run
from tests.gitops.histories import EVENTS, play
from tests.gitops.kstatus import KStatus, kstatus
from tests.gitops.states import State, manifest, states

STATES = list(states())
REQUEST = "canary-operator.dev/request"
OUTSIDE = ("string.upper('x')", "('x'):upper()", "math.floor(1)", "io.read()", "os.exit()")


def named(name: str) -> State:
    return next(state for state in STATES if state.name == name)


@pytest.mark.parametrize("expression", OUTSIDE)
def test_the_sandbox_of_these_tests_is_as_narrow_as_that_of_argo_cd(expression: str) -> None:
    with pytest.raises(lua51.LuaError):
        run(f"return {expression}", manifest(None))


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_health_is_what_the_state_means(state: State) -> None:
    found = run(HEALTH, state.manifest)
    assert found["status"] == state.health
    assert found["status"] in STATUSES
    assert found["message"], "a person wants to know why"


MESSAGES = {
    "made a moment ago": "canary-operator has not looked at this spec yet.",
    "on a step, then edited": "canary-operator has not looked at this spec yet.",
    "at rest, InvalidSpec": "spec.strategy: not like this.",
}


@pytest.mark.parametrize(("name", "message"), MESSAGES.items())
def test_health_says_why(name: str, message: str) -> None:
    assert run(HEALTH, named(name).manifest)["message"] == message


def test_health_names_who_is_waited_for() -> None:
    found = run(HEALTH, named("waits for approval").manifest)
    assert found["message"] == named("waits for approval").manifest["status"]["message"]
    assert "approv" in found["message"]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_only_actions_that_the_operator_would_accept_are_enabled(state: State) -> None:
    found = run(DISCOVERY, state.manifest)
    assert set(found) == {str(verb) for verb in Verb} == set(ACTIONS)
    enabled = {name for name, action in found.items() if not action["disabled"]}
    assert enabled == state.actions
    assert all(action["displayName"] and action["iconClass"] for action in found.values())


def test_the_button_of_an_approval_step_says_so() -> None:
    def words(name: str) -> str:
        return str(run(DISCOVERY, named(name).manifest)["resume"]["displayName"])

    assert words("waits for approval") == "Approve this step"
    assert words("paused by request") == "Resume"


def test_the_button_of_a_promotion_by_hand_says_so() -> None:
    found = run(DISCOVERY, named("waits for promotion").manifest)
    assert found["promote"]["displayName"] == "Promote: every step passed"
    assert found["resume"]["disabled"]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_an_enabled_action_asks_for_the_revision_that_was_seen(state: State) -> None:
    for name in state.actions:
        patch = act(name, state.manifest)
        assert patch == {"metadata": {"annotations": {REQUEST: f"{name}/{CANARY}/4711"}}}
        request = parse_request(patch["metadata"]["annotations"][REQUEST])
        assert (request.verb, request.revision) == (name, CANARY)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("name", ["made a moment ago", "without status", "at rest"])
def test_an_action_without_a_canary_says_so_and_changes_nothing(action: str, name: str) -> None:
    with pytest.raises(lua51.LuaError, match=r"^(There is no canary|No revision was rolled back)"):
        act(action, named(name).manifest)


def test_an_action_works_on_an_object_without_annotations() -> None:
    live = named("on a step").manifest
    bare = live | {"metadata": {k: v for k, v in live["metadata"].items() if k != "annotations"}}
    patch = act("abort", bare)
    assert patch == {"metadata": {"annotations": {REQUEST: f"abort/{CANARY}/4711"}}}


SAME = {
    KStatus.CURRENT: {"Healthy"},
    KStatus.FAILED: {"Degraded"},
    KStatus.IN_PROGRESS: {"Progressing", "Suspended"},
}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=st.lists(EVENTS, min_size=5, max_size=20))
def test_argo_cd_and_kstatus_agree_on_every_status_that_is_written(
    history: list[tuple[str, Any]],
) -> None:
    world = World(key=Key("demo", "web"), spec=spec())

    def look(name: str) -> None:
        if name == "status":
            live = manifest(world.status, world.generation)
            assert run(HEALTH, live)["status"] in SAME[kstatus(live)]

    world.after_write = look
    asyncio.run(play(world, history))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    history=st.lists(EVENTS, min_size=3, max_size=15),
    action=st.sampled_from([str(verb) for verb in Verb]),
)
def test_the_operator_obeys_enabled_actions_and_refuses_the_others(
    history: list[tuple[str, Any]], action: str
) -> None:
    world = World(key=Key("demo", "web"), spec=spec())

    async def click() -> bool:
        driver = await play(world, history)
        live = manifest(world.status, world.generation)
        enabled = not run(DISCOVERY, live)[action]["disabled"]
        if enabled:
            world.ask(act(action, live)["metadata"]["annotations"][REQUEST])
        else:
            world.ask(action)  # as a person types it who does not look
        await driver.work()
        return enabled

    enabled, said = asyncio.run(click()), world.status["lastRequest"]
    assert world.request is None
    no_pods = action == "promote" and "canary pods are available" in said["message"]
    again = action == "pause" and said["message"].startswith("Paused at")  # harmless
    expected = {"Refused"} if no_pods else {"Accepted"} if enabled or again else {"Refused"}
    assert {said["outcome"]} == expected, said
