"""Histories of a rollout in memory: what users, pods and metrics may do, in any order."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from canary_operator.domain.requests import Verb
from canary_operator.domain.revision import revision_of
from canary_operator.domain.status import Verdict
from canary_operator.testing.builders import template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World

VERSIONS = ("v1", "v2", "v3")

EVENTS = st.one_of(
    st.tuples(st.just("template"), st.sampled_from(VERSIONS)),
    st.tuples(st.just("template"), st.sampled_from(VERSIONS)),
    st.tuples(st.just("wait"), st.sampled_from([1, 5, 12, 40, 150])),
    st.tuples(st.just("ask"), st.sampled_from([str(verb) for verb in Verb])),
    st.tuples(st.just("pause"), st.booleans()),
    st.tuples(st.just("scale"), st.integers(1, 6)),
    st.tuples(st.just("verdict"), st.sampled_from(Verdict)),
    st.tuples(st.just("broken"), st.sampled_from(VERSIONS)),
)


async def play(world: World, history: Sequence[tuple[str, Any]]) -> Driver:
    """Let a history happen; the engine works after each event."""
    driver = Driver(world)
    await driver.work()
    for kind, value in history:
        match kind:
            case "template" if world.spec["template"] != template(value):
                world.edit(template=template(value))
            case "wait":
                await driver.pass_time(value)
            case "ask":
                world.ask(value)
            case "pause":
                world.edit(paused=value)
            case "scale":
                world.edit(replicas=value)
            case "verdict":
                world.verdict = value
            case "broken":
                world.broken ^= {revision_of(template(value))}
        await driver.work()
    return driver
