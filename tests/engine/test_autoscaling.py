"""The life of a rollout whose pods are scaled: floors, the load, and the way back."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.revision import revision_of
from canary_operator.domain.situation import ScalerState
from canary_operator.domain.status import Outcome
from canary_operator.ports import Key
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World

V1, V2 = revision_of(template("v1")), revision_of(template("v2"))


def scaled(**changes: Any) -> dict[str, Any]:
    """Return a spec with autoscalers: 4 to 20 pods for each version."""
    bounds = {"minReplicas": 4, "maxReplicas": 20}
    return spec(autoscaling=bounds | changes.pop("autoscaling", {}), **changes)


async def begun(**changes: Any) -> Driver:
    """Return a driver whose first revision serves."""
    driver = Driver(World(key=Key("demo", "web"), spec=scaled(**changes)))
    await driver.work()
    return driver


async def until(driver: Driver, reached: Any, seconds: int = 400) -> None:
    for _ in range(seconds):
        if reached():
            return
        await driver.pass_time(1)
    raise AssertionError(f"was not reached: {driver.status}")


async def at_weight(driver: Driver, weight: int) -> None:
    await until(driver, lambda: driver.status.weight == weight)


async def on_trial(weight: int, pods: int = 4, **changes: Any) -> Driver:
    """Return a driver whose stable had `pods` pods when v2 came, at `weight` percent."""
    driver = await begun(**changes)
    driver.world.autoscale("stable", pods)
    driver.world.edit(template=template("v2"))
    await driver.work()
    await at_weight(driver, weight)
    return driver


def sizes(world: World) -> tuple[int, int]:
    """Return how many pods are asked for: of stable and of the canary."""
    return tuple(world.deployments[track].replicas for track in ("stable", "canary"))  # type: ignore[return-value]


def floors(world: World) -> tuple[int | None, int | None]:
    """Return below how many pods the autoscalers do not go; None where there is none."""
    found = (world.autoscalers.get(track) for track in ("stable", "canary"))
    return tuple(one and one.least for one in found)  # type: ignore[return-value]


async def decide(driver: Driver, **pods: int) -> None:
    """Let autoscalers ask for so many pods."""
    for track, count in pods.items():
        driver.world.autoscale(track, count)
    await driver.work()


async def test_stable_begins_at_its_floor_and_has_an_autoscaler() -> None:
    driver = await begun()
    assert driver.status.phase is Phase.STABLE
    assert sizes(driver.world) == (4, 0)
    stable = driver.world.autoscalers["stable"].state()
    assert replace(stable, desired=0) == ScalerState(4, 20)
    assert "canary" not in driver.world.autoscalers, "there is nothing to scale"


async def test_pods_that_an_autoscaler_asks_for_are_left_alone() -> None:
    driver = await begun()
    await decide(driver, stable=9)
    await driver.pass_time(60)
    assert sizes(driver.world) == (9, 0)
    assert floors(driver.world) == (4, None), "nobody is on trial"
    assert driver.world.writes.count("stable") == 1


@pytest.mark.parametrize("wish", [9, 12])
async def test_what_an_autoscaler_decides_at_rest_costs_one_write(wish: int) -> None:
    driver = await begun()
    await decide(driver, stable=11)
    driver.world.pod_start = timedelta(seconds=1)
    writes, ready = driver.world.writes, []
    begin = len(writes)
    driver.world.autoscale("stable", wish)
    await driver.settle()
    ready.append(driver.status.conditions[0].status)
    deployment = driver.world.deployments["stable"]
    while True:
        moved = deployment.move(driver.world.starts, driver.world.now, driver.world.pod_start)
        if not moved and driver.status.ready_replicas == wish:
            break
        await driver.pass_time(0 if moved else 1)
        ready.append(driver.status.conditions[0].status)
    assert set(ready) == {"True"}
    assert writes[begin:] == ["status"]
    assert (driver.status.replicas, driver.status.ready_replicas) == (wish, wish)


async def test_a_pod_that_is_lost_at_rest_is_told_at_once() -> None:
    driver = await begun()
    await decide(driver, stable=9)
    driver.world.deployments["stable"].pods[0].available = False
    driver.world.broken.add(V1)
    await driver.settle()
    assert driver.status.ready_replicas == 8
    assert driver.status.conditions[0].status == "True", "8 are more than the fewest"


async def test_the_canarys_floor_follows_the_load_that_was_there_when_the_trial_began() -> None:
    driver = await on_trial(5, pods=10)
    seen = []
    for weight in (5, 20, 50):
        await at_weight(driver, weight)
        seen.append((sizes(driver.world), floors(driver.world)))
    assert seen == [((10, 1), (10, 1)), ((10, 2), (10, 2)), ((10, 5), (10, 5))]
    assert driver.status.full_load == 10


async def test_a_raise_waits_for_the_pods_of_the_lifted_floor() -> None:
    driver = await on_trial(20, pods=10)
    driver.world.broken.add(V2)
    await driver.pass_time(30)
    assert floors(driver.world) == (10, 5), "lifted ahead of the weight"
    assert driver.status.weight == 20, "which waits for available pods"
    driver.world.broken.clear()
    await at_weight(driver, 50)


async def test_the_baseline_keeps_stables_pods_while_its_share_shrinks() -> None:
    driver = await on_trial(50, pods=10)
    await decide(driver, stable=5)
    assert sizes(driver.world) == (10, 5), "all of it may come back at once"


async def test_stable_may_be_left_to_its_autoscaler() -> None:
    driver = await on_trial(50, pods=10, autoscaling={"capacity": {"stableFloor": "HPA"}})
    await decide(driver, stable=5)
    assert sizes(driver.world) == (5, 5)
    assert floors(driver.world) == (4, 5)


async def test_traffic_that_comes_back_within_the_steps_finds_the_pods_for_it() -> None:
    left = {"capacity": {"stableFloor": "HPA"}}
    driver = await on_trial(50, pods=10, autoscaling=left)
    await decide(driver, stable=5)
    driver.world.broken.add(V2)
    for pod in driver.world.deployments["canary"].pods:
        pod.available = False
    await driver.work()
    assert driver.world.route.weight == 0
    assert floors(driver.world)[0] == 10, "the canary lost all of its pods"


async def test_a_newer_template_gives_stable_the_pods_for_all_traffic() -> None:
    left = {"capacity": {"stableFloor": "HPA"}}
    driver = await on_trial(50, pods=10, autoscaling=left)
    await decide(driver, stable=5)
    driver.world.edit(template=template("v3"))
    await driver.work()
    assert driver.world.route.weight == 0
    assert floors(driver.world)[0] == 10
    await at_weight(driver, 5)
    assert floors(driver.world)[0] == 4, "again its autoscaler's"


@pytest.mark.parametrize("floor", ["Baseline", "HPA"])
async def test_stable_gets_the_pods_of_the_full_load_before_it_takes_all_traffic(
    floor: str,
) -> None:
    driver = await on_trial(50, pods=10, autoscaling={"capacity": {"stableFloor": floor}})
    await decide(driver, stable=5)
    driver.world.pod_start = timedelta(seconds=3)
    await until(driver, lambda: driver.status.phase is Phase.PROMOTING)
    assert floors(driver.world)[0] == 10
    await until(driver, lambda: driver.status.phase is Phase.STABLE)
    assert sizes(driver.world)[0] == 10
    assert driver.status.history[0].outcome is Outcome.PROMOTED


@pytest.mark.parametrize("floor", ["Baseline", "HPA"])
async def test_a_rollback_lifts_stables_floor_and_keeps_it_until_its_autoscaler_saw_all_traffic(
    floor: str,
) -> None:
    driver = await on_trial(50, pods=10, autoscaling={"capacity": {"stableFloor": floor}})
    await decide(driver, stable=5)
    driver.world.ask("abort")
    await driver.work()
    assert driver.world.route.weight == 0
    assert floors(driver.world)[0] == 10
    await until(driver, lambda: driver.status.phase is Phase.ROLLED_BACK)
    await driver.work()
    assert sizes(driver.world)[1] == 0
    assert floors(driver.world) == (10, None)
    began = driver.world.now
    await until(driver, lambda: floors(driver.world) == (4, None))
    assert timedelta(minutes=4) < driver.world.now - began <= timedelta(minutes=5)


@pytest.mark.parametrize(("window", "delay", "kept"), [(60, "5s", 60), (0, "45s", 45)])
async def test_the_floor_stays_for_as_long_as_the_autoscaler_remembers(
    window: int, delay: str, kept: int
) -> None:
    behavior = {"scaleDown": {"stabilizationWindowSeconds": window}}
    strategy = spec()["strategy"] | {"scaleDownDelay": delay}
    driver = await on_trial(50, 10, strategy=strategy, autoscaling={"behavior": behavior})
    driver.world.ask("abort")
    await driver.work()
    await driver.pass_time(kept - 1)
    assert floors(driver.world)[0] == 10
    await driver.pass_time(2)
    assert floors(driver.world)[0] == 4


async def test_after_a_promotion_stables_floor_stays_until_its_autoscaler_saw_all_traffic() -> None:
    driver = await on_trial(50, pods=10)
    await until(driver, lambda: driver.status.phase is Phase.STABLE)
    await decide(driver, stable=5)
    assert sizes(driver.world)[0] == 10, "its autoscaler has not seen all of the traffic yet"
    await driver.pass_time(31)
    assert sizes(driver.world)[1] == 0
    await driver.pass_time(270)
    assert floors(driver.world) == (4, None)
    await decide(driver, stable=5)
    assert sizes(driver.world) == (5, 0)


async def test_the_stable_template_again_keeps_the_pods_for_all_traffic_for_a_while() -> None:
    driver = await on_trial(50, pods=10, autoscaling={"capacity": {"stableFloor": "HPA"}})
    await decide(driver, stable=5)
    driver.world.edit(template=template("v1"))
    await driver.work()
    assert driver.status.phase is Phase.STABLE
    assert floors(driver.world)[0] == 10


async def test_a_load_that_grows_on_trial_lifts_the_next_floor() -> None:
    driver = await on_trial(20, pods=10)
    await decide(driver, canary=4)  # twice the load: 4 pods for its 20 %
    assert floors(driver.world) == (10, 2), "only before a raise: it may end again"
    await at_weight(driver, 50)
    # 4 pods at 20 % speak of 20 pods, stable's 10 at 80 % of 13: the lower one counts.
    assert driver.status.full_load == 13
    assert floors(driver.world) == (13, 7)


async def test_a_load_that_only_stable_shows_lifts_the_next_floor() -> None:
    driver = await on_trial(5, pods=4)
    await decide(driver, stable=19)  # five times the load: one canary pod is enough for 5 %
    assert driver.status.full_load == 4, "only when a raise is due: it may end again"
    await at_weight(driver, 20)
    assert driver.status.full_load == 20, "19 pods for 95 %"
    assert floors(driver.world) == (20, 4)


ONE_STEP = {"steps": [{"weight": 100, "hold": "60s"}]}


async def test_a_load_that_grows_in_the_last_step_is_known_before_stable_takes_it_back() -> None:
    strategy = spec()["strategy"] | ONE_STEP
    driver = await on_trial(100, pods=4, strategy=strategy)
    await decide(driver, canary=16)
    driver.world.pod_start = timedelta(seconds=3)
    await until(driver, lambda: driver.status.phase is Phase.PROMOTING)
    await driver.work()
    assert floors(driver.world)[0] == 16
    await until(driver, lambda: driver.status.phase is Phase.STABLE)
    assert driver.world.deployments["stable"].replicas == 16


async def test_a_load_that_comes_and_goes_while_a_person_is_waited_for_lifts_no_floor() -> None:
    strategy = spec()["strategy"] | ONE_STEP | {"promotion": "Manual"}
    driver = await on_trial(100, pods=4, strategy=strategy)
    await until(driver, lambda: driver.status.phase is Phase.PAUSED)
    await decide(driver, canary=16)
    assert floors(driver.world)[0] == 4, "the load may end before anybody says a word"
    driver.world.ask("promote")
    await until(driver, lambda: driver.status.phase is Phase.STABLE)
    assert driver.world.deployments["stable"].replicas == 16


async def test_a_load_that_grows_while_promoting_is_waited_for() -> None:
    strategy = spec()["strategy"] | ONE_STEP
    driver = await on_trial(100, pods=4, strategy=strategy)
    driver.world.pod_start = timedelta(seconds=20)
    await until(driver, lambda: driver.status.phase is Phase.PROMOTING)
    await decide(driver, canary=12)
    assert floors(driver.world)[0] == 12
    await until(driver, lambda: driver.status.phase is Phase.STABLE)
    assert driver.world.deployments["stable"].replicas == 12


async def test_a_metric_that_no_share_divides_does_not_make_the_load_grow() -> None:
    queue = {"type": "External", "external": {"metric": {"name": "queue"}}}
    steps = [{"weight": weight, "hold": "10s"} for weight in (5, 20, 40, 60, 80)]
    driver = await begun(
        strategy=spec()["strategy"] | {"steps": steps},
        autoscaling={"maxReplicas": 100, "metrics": [queue]},
    )
    await decide(driver, stable=10)
    driver.world.edit(template=template("v2"))
    await driver.work()
    for weight in (5, 20, 40, 60, 80):
        await at_weight(driver, weight)
        await decide(driver, stable=10, canary=10)  # each wants all pods for the queue
        assert driver.status.full_load == 10
    await until(driver, lambda: driver.status.phase is Phase.STABLE)
    assert sizes(driver.world)[0] == 10


async def test_both_versions_scale_down_when_the_load_ends_whatever_the_weight() -> None:
    for weight in (5, 20, 50):
        driver = await on_trial(weight, pods=4)
        quiet = sizes(driver.world)
        await decide(driver, stable=12, canary=9)
        assert sizes(driver.world) == (12, 9)
        await decide(driver, stable=1, canary=1)
        assert sizes(driver.world) == quiet
        assert driver.status.weight == weight


async def test_the_floors_stay_within_the_bounds_of_the_spec() -> None:
    driver = await on_trial(20, pods=4, autoscaling={"maxReplicas": 5})
    await decide(driver, stable=5, canary=5)
    await at_weight(driver, 50)
    assert floors(driver.world) == (5, 3)


async def test_a_canary_that_is_replaced_begins_at_its_floor() -> None:
    driver = await on_trial(50, pods=10)
    await decide(driver, canary=9)
    driver.world.edit(template=template("v3"))
    await driver.pass_time(3)
    assert driver.status.weight in {0, 5}
    assert sizes(driver.world) == (10, 1)
    assert driver.status.full_load == 10


async def test_autoscalers_may_come_and_go_while_nothing_is_on_trial() -> None:
    driver = Driver(World(key=Key("demo", "web"), spec=spec(replicas=6)))
    await driver.work()
    assert sizes(driver.world) == (6, 0)
    driver.world.spec = scaled()
    driver.world.edit()
    await driver.work()
    assert sizes(driver.world) == (6, 0), "they begin where the pods are"
    assert floors(driver.world) == (4, None)
    await decide(driver, stable=9)
    driver.world.spec = spec(replicas=6)
    driver.world.edit()
    await driver.work()
    assert sizes(driver.world) == (6, 0)
    assert driver.world.autoscalers == {}


async def test_autoscalers_may_come_and_go_while_a_canary_is_on_trial() -> None:
    driver = Driver(World(key=Key("demo", "web"), spec=spec(replicas=6)))
    await driver.work()
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 50)
    driver.world.spec = scaled(template=template("v2"))
    driver.world.edit()
    await driver.work()
    assert (sizes(driver.world), floors(driver.world)) == ((6, 3), (6, 3))
    driver.world.spec = spec("v2", replicas=6)
    driver.world.edit()
    await driver.work()
    assert (sizes(driver.world), floors(driver.world)) == ((6, 3), (None, None))
    assert driver.status.weight == 50
    assert driver.status.full_load is None


async def test_a_stable_that_somebody_deleted_comes_back_as_large_as_it_was() -> None:
    driver = await begun()
    await decide(driver, stable=9)
    del driver.world.deployments["stable"]
    await driver.work()
    assert sizes(driver.world)[0] == 9


async def test_a_stable_that_somebody_scaled_to_zero_is_brought_back() -> None:
    driver = await begun()
    driver.world.deployments["stable"].replicas = 0
    await driver.work()
    assert sizes(driver.world)[0] == 4, "an autoscaler leaves a Deployment without pods alone"


async def test_an_autoscaler_that_somebody_deleted_comes_back() -> None:
    driver = await begun()
    driver.world.autoscalers.clear()
    await driver.work()
    assert floors(driver.world) == (4, None)
    told = [one.message for one in driver.world.events if one.reason is Reason.DRIFT_REPAIRED]
    assert told == [
        "Somebody changed or deleted a HorizontalPodAutoscaler of web; it was set back."
    ]


async def test_replicas_and_autoscaling_together_are_refused() -> None:
    driver = await begun()
    driver.world.edit(replicas=3)
    await driver.work()
    condition = driver.status.conditions[0]
    assert condition.reason == Reason.INVALID_SPEC
    assert condition.message.startswith("spec.replicas is 3, but must not stand beside autoscaling")
    await decide(driver, stable=9)
    assert sizes(driver.world)[0] == 9, "what was accepted goes on"


async def test_autoscalers_that_the_api_server_refuses_change_nothing() -> None:
    driver = await begun()

    def refuse(name: str) -> None:
        if name == "dry run":
            raise InvalidSpecError("spec.autoscaling: metrics[0].type: Required value")

    driver.world.before_write = refuse
    driver.world.edit(autoscaling={"maxReplicas": 9, "metrics": [{}]})
    await driver.work()
    assert driver.status.conditions[0].message.startswith("spec.autoscaling: metrics[0].type")
    assert driver.world.autoscalers["stable"].most == 20


async def test_a_second_autoscaler_of_the_same_pods_is_told_while_stable_serves() -> None:
    driver = await begun()
    driver.world.autoscalers["stable"].ambiguous = True
    await driver.work()
    words = "It does not follow the load: another autoscaler counts the same pods"
    assert words in driver.status.message
    assert driver.status.conditions[0].status == "True", "stable serves all the same"
    writes = len(driver.world.writes)
    await driver.pass_time(30)
    assert len(driver.world.writes) == writes
    driver.world.autoscalers["stable"].ambiguous = False
    await driver.work()
    assert words not in driver.status.message


async def test_pods_that_a_second_autoscaler_keeps_away_are_explained() -> None:
    driver = await on_trial(5, pods=10)
    driver.world.autoscalers["canary"].ambiguous = True
    await driver.pass_time(30)
    assert driver.status.weight == 5
    assert "before 20 % (another autoscaler counts the same pods" in driver.status.message
    await until(driver, lambda: driver.status.phase is Phase.ROLLED_BACK, 1200)
    assert "another autoscaler counts the same pods" in driver.status.history[0].message
