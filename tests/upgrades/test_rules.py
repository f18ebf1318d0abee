"""What makes an upgrade harmless: no default in the schema, and no new spec in other words."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from canary_operator.crd import custom_resource_definition
from canary_operator.domain.phase import Phase
from canary_operator.domain.situation import Settings
from canary_operator.domain.status import Verdict
from canary_operator.ports import Key
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World


def defaults(schema: Any, place: str = "") -> Iterator[str]:
    """Yield where a schema fills something in."""
    if isinstance(schema, Mapping):
        if "default" in schema and "type" in schema:
            yield place
        for name, part in schema.items():
            yield from defaults(part, f"{place}.{name}" if place else name)
    elif isinstance(schema, list):
        for part in schema:
            yield from defaults(part, place)


def test_the_api_server_fills_nothing_into_a_spec() -> None:
    """An older operator would meet fields that it does not know and nobody wrote.

    Defaults belong into the models, which a field that is left out does not reach.
    """
    version = custom_resource_definition()["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]["properties"]
    assert list(defaults(schema["spec"])) == []
    assert list(defaults(schema["status"])) == ["", "properties.observedGeneration"], "seen"


DOUBTFUL = {"metrics": [{"name": "success-rate", "successRate": {"min": 0.99}}]}
"""A value that is accepted with an Event, once."""

IN_OTHER_WORDS = [
    pytest.param({"paused": False, "traffic": {"istio": {}}}, id="defaults written out"),
    pytest.param(
        {"strategy": {**spec()["strategy"], "hold": "60s", "scaleDownDelay": "0m30s"}},
        id="a default at a depth, and a duration written differently",
    ),
    pytest.param({"service": {"port": 80, "targetPort": 8080, "ports": []}}, id="an empty list"),
]


@pytest.mark.parametrize("weight", [None, 20], ids=["at rest", "in the middle"])
@pytest.mark.parametrize("words", IN_OTHER_WORDS)
async def test_a_restart_that_meets_the_same_spec_in_other_words_writes_nothing(
    words: dict[str, Any], weight: int | None
) -> None:
    world = World(key=Key("demo", "web"), spec=spec(analysis={**spec()["analysis"], **DOUBTFUL}))
    driver = Driver(world)
    await driver.work()
    if weight is not None:
        world.edit(template=template("v2"))
        while driver.status.weight != weight:
            await driver.pass_time(1)
    records, route = list(world.records), world.route
    writes, told = len(world.writes), len(world.events)

    world.spec = {**world.spec, **words}  # no generation: nobody has written it
    driver.settings = Settings(scrape_interval=timedelta(minutes=1))  # too rare for a new spec
    driver.start()
    await driver.settle()

    assert (world.records, world.route) == (records, route)
    assert (len(world.writes), len(world.events)) == (writes, told)
    assert driver.status.phase is (Phase.STABLE if weight is None else Phase.PROGRESSING)


async def test_a_record_of_a_newer_operator_is_replaced_once_the_spec_can_be_read() -> None:
    world = World(key=Key("demo", "web"), spec=spec())
    driver = Driver(world)
    await driver.work()
    newest = world.records[0]
    world.records = [replace(newest, settings={**newest.settings, "tempo": "slow"})]
    driver.start()
    await driver.work()
    assert world.records[0].settings == newest.settings
    assert world.records[0].revision == newest.revision
    assert driver.status.phase is Phase.STABLE


async def test_a_spec_that_an_older_operator_cannot_read_leaves_the_recorded_one_in_force() -> None:
    world = World(key=Key("demo", "web"), spec=spec())
    driver = Driver(world)
    await driver.work()
    world.edit(template=template("v2"))
    while driver.status.weight != 20:
        await driver.pass_time(1)
    world.edit(strategy={**spec()["strategy"], "tempo": "slow"})
    driver.start()
    await driver.work()
    assert driver.status.weight == world.route.weight == 20
    assert "unknown field spec.strategy.tempo" in driver.status.message
    await driver.pass_time(300)
    assert driver.status.phase is Phase.STABLE, "it goes on by the steps that were accepted"


async def test_a_record_that_an_older_operator_cannot_read_leaves_everything_as_it_is() -> None:
    world = World(key=Key("demo", "web"), spec=spec())
    driver = Driver(world)
    await driver.work()
    world.edit(template=template("v2"))
    while driver.status.weight != 20:
        await driver.pass_time(1)
    strategy = {**spec()["strategy"], "tempo": "slow"}
    world.edit(strategy=strategy)
    newer = (
        replace(each, settings={**each.settings, "strategy": strategy}) for each in world.records
    )
    world.records = list(newer)
    route, deployments = world.route, {k: replace(v) for k, v in world.deployments.items()}
    world.verdict = Verdict.FAIL
    driver.start()
    await driver.pass_time(300)
    assert "unknown field spec.strategy.tempo" in driver.status.message
    assert (world.route, world.deployments) == (route, deployments)
    assert (driver.status.phase, driver.status.weight) == (Phase.PROGRESSING, 20)

    world.edit(strategy=spec()["strategy"])  # the field is taken out of the manifest
    await driver.pass_time(300)
    assert driver.status.phase is Phase.ROLLED_BACK, "it is judged again"
