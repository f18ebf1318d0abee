"""A rollout takes its pods from a Deployment of somebody else, and gives its place back."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from canary_operator.domain.errors import DriftConflictError, UnavailableError
from canary_operator.domain.loans import FINALIZER
from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.revision import revision_of
from canary_operator.domain.steps import PROXY_DELAY
from canary_operator.testing.builders import spec, template, without_a_mesh
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import Killed, World
from canary_operator.testing.referenced import Referenced

REPLICAS = 3


def adopting(**changes: Any) -> dict[str, Any]:
    """Return a spec that takes its pods from a Deployment, with as many as that has."""
    raw = spec(**{"workloadRef": {"name": "web"}, **changes})
    return {field: value for field, value in raw.items() if field not in {"template", "replicas"}}


@pytest.fixture
def world(world: World) -> World:
    world.spec = adopting()
    world.refer(Referenced.running(template("v1"), REPLICAS))
    return world


def referenced(world: World) -> Referenced:
    assert world.referenced is not None
    return world.referenced


async def adopted(world: World) -> Driver:
    driver = Driver(world)
    await driver.pass_time(5)
    assert driver.status.phase is Phase.STABLE
    assert referenced(world).deployment.replicas == 0
    return driver


def serving(world: World) -> int:
    """Return how many available pods the callers of the Service have."""
    own = referenced(world)
    led = [] if own.service_is_taken else [own.deployment]
    stable = world.deployments.get("stable")
    there = [*led, *([stable] if stable else [])]
    return sum(pod.available for deployment in there for pod in deployment.pods)


def watch_over(world: World) -> list[tuple[str, int]]:
    """Note after each write how many pods serve."""
    seen: list[tuple[str, int]] = []
    world.after_write = lambda name: seen.append((name, serving(world)))
    return seen


def writes_of_interest(world: World) -> list[str]:
    kept = {"stable", "take service over", "route", "scale down", "follow", "guard", "anchor"}
    return [write for write in world.writes if write in kept]


async def test_stable_comes_up_from_the_deployment_then_traffic_moves_then_it_is_scaled_down(
    world: World,
) -> None:
    driver = await adopted(world)
    assert writes_of_interest(world) == [
        "guard",
        "follow",
        "anchor",
        "stable",
        "take service over",
        "route",
        "scale down",
    ]
    assert world.deployments["stable"].replicas == REPLICAS
    assert driver.status.stable_revision == revision_of(template("v1"))
    record = driver.status.workload
    assert record is not None
    assert (record.name, record.replicas) == ("web", REPLICAS)
    assert record.service_selector == {"app": "web"}
    assert referenced(world).replicas_before == REPLICAS


async def test_callers_always_have_all_of_their_pods(world: World) -> None:
    seen = watch_over(world)
    driver = await adopted(world)
    world.delete()
    await driver.pass_time(10)
    assert world.is_gone
    assert min(pods for _, pods in seen) == REPLICAS


async def test_the_deployment_is_not_scaled_down_while_the_router_takes_nothing_from_a_canary(
    world: World,
) -> None:
    driver = Driver(world)
    await driver.work()
    world.route = replace(world.route, weight=50)

    def refuse(name: str) -> None:
        if name == "route":
            raise UnavailableError("the API server refuses the route")

    world.before_write = refuse
    await driver.pass_time(60)
    assert referenced(world).deployment.replicas == REPLICAS
    world.before_write = lambda _: None
    await driver.pass_time(5)
    assert referenced(world).deployment.replicas == 0


async def test_the_deployment_is_scaled_down_two_seconds_after_traffic_moved(world: World) -> None:
    driver = Driver(world)
    await driver.work()
    assert referenced(world).service_is_taken
    assert referenced(world).deployment.replicas == REPLICAS
    await driver.pass_time(1)
    assert referenced(world).deployment.replicas == REPLICAS
    await driver.pass_time(1)
    assert referenced(world).deployment.replicas == 0
    assert Reason.WORKLOAD_REPLACED in [notice.reason for notice in world.events]


async def test_without_stable_pods_nothing_is_taken_from_the_deployment(world: World) -> None:
    world.broken.add(revision_of(template("v1")))
    driver = Driver(world)
    await driver.pass_time(200, step=10)
    assert driver.status.phase is Phase.INITIALIZING
    assert "take service over" not in world.writes
    assert referenced(world).deployment.replicas == REPLICAS


async def test_never_leaves_the_deployment_as_it_is(world: World) -> None:
    world.spec = adopting(workloadRef={"name": "web", "scaleDown": "Never"})
    driver = Driver(world)
    await driver.pass_time(10)
    assert driver.status.phase is Phase.STABLE
    assert referenced(world).service_is_taken
    assert referenced(world).deployment.replicas == REPLICAS


async def test_a_change_of_the_deployments_template_starts_a_rollout(world: World) -> None:
    driver = await adopted(world)
    referenced(world).edit(template("v2"))
    await driver.work()
    assert driver.status.phase is Phase.PROGRESSING
    assert driver.status.canary_revision == revision_of(template("v2"))
    await driver.pass_time(120)
    assert driver.status.phase is Phase.STABLE
    assert driver.status.stable_revision == revision_of(template("v2"))
    assert referenced(world).deployment.replicas == 0


async def test_defaults_of_a_newer_api_server_are_no_change(world: World) -> None:
    driver = await adopted(world)
    referenced(world).defaults = {"newField": "Default"}
    assert referenced(world).seen().revision != driver.status.stable_revision
    before = len(world.writes)
    await driver.pass_time(5)
    assert (driver.status.phase, len(world.writes)) == (Phase.STABLE, before)
    driver.start()  # nothing is remembered
    await driver.pass_time(5)
    assert (driver.status.phase, len(world.writes)) == (Phase.STABLE, before)


async def test_a_field_that_a_user_adds_is_a_change(world: World) -> None:
    driver = await adopted(world)
    before = template("v1")
    pods = {**before["spec"], "priorityClassName": "high"}
    referenced(world).edit({**before, "spec": pods})
    await driver.work()
    assert driver.status.phase is Phase.PROGRESSING


async def test_a_revert_in_the_deployment_ends_the_rollout(world: World) -> None:
    driver = await adopted(world)
    referenced(world).edit(template("v2"))
    await driver.pass_time(8)
    assert driver.status.weight == 5
    referenced(world).edit(template("v1"))
    await driver.work()
    assert (driver.status.phase, driver.status.weight) == (Phase.STABLE, 0)


async def test_pods_that_a_tool_brings_back_are_scaled_down_again(world: World) -> None:
    driver = await adopted(world)
    referenced(world).scale(5)
    await driver.work()
    assert referenced(world).deployment.replicas == 0
    assert referenced(world).replicas_before == REPLICAS
    assert world.deployments["stable"].replicas == REPLICAS
    assert Reason.DRIFT_REPAIRED in [notice.reason for notice in world.events]


async def test_replicas_of_the_spec_win_over_those_of_the_deployment(world: World) -> None:
    driver = await adopted(world)
    world.edit(replicas=6)
    await driver.work()
    assert world.deployments["stable"].replicas == 6
    world.delete()
    await driver.pass_time(10)
    assert world.is_gone
    assert referenced(world).deployment.replicas == 6, "it gets the load of six pods"


async def test_a_lost_status_does_not_forget_how_many_pods_there_were(world: World) -> None:
    driver = await adopted(world)
    world.status = {}
    world.version += 1
    driver.start()
    await driver.pass_time(5)
    assert world.deployments["stable"].replicas == REPLICAS
    record = driver.status.workload
    assert record is not None
    assert record.replicas == REPLICAS


async def test_a_deployment_that_is_not_there_is_waited_for(world: World) -> None:
    own = world.referenced
    world.referenced = None
    driver = Driver(world)
    await driver.work()
    condition = driver.status.conditions[0]
    assert (condition.status, condition.reason) == ("False", Reason.WORKLOAD_NOT_FOUND)
    assert "stable" not in world.deployments
    world.referenced = own
    await driver.pass_time(40)
    assert driver.status.phase is Phase.STABLE


async def test_a_deployment_that_is_deleted_leaves_stable_alone(world: World) -> None:
    driver = await adopted(world)
    world.referenced = None
    await driver.pass_time(40)
    assert driver.status.conditions[0].reason == Reason.WORKLOAD_NOT_FOUND
    assert world.deployments["stable"].replicas == REPLICAS
    world.delete()
    await driver.pass_time(5)
    assert world.is_gone


async def test_a_deployment_of_somebody_else_is_refused(world: World) -> None:
    referenced(world).owner = "Rollout web"
    driver = Driver(world)
    await driver.work()
    assert driver.status.conditions[0].reason == Reason.NAME_CONFLICT
    assert world.writes == ["status"]


@pytest.mark.parametrize(
    "change",
    [{"workloadRef": {"name": "other"}}, {"workloadRef": None, "template": template("v1")}],
    ids=["another Deployment", "a template"],
)
async def test_the_pods_may_not_be_taken_from_elsewhere(
    world: World, change: dict[str, Any]
) -> None:
    driver = await adopted(world)
    world.edit(**change)
    await driver.work()
    condition = driver.status.conditions[0]
    assert (condition.status, condition.reason) == ("False", Reason.INVALID_SPEC)
    assert "must stay web" in condition.message
    assert referenced(world).deployment.replicas == 0
    assert FINALIZER in world.finalizers


async def test_labels_that_the_service_selects_by_must_stay(world: World) -> None:
    driver = await adopted(world)
    changed = template("v2")
    changed["metadata"] = {"labels": {"app": "other"}}
    referenced(world).edit(changed)
    await driver.work()
    condition = driver.status.conditions[0]
    assert (condition.status, condition.reason) == ("False", Reason.INVALID_SPEC)
    assert "app" in condition.message
    assert driver.status.canary_revision is None


async def test_the_way_back_is_pods_then_route_then_canary_then_service(world: World) -> None:
    driver = await adopted(world)
    referenced(world).edit(template("v2"))
    await driver.pass_time(8)
    assert driver.status.weight == 5
    before = len(world.writes)
    world.delete()
    await driver.pass_time(10)
    assert world.is_gone
    back = [write for write in world.writes[before:] if write != "status"]
    assert back == [
        "scale up",
        "close route",
        "stop canary",
        "give service back",
        "let go",
        "let objects go",
        "release",
    ]


async def test_a_deployment_that_does_not_come_up_keeps_the_rollout(world: World) -> None:
    driver = await adopted(world)
    referenced(world).edit(template("broken"))
    world.broken.add(revision_of(template("broken")))
    world.delete()
    await driver.pass_time(120, step=5)
    assert not world.is_gone
    assert referenced(world).service_is_taken
    assert "must have 3 pods available first" in driver.status.message
    assert driver.status.conditions[0].reason == Reason.RESTORING
    referenced(world).edit(template("v1"))
    await driver.pass_time(40)
    assert world.is_gone


async def test_a_rollout_that_never_served_is_deleted_without_touching_the_deployment(
    world: World,
) -> None:
    world.broken.add(revision_of(template("v1")))
    driver = Driver(world)
    await driver.pass_time(5)
    world.delete()
    await driver.work()
    assert world.is_gone
    assert "scale up" not in world.writes
    assert not referenced(world).is_followed


async def test_a_rollout_that_never_served_does_not_wait_for_an_update_of_the_deployment(
    world: World,
) -> None:
    own = referenced(world)
    own.deployment.track = "stable"  # old pods stay until new ones are available
    own.edit(template("broken"))
    world.broken.add(revision_of(template("broken")))
    driver = Driver(world)
    await driver.pass_time(5)
    assert driver.status.phase is Phase.INITIALIZING
    assert own.deployment.state().updated < own.deployment.state().pods
    world.delete()
    await driver.work()
    assert world.is_gone


async def test_a_label_that_was_taken_while_nobody_looked_does_not_leave_the_deployment_at_zero(
    world: World,
) -> None:
    driver = await adopted(world)
    referenced(world).is_followed = False
    world.delete()
    driver.start()
    await driver.pass_time(20)
    assert world.is_gone
    assert referenced(world).deployment.replicas == REPLICAS
    assert not referenced(world).service_is_taken
    assert not referenced(world).is_followed


async def test_a_spec_that_is_refused_after_the_deployment_was_labelled_leaves_no_label(
    world: World,
) -> None:
    world.spec = adopting(service={"port": 80, "targetPort": "no-such-port"})
    driver = Driver(world)
    await driver.work()
    assert driver.status.conditions[0].reason == Reason.INVALID_SPEC
    assert referenced(world).is_followed
    world.delete()
    await driver.work()
    assert world.is_gone
    assert not referenced(world).is_followed


@pytest.mark.parametrize("side", ["before_write", "after_write"])
@pytest.mark.parametrize("number", range(1, 8))
async def test_deleted_while_it_is_taken_in_a_rollout_leaves_no_mark(
    world: World, number: int, side: str
) -> None:
    strike = kill_at(world, number)

    def die_and_be_deleted(name: str) -> None:
        try:
            strike(name)
        except Killed:
            world.delete()
            raise

    setattr(world, side, die_and_be_deleted)
    driver = Driver(world)
    await driver.pass_time(20)
    assert driver.kills == 1
    assert world.is_gone
    assert not referenced(world).is_followed
    assert not world.is_anchored


async def test_stable_is_not_made_while_nothing_keeps_it_through_a_deletion(world: World) -> None:
    def refuse(name: str) -> None:
        if name == "anchor":
            raise UnavailableError("the API server is away")

    world.before_write = refuse
    driver = Driver(world)
    with pytest.raises(AssertionError, match="no rest"):  # a tick that fails is tried at once here
        await driver.work()
    assert "stable" not in world.deployments
    world.before_write = lambda _: None
    await driver.work()
    assert "stable" in world.deployments


async def test_one_that_was_never_replaced_is_not_labelled_for_the_way_back(world: World) -> None:
    world.broken.add(revision_of(template("v1")))
    driver = Driver(world)
    await driver.pass_time(5)
    referenced(world).is_followed = False
    before = world.writes.count("follow")
    world.delete()
    await driver.work()
    assert world.is_gone
    assert world.writes.count("follow") == before


@pytest.mark.parametrize("pods", [1, 2])
async def test_who_keeps_on_setting_fewer_pods_gets_those(world: World, pods: int) -> None:
    driver = await adopted(world)
    seen = watch_over(world)

    def set_back(name: str) -> None:
        seen.append((name, serving(world)))
        if name == "scale up":
            referenced(world).scale(pods)

    world.after_write = set_back
    world.delete()
    await driver.pass_time(60)
    assert world.is_gone
    assert referenced(world).deployment.replicas == pods
    assert world.writes.count("scale up") == 3
    assert min(count for _, count in seen) >= pods


async def test_who_keeps_on_setting_no_pods_keeps_the_rollout_and_stable_serves(
    world: World,
) -> None:
    driver = await adopted(world)

    def refuse(name: str) -> None:
        if name == "scale up":
            raise DriftConflictError("somebody else", retry_after=timedelta(seconds=30))

    world.before_write = refuse
    world.delete()
    await driver.pass_time(300, step=10)
    assert not world.is_gone
    assert serving(world) == REPLICAS


async def test_without_a_mesh_the_service_is_taken_when_stable_serves(world: World) -> None:
    world.spec = adopting(**without_a_mesh(25, 50))
    seen = watch_over(world)
    driver = await adopted(world)
    world.delete()
    await driver.pass_time(10)
    assert world.is_gone
    assert min(pods for _, pods in seen) == REPLICAS


async def test_an_autoscaled_stable_comes_up_with_the_pods_of_the_deployment(world: World) -> None:
    world.spec = adopting(autoscaling={"minReplicas": 1, "maxReplicas": 10})
    seen = watch_over(world)
    driver = await adopted(world)
    assert min(pods for _, pods in seen) == REPLICAS
    stable = world.autoscalers["stable"]
    assert stable.least == REPLICAS, "its autoscaler has not seen the load yet"
    await driver.pass_time(300)
    assert stable.least == 1, "from now on its load is its own"
    assert world.deployments["stable"].replicas == REPLICAS


def times_of_writes(world: World) -> dict[str, datetime]:
    """Note when each write was done last."""
    seen: dict[str, datetime] = {}
    world.after_write = lambda name: seen.update({name: world.now})
    return seen


async def test_proxies_have_time_to_follow_before_pods_go(world: World) -> None:
    refused = True

    def refuse(name: str) -> None:
        if refused and name == "route":
            raise UnavailableError("the API server is away")

    world.before_write = refuse
    at = times_of_writes(world)
    driver = Driver(world)
    await driver.pass_time(10)
    assert referenced(world).deployment.replicas == REPLICAS, "not before there is a route"
    refused = False
    await driver.pass_time(40)
    assert at["scale down"] - at["route"] >= PROXY_DELAY
    world.delete()
    await driver.pass_time(20)
    assert at["give service back"] - at["close route"] >= PROXY_DELAY
    assert at["release"] - at["give service back"] >= PROXY_DELAY


async def test_while_stable_lacks_pods_the_deployment_keeps_its_own(world: World) -> None:
    driver = Driver(world)
    await driver.work()
    world.broken.add(revision_of(template("v1")))
    world.deployments["stable"].pods[0].available = False
    await driver.pass_time(10)
    assert referenced(world).deployment.replicas == REPLICAS
    world.broken.clear()
    await driver.pass_time(5)
    assert referenced(world).deployment.replicas == 0


def kill_at(world: World, number: int) -> Callable[[str], None]:
    """Return what kills the operator after that many writes."""
    left = number

    def strike(_: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    return strike


@pytest.mark.parametrize("side", ["before_write", "after_write"])
@pytest.mark.parametrize("number", range(1, 20))
async def test_a_kill_at_any_write_leaves_callers_their_pods(
    world: World, number: int, side: str
) -> None:
    strike = kill_at(world, number)
    fewest, at = REPLICAS, dict[str, datetime]()

    def look(name: str) -> None:
        nonlocal fewest
        fewest = min(fewest, serving(world))
        at[name] = world.now
        if side == "after_write":
            strike(name)

    world.after_write = look
    if side == "before_write":
        world.before_write = strike
    driver = await adopted(world)
    world.delete()
    await driver.pass_time(20)
    assert world.is_gone
    assert fewest == REPLICAS
    assert at["give service back"] - at["close route"] >= PROXY_DELAY
    assert at["release"] - at["give service back"] >= PROXY_DELAY
    assert referenced(world).deployment.replicas == REPLICAS
    assert not referenced(world).service_is_taken
    assert not referenced(world).is_followed
