"""The second owner of a rollout's objects, on a Kubernetes API."""

from dataclasses import replace
from typing import Any

from canary_operator.adapters.cluster.resources import DEPLOYMENTS, RECORDS, ROLLOUTS, SERVICES
from canary_operator.domain.objects import ROLLOUT_LABEL
from canary_operator.domain.target import TrackTarget
from canary_operator.ports import Rollout
from tests.adapters.cluster.world import World, spec_of, template


async def anchored(world: World) -> Rollout:
    await world.rollouts.anchor(await world.rollout())
    return world.rollout_now()


async def owners(world: World, resource: Any, name: str) -> set[str]:
    live = await world.get(resource, name)
    return {one["uid"] for one in live["metadata"]["ownerReferences"]}


async def make_stable(world: World, rollout: Rollout) -> bool:
    return await world.workloads.ensure_track(rollout, "stable", TrackTarget("r1", 1), template())


async def test_it_has_no_owner_itself_and_says_whose_it_is(world: World) -> None:
    rollout = await anchored(world)
    live = await world.get(RECORDS, f"web-{rollout.uid}")
    assert "ownerReferences" not in live["metadata"]
    assert live["metadata"]["labels"][ROLLOUT_LABEL] == "web"
    assert rollout.anchor == live["metadata"]["uid"]
    assert world.workloads.records(rollout) == [], "it is no record of a spec"


async def test_one_that_is_there_already_is_taken_as_it_is(world: World) -> None:
    rollout = await anchored(world)
    await world.rollouts.anchor(replace(rollout, anchor=None))
    assert world.rollout_now().anchor == rollout.anchor


async def test_what_is_made_has_both_owners(world: World) -> None:
    rollout = await anchored(world)
    await make_stable(world, rollout)
    await world.workloads.ensure_services(rollout, spec_of())
    both = {rollout.uid, rollout.anchor}
    assert await owners(world, DEPLOYMENTS, "web-stable") == both
    assert await owners(world, SERVICES, "web") == both


async def test_what_was_made_before_gets_the_second_owner_once(world: World) -> None:
    await make_stable(world, await world.rollout())
    await world.rollouts.anchor(world.rollout_now())
    rollout = world.rollout_now()
    assert await make_stable(world, rollout)
    assert await owners(world, DEPLOYMENTS, "web-stable") == {rollout.uid, rollout.anchor}
    assert not await make_stable(world, rollout)


async def test_another_anchor_takes_the_place_of_one_that_is_gone(world: World) -> None:
    before = await anchored(world)
    await make_stable(world, before)
    await world.delete(RECORDS, f"web-{before.uid}", seen=True)
    await world.rollouts.anchor(world.rollout_now())
    rollout = world.rollout_now()
    assert rollout.anchor != before.anchor
    assert await make_stable(world, rollout)
    assert await owners(world, DEPLOYMENTS, "web-stable") == {rollout.uid, rollout.anchor}


async def test_what_lost_its_first_owner_belongs_to_the_rollout_by_its_anchor(
    world: World,
) -> None:
    rollout = await anchored(world)
    await make_stable(world, rollout)
    live = await world.get(DEPLOYMENTS, "web-stable")
    left = [one for one in live["metadata"]["ownerReferences"] if not one.get("controller")]
    await world.edit(DEPLOYMENTS, "web-stable", {"metadata": {"ownerReferences": left}})
    assert world.workloads.track(rollout, "stable").replicas == 1
    another = replace(rollout, uid="another")
    assert not world.workloads.track(another, "stable").exists


async def test_an_anchor_goes_before_the_finalizer_also_without_its_label(world: World) -> None:
    rollout = await anchored(world)
    await world.rollouts.guard(rollout)
    borrowed = {"borrowed": [{"kind": "Deployment", "name": "shop"}]}
    await world.rollouts.write_status(world.rollout_now(), borrowed)
    name = f"web-{rollout.uid}"
    body = await world.edit(RECORDS, name, {"metadata": {"labels": {ROLLOUT_LABEL: None}}})
    world.caches.records.saw("DELETED", body)  # as a watch of the label says
    assert world.rollout_now().anchor is None
    await world.rollouts.release(world.rollout_now())
    found = await world.cluster.client.request("GET", RECORDS.path(world.namespace))
    assert found["items"] == []
    assert not (await world.get(ROLLOUTS, "web"))["metadata"].get("finalizers")


async def test_a_rollout_without_one_is_released_without_looking_for_it(world: World) -> None:
    rollout = await world.rollout()
    await world.rollouts.guard(rollout)
    world.calls.clear()
    await world.rollouts.release(world.rollout_now())
    assert sum(world.calls.values()) == 1
