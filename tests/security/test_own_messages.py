"""What an author or a person writes is quoted in messages: bounded, and on one line."""

from typing import Any

import pytest

from canary_operator.domain.foreign_text import LONGEST_MESSAGE
from canary_operator.ports import Key
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World

NASTY = "n\n\x1b[31m\u202eFORGED"
PORTS = [{"name": f"{NASTY}{'p' * 50_000}", "containerPort": 8080}]


def with_labels(labels: dict[str, Any]) -> dict[str, Any]:
    return {**template("v2"), "metadata": {"labels": labels}}


def with_container(**container: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "app", "image": "app:v2", **container}]}}


BAD: dict[str, dict[str, Any]] = {
    "many labels": {
        "template": with_labels({f"canary-operator.dev/{n}": "x" for n in range(5000)})
    },
    "a long label": {"template": with_labels({f"canary-operator.dev/{'y' * 100_000}": "x"})},
    "a strange label": {"template": with_labels({f"canary-operator.dev/{NASTY}": "x"})},
    "many unknown fields": {f"unknown-{n}{'z' * 50}": 1 for n in range(3000)},
    "strange unknown fields": {NASTY: 1},
    "many containers": {
        "template": {"spec": {"containers": [{"name": f"A{n}", "image": ""} for n in range(100)]}}
    },
    "names of ports": {
        "template": with_container(ports=PORTS),
        "service": {"port": 80, "targetPort": "web"},
    },
    "a query": {
        "analysis": {"metrics": [{"name": "a", "query": {"promql": "{{ " + NASTY, "max": 1}}]}
    },
}


@pytest.mark.parametrize("case", BAD)
async def test_a_refused_spec_is_told_on_one_line_and_bounded(case: str) -> None:
    driver = Driver(World(key=Key("demo", "web"), spec=spec()))
    await driver.work()
    driver.world.edit(**BAD[case])
    await driver.work()
    told = [condition.message for condition in driver.status.conditions]
    told += [driver.status.message or "", *(notice.message for notice in driver.world.events)]
    assert next(c.status for c in driver.status.conditions if c.type == "Ready") == "False"
    assert [text for text in told if len(text) > LONGEST_MESSAGE] == []
    assert [text for text in told if not text.isprintable()] == []


@pytest.mark.parametrize("request_", [NASTY, "x" * 100_000, f"abort/{NASTY}{'y' * 100_000}"])
async def test_a_refused_request_is_told_on_one_line_and_bounded(request_: str) -> None:
    driver = Driver(World(key=Key("demo", "web"), spec=spec()))
    await driver.work()
    driver.world.ask(request_)
    await driver.work()
    answered = driver.status.last_request
    assert answered is not None
    assert answered.outcome == "Refused"
    told = [answered.message, *(notice.message for notice in driver.world.events)]
    assert [text for text in told if len(text) > LONGEST_MESSAGE] == []
    assert [text for text in told if not text.isprintable()] == []
