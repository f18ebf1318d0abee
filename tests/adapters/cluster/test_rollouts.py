"""CanaryRollouts on a Kubernetes API."""

from dataclasses import replace

import pytest

from canary_operator.adapters.cluster.resources import ROLLOUTS
from canary_operator.domain.errors import ConflictError
from canary_operator.domain.loans import FINALIZER
from canary_operator.ports import Key
from tests.adapters.cluster.world import SPEC, World

REQUEST = "canary-operator.dev/request"


async def test_a_rollout_is_what_the_user_wrote(world: World) -> None:
    rollout = await world.rollout()
    assert rollout.spec == SPEC
    assert (rollout.generation, rollout.request, rollout.deleting) == (1, None, False)
    assert world.rollouts.get(Key(world.namespace, "another")) is None


async def test_the_next_tick_sees_the_status_that_was_written(world: World) -> None:
    rollout = await world.rollout()
    await world.rollouts.write_status(rollout, {"phase": "Stable", "message": "fine"})
    now = world.rollout_now()
    assert (now.status["phase"], now.status["message"]) == ("Stable", "fine")
    assert now.resource_version != rollout.resource_version
    await world.rollouts.write_status(now, {"message": None})
    assert "message" not in world.rollout_now().status


async def test_a_decision_on_an_old_state_is_void(world: World) -> None:
    rollout = await world.rollout()
    await world.edit(ROLLOUTS, "web", {"spec": {"replicas": 5}})
    with pytest.raises(ConflictError):
        await world.rollouts.write_status(rollout, {"phase": "Stable"})
    assert "phase" not in (await world.get(ROLLOUTS, "web")).get("status", {})


async def test_a_status_for_a_rollout_that_is_gone(world: World) -> None:
    rollout = await world.rollout()
    await world.delete(ROLLOUTS, "web")
    with pytest.raises(ConflictError):
        await world.rollouts.write_status(rollout, {"phase": "Stable"})
    assert world.rollouts.get(rollout.key) is None
    await world.rollouts.remove_request(rollout, "pause")


async def test_a_status_for_a_successor_of_the_same_name(world: World) -> None:
    rollout = await world.rollout()
    await world.delete(ROLLOUTS, "web")
    successor = await world.rollout()
    assert successor.uid != rollout.uid
    with pytest.raises(ConflictError):
        await world.rollouts.write_status(rollout, {"phase": "Stable"})
    assert world.rollout_now() == successor


@pytest.mark.parametrize(
    ("annotations", "left"),
    [
        pytest.param({REQUEST: "pause", "team": "a"}, None, id="the answered request"),
        pytest.param({REQUEST: "abort"}, "abort", id="another request came meanwhile"),
        pytest.param({"team": "a"}, None, id="it is gone already"),
        pytest.param({}, None, id="no annotation at all"),
    ],
)
async def test_a_request_is_removed(world: World, annotations: dict, left: str | None) -> None:
    rollout = await world.rollout()
    if annotations:
        await world.edit(ROLLOUTS, "web", {"metadata": {"annotations": annotations}})
    await world.rollouts.remove_request(rollout, "pause")
    meta = (await world.get(ROLLOUTS, "web"))["metadata"]
    assert meta.get("annotations", {}).get(REQUEST) == left
    assert world.rollout_now().request == left
    assert meta["generation"] == 1


async def test_a_successor_keeps_its_request(world: World) -> None:
    rollout = await world.rollout()
    await world.edit(ROLLOUTS, "web", {"metadata": {"annotations": {REQUEST: "pause"}}})
    await world.rollouts.remove_request(replace(rollout, uid="another"), "pause")
    assert world.rollout_now().request == "pause"


async def test_a_guarded_rollout_stays_when_it_is_deleted_until_it_is_released(
    world: World,
) -> None:
    await world.rollout()
    await world.edit(ROLLOUTS, "web", {"metadata": {"finalizers": ["example.com/theirs"]}})
    await world.rollouts.guard(world.rollout_now())
    meta = (await world.get(ROLLOUTS, "web"))["metadata"]
    assert meta["finalizers"] == ["example.com/theirs", FINALIZER]
    assert meta["generation"] == 1
    guarded = world.rollout_now()
    assert guarded.is_guarded
    await world.rollouts.guard(guarded)
    await world.rollouts.release(guarded)
    assert world.rollout_now().finalizers == ("example.com/theirs",)
    assert (await world.get(ROLLOUTS, "web"))["metadata"]["finalizers"] == ["example.com/theirs"]
    assert world.calls["patch", "canaryrollouts.canary-operator.dev"] == 2


async def test_a_guard_is_for_the_very_rollout_that_was_seen(world: World) -> None:
    rollout = await world.rollout()
    await world.edit(ROLLOUTS, "web", {"metadata": {"finalizers": ["example.com/theirs"]}})
    with pytest.raises(ConflictError):
        await world.rollouts.guard(rollout)
    meta = (await world.get(ROLLOUTS, "web"))["metadata"]
    assert meta["finalizers"] == ["example.com/theirs"]


async def test_nothing_is_written_to_a_rollout_that_is_being_deleted(world: World) -> None:
    rollout = replace(await world.rollout(), deleting=True)
    await world.rollouts.write_status(rollout, {"phase": "Stable"})
    await world.rollouts.remove_request(rollout, "pause")
    assert not world.calls


async def test_one_that_goes_with_its_last_finalizer_is_not_taken_for_one_that_waits(
    world: World,
) -> None:
    await world.rollouts.guard(await world.rollout())
    await world.cluster.client.request("DELETE", ROLLOUTS.path(world.namespace, "web"))
    late = await world.look(ROLLOUTS, "web")
    await world.rollouts.release(world.rollout_now())
    world.caches.rollouts.saw("MODIFIED", late)  # a watch that lags
    assert world.rollouts.get(Key(world.namespace, "web")) is None
