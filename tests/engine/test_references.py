"""A spec that ends a trial is followed, whatever VirtualService it names."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from canary_operator.domain.errors import RouterUnavailableError
from canary_operator.domain.loans import Loan
from canary_operator.domain.phase import Phase
from canary_operator.domain.revision import revision_of
from canary_operator.domain.situation import RouteState
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.target import RouteTarget
from canary_operator.ports import Key, Rollout
from canary_operator.testing import memory
from canary_operator.testing.builders import spec, template, without_a_mesh
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import Killed, World
from tests.engine.test_life import at_weight, until

V1, V2, V3 = (revision_of(template(version)) for version in ("v1", "v2", "v3"))
NONE_OF_THE_USERS = "own"


def name_of(spec: RolloutSpec | None) -> str:
    reference = spec.traffic.virtual_service if spec else None
    return reference.name if reference else NONE_OF_THE_USERS


@dataclass
class Routes:
    """Which weights there are in each VirtualService, and what was given back in which order."""

    weights: dict[str, int] = field(default_factory=dict)
    given_back: list[tuple[str, int]] = field(default_factory=list)
    """With the weight that was left in it."""
    away: bool = False

    async def give_back(self, rollout: Rollout, loan: Loan, kept: Collection[Loan] = ()) -> bool:
        left = self.weights.pop(loan.name, 0)
        self.given_back.append((loan.name, left))
        return True


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> Routes:
    routes, tell = Routes(), memory._Router.set

    async def set_weight(
        router: memory._Router, rollout: Rollout, spec: RolloutSpec, target: RouteTarget
    ) -> bool:
        if routes.away:
            raise RouterUnavailableError("the route cannot be told")
        written = await tell(router, rollout, spec, target)
        routes.weights[name_of(spec)] = target.weight
        return written

    def state(
        router: memory._Router, rollout: Rollout, spec: RolloutSpec | None = None
    ) -> RouteState:
        del router, rollout
        weight = routes.weights.get(name_of(spec))
        return RouteState(exists=weight is not None, weight=weight)

    monkeypatch.setattr(memory._Router, "set", set_weight)
    monkeypatch.setattr(memory._Router, "state", state)
    return routes


def naming(name: str, *parts: str) -> dict[str, Any]:
    return {"istio": {"virtualService": {"name": name, "routes": list(parts or ("pages",))}}}


@pytest.fixture
async def driver(routes: Routes) -> Driver:
    driver = Driver(World(key=Key("demo", "web"), spec=spec(traffic=naming("shop"))))
    driver.world.lenders["VirtualService"] = routes
    await driver.work()
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 20)
    assert routes.weights == {"shop": 20}
    return driver


def problem(driver: Driver) -> str:
    ready = next(c for c in driver.status.conditions if c.type == "Ready")
    return ready.message if ready.reason == "InvalidSpec" else ""


OTHERS = {"another": naming("new"), "other routes": naming("shop", "more"), "none": {"istio": {}}}


@pytest.mark.parametrize("traffic", OTHERS.values(), ids=OTHERS.keys())
async def test_a_revert_ends_the_trial_where_it_is_and_then_follows_the_other_virtual_service(
    driver: Driver, routes: Routes, traffic: Mapping[str, Any]
) -> None:
    driver.world.edit(template=template("v1"), traffic=traffic)
    await driver.work()
    assert problem(driver) == ""
    assert driver.status.canary_revision is None
    assert routes.given_back == [("shop", 0)], "nothing was left when it was given back"
    assert not any(routes.weights.values())
    await until(driver, Phase.STABLE)
    borrowed = {(loan.name, loan.part) for loan in driver.status.borrowed or ()}
    wanted = traffic["istio"].get("virtualService", {"routes": ()})
    assert borrowed == {(wanted["name"], part) for part in wanted["routes"]}


async def test_a_third_version_begins_in_the_other_virtual_service(
    driver: Driver, routes: Routes
) -> None:
    driver.world.edit(template=template("v3"), traffic=naming("new"))
    await driver.work()
    assert problem(driver) == ""
    assert routes.given_back == [("shop", 0)]
    await at_weight(driver, 5)
    assert driver.status.canary_revision == V3
    assert routes.weights == {"new": 5}


async def test_the_virtual_service_before_is_split_until_it_could_be_told(
    driver: Driver, routes: Routes
) -> None:
    routes.away = True
    driver.world.edit(template=template("v1"), traffic=naming("new"))
    for _ in range(5):
        await driver.pass_time(1)
    assert routes.weights == {"shop": 20}
    assert routes.given_back == [], "stable was not told yet"
    routes.away = False
    for _ in range(5):
        await driver.pass_time(1)
    assert routes.given_back == [("shop", 0)]
    assert not any(routes.weights.values())


async def test_a_revert_while_promoting_ends_it_although_it_names_another(
    driver: Driver, routes: Routes
) -> None:
    await at_weight(driver, 50)
    driver.world.broken.add(V2)
    await until(driver, Phase.PROMOTING)
    driver.world.edit(template=template("v1"), traffic=naming("new"))
    await driver.settle()
    assert driver.status.phase is Phase.ROLLING_BACK
    assert problem(driver) == ""
    await until(driver, Phase.STABLE)
    assert routes.given_back == [("shop", 0)]
    assert routes.weights == {"new": 0}


@pytest.mark.parametrize("promoting", [False, True])
async def test_another_is_refused_while_the_canary_would_keep_its_share(
    driver: Driver, routes: Routes, promoting: bool
) -> None:
    if promoting:
        await at_weight(driver, 50)
        driver.world.broken.add(V2)
        await until(driver, Phase.PROMOTING)
        driver.world.edit(template=template("v3"))
    weight = routes.weights["shop"]
    driver.world.edit(traffic=naming("new"))
    await driver.work()
    words = "while a canary is promoted" if promoting else "while a canary is on trial"
    assert f"spec.traffic.istio.virtualService may not change {words}" in problem(driver)
    assert routes.weights == {"shop": weight}
    assert driver.status.canary_revision == V2


async def test_what_was_accepted_last_says_whether_requests_are_split_after_a_restart(
    driver: Driver, routes: Routes, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.world.edit(template=template("v1"))
    await until(driver, Phase.STABLE)
    asked: list[str] = []
    state = memory._Router.state

    def listen(
        router: memory._Router, rollout: Rollout, spec: RolloutSpec | None = None
    ) -> RouteState:
        if spec is not None:
            asked.append(name_of(spec))
            return state(router, rollout, spec)
        return RouteState()  # as where no rollout was looked at yet

    monkeypatch.setattr(memory._Router, "state", listen)
    driver.start()
    queries = [{"name": "errors", "query": {"promql": "sum(errors)", "max": 1}}]
    driver.world.edit(traffic={"replicas": {"rounding": "Up"}}, analysis={"metrics": queries})
    await driver.work()
    assert "spec.traffic may not change from istio to replicas" in problem(driver)
    assert set(asked) == {"shop"}
    assert routes.weights == {"shop": 0}


@pytest.fixture
async def own(routes: Routes) -> Driver:
    """A driver whose canary v2 has 20 % in the VirtualService that the operator made."""
    driver = Driver(World(key=Key("demo", "web"), spec=spec()))
    driver.world.lenders["VirtualService"] = routes
    await driver.work()
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 20)
    return driver


REFUSED = {
    "a VirtualService where the operator made one": naming("shop"),
    "pods as the split": {"replicas": {"rounding": "Up"}},
}


@pytest.mark.parametrize("traffic", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("promoting", [False, True])
async def test_a_revert_ends_the_trial_on_its_route_although_the_route_that_it_asks_for_is_refused(
    own: Driver, routes: Routes, traffic: Mapping[str, Any], promoting: bool
) -> None:
    world = own.world
    queries = [{"name": "errors", "query": {"promql": "sum(errors)", "max": 1}}]
    if promoting:
        await at_weight(own, 50)
        world.broken.add(V2)
        await until(own, Phase.PROMOTING)
    world.edit(template=template("v1"), traffic=traffic, analysis={"metrics": queries})
    await own.work()
    assert not any(routes.weights.values())
    await until(own, Phase.STABLE)
    assert own.status.history[0].outcome == "Reverted"
    assert own.status.stable_revision == V1
    assert "spec.traffic" in problem(own), "what is refused is still told"
    assert routes.weights == {NONE_OF_THE_USERS: 0}
    assert own.status.borrowed is None
    await own.pass_time(60)
    before = list(world.writes)
    own.start()
    await own.pass_time(60)
    assert world.writes == before
    world.edit(traffic={"istio": {}})
    await own.work()
    assert problem(own) == ""


async def test_a_revert_ends_the_trial_although_its_checks_do_not_go_with_the_route_before(
    routes: Routes,
) -> None:
    driver = Driver(World(key=Key("demo", "web"), spec=spec(**without_a_mesh(25, 50))))
    await driver.work()
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 25)
    checks = [{"name": "success", "successRate": {"min": 99}}]
    driver.world.edit(template=template("v1"), traffic={"istio": {}}, analysis={"metrics": checks})
    await until(driver, Phase.STABLE)
    assert driver.status.history[0].outcome == "Reverted"
    assert "spec.traffic may not change" in problem(driver)
    assert routes.weights == {NONE_OF_THE_USERS: 0}


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_only_stables_own_version_ends_a_trial_by_a_spec_that_is_refused(
    own: Driver, routes: Routes, version: str
) -> None:
    own.world.edit(template=template(version), traffic=naming("shop"))
    await own.pass_time(1)
    assert own.status.canary_revision == V2
    assert routes.weights == {NONE_OF_THE_USERS: 20}
    assert problem(own)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_at_any_write_such_a_revert_ends_the_trial(routes: Routes, when: str) -> None:
    nth, kills = 0, 1
    while kills:
        nth += 1
        driver = Driver(World(key=Key("demo", "web"), spec=spec()))
        await driver.work()
        driver.world.edit(template=template("v2"))
        await at_weight(driver, 20)
        left = nth

        def kill(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed

        setattr(driver.world, f"{when}_write", kill)
        driver.world.edit(template=template("v1"), traffic=naming("shop"))
        await until(driver, Phase.STABLE)
        kills = driver.kills
        assert driver.status.history[0].outcome == "Reverted"
        assert routes.weights.pop(NONE_OF_THE_USERS) == 0
        assert not any(routes.weights.values())
    assert nth > 3
