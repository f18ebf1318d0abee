"""Whose requests a canary gets does not change while it has some."""

from typing import Any

import pytest

from canary_operator.domain.errors import UnavailableError
from canary_operator.domain.phase import Phase
from canary_operator.domain.revision import revision_of
from canary_operator.domain.situation import RouteState
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.status import Verdict
from canary_operator.domain.target import RouteTarget
from canary_operator.ports import Key, Rollout
from canary_operator.testing import memory
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World
from tests.engine.test_life import at_weight, until

V1, V2 = revision_of(template("v1")), revision_of(template("v2"))


def focused(company: str) -> dict[str, Any]:
    match = [{"headers": {"x-company": {"exact": company}}}]
    return {**spec()["strategy"], "match": match}


ACME, OTHERS = focused("acme"), focused("others")


class Told:
    """Which group the router was told to give a share above 0, and how large a one."""

    def __init__(self) -> None:
        self.shares: list[tuple[str, int]] = []

    def note(self, spec: RolloutSpec, target: RouteTarget) -> None:
        for condition in spec.strategy.match or ():
            if target.weight and condition.headers:
                self.shares.append((str(condition.headers["x-company"].exact), target.weight))

    @property
    def groups(self) -> set[str]:
        return {group for group, _ in self.shares}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    told, tell = Told(), memory._Router.set

    async def listen(
        router: memory._Router, rollout: Rollout, spec: RolloutSpec, target: RouteTarget
    ) -> bool:
        told.note(spec, target)
        return await tell(router, rollout, spec, target)

    monkeypatch.setattr(memory._Router, "set", listen)
    return told


@pytest.fixture
async def driver() -> Driver:
    driver = Driver(World(key=Key("demo", "web"), spec=spec(strategy=ACME)))
    await driver.work()
    return driver


def problem(driver: Driver) -> str:
    ready = next(c for c in driver.status.conditions if c.type == "Ready")
    return ready.message if ready.reason == "InvalidSpec" else ""


async def test_a_newer_template_that_never_started_opens_no_group(
    driver: Driver, told: Told
) -> None:
    world = driver.world
    world.edit(template=template("v2"))
    await at_weight(driver, 20)

    def fail(name: str) -> None:
        if name in {"route", "status"}:
            raise UnavailableError("the API server is away")

    world.before_write = fail
    world.edit(template=template("v3"), strategy=OTHERS)
    for _ in range(3):
        await driver._tick()
    assert [record.revision for record in world.records][-1] == revision_of(template("v3"))
    world.edit(template=template("v2"))
    world.before_write = lambda _: None
    await driver.work()
    assert "spec.strategy.match may not change while a canary is on trial" in problem(driver)
    await at_weight(driver, 5)
    await driver.pass_time(40)
    assert driver.status.canary_revision == V2, "begun anew"
    assert told.shares.index(("acme", 20)) < told.shares.index(("others", 5))
    assert ("others", 20) not in told.shares[: told.shares.index(("others", 5))]


async def test_a_template_that_waits_for_a_promotion_opens_no_group(
    driver: Driver, told: Told
) -> None:
    world = driver.world
    world.edit(template=template("v2"))
    await at_weight(driver, 50)
    world.broken.add(V2)
    await until(driver, Phase.PROMOTING)
    world.edit(template=template("v3"), strategy=OTHERS)
    await driver.work()
    assert driver.status.phase is Phase.PROMOTING
    assert "while a canary is promoted" in problem(driver)
    assert told.groups == {"acme"}
    world.broken.clear()
    await until(driver, Phase.STABLE)
    await at_weight(driver, 5)
    assert driver.status.canary_revision == revision_of(template("v3"))
    assert problem(driver) == ""
    assert told.shares[-1] == ("others", 5)


async def test_a_revert_while_promoting_is_obeyed_whatever_group_it_brings(
    driver: Driver, told: Told
) -> None:
    world = driver.world
    world.edit(template=template("v2"))
    await at_weight(driver, 50)
    world.broken.add(V2)
    await until(driver, Phase.PROMOTING)
    world.edit(template=template("v1"), strategy=OTHERS)
    await driver.settle()
    assert (driver.status.phase, world.route.weight) == (Phase.ROLLING_BACK, 0)
    assert problem(driver) == ""
    assert told.groups == {"acme"}


async def test_a_share_that_is_left_on_a_rejected_canary_stays_with_its_group(
    driver: Driver, told: Told
) -> None:
    world = driver.world
    world.edit(template=template("v2"))
    await at_weight(driver, 20)
    world.broken.add(V1)
    for pod in world.deployments["stable"].pods:
        pod.available = False
    world.ask("pause")
    await driver.work()
    assert driver.status.phase is Phase.PAUSED
    world.verdict = Verdict.FAIL
    await until(driver, Phase.ROLLING_BACK)
    assert driver.status.weight == 20, "stable has no pod to take it back"
    for changes in ({"strategy": OTHERS}, {"template": template("v3")}):
        world.edit(**changes)
        await driver.work()
        assert "while a rejected canary keeps its share" in problem(driver)
    world.broken.clear()
    await driver.pass_time(60)
    assert problem(driver) == ""
    assert told.groups - {"others"} == {"acme"}
    assert {share for share in told.shares if share[0] == "others"} <= {("others", 5)}


async def test_the_share_of_a_group_is_read_by_the_spec_in_force(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[RolloutSpec | None] = []
    state = memory._Router.state

    def listen(
        router: memory._Router, rollout: Rollout, spec: RolloutSpec | None = None
    ) -> RouteState:
        asked.append(spec)
        return state(router, rollout, spec)

    monkeypatch.setattr(memory._Router, "state", listen)
    driver.world.edit(paused=True)
    driver.world.edit(replicas=-1)
    await driver.settle()
    assert any(spec is not None and spec.strategy.is_focused for spec in asked)
