"""Deployments that rollouts take their pods from, on a Kubernetes API."""

from contextlib import suppress
from typing import Any

import pytest

from canary_operator.adapters.cluster.resources import DEPLOYMENTS, ROLLOUTS
from canary_operator.domain.errors import (
    DriftConflictError,
    NameConflictError,
    WorkloadNotFoundError,
)
from canary_operator.domain.objects import ROLLOUT_LABEL
from canary_operator.domain.target import ReferenceTarget
from canary_operator.domain.workload import REPLICAS_BEFORE
from tests.adapters.cluster.world import World, template

REF = {"template": None, "workloadRef": {"name": "shop"}}


async def deploy(world: World, name: str = "shop", **meta: Any) -> dict[str, Any]:
    """Make a Deployment as somebody else does."""
    body = {
        "metadata": {"name": name, "namespace": world.namespace, **meta},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template(),
        },
    }
    path = DEPLOYMENTS.path(world.namespace)
    made: dict[str, Any] = await world.cluster.client.request("POST", path, body)
    return made


async def test_a_deployment_is_followed_by_its_label_from_the_first_look_on(world: World) -> None:
    await deploy(world)
    rollout = await world.rollout(**REF)
    assert world.workloads.reference(rollout, "shop") is None
    world.calls.clear()
    found = await world.workloads.follow(rollout, "shop")
    assert world.calls == {("get", "deployments.apps"): 1, ("patch", "deployments.apps"): 1}
    assert world.workloads.reference(rollout, "shop") == found
    assert (found.replicas, found.own_replicas) == (3, 3)
    assert found.template["spec"]["restartPolicy"] == "Always", "with what the server filled in"
    live = await world.get(DEPLOYMENTS, "shop")
    assert live["metadata"]["labels"] == {ROLLOUT_LABEL: "web"}


async def test_one_that_is_labelled_already_costs_no_write(world: World) -> None:
    await deploy(world, labels={ROLLOUT_LABEL: "web"})
    rollout = await world.rollout(**REF)
    await world.workloads.follow(rollout, "shop")
    assert world.writes() == 0


async def test_one_that_is_not_there_is_said_to_be_missing(world: World) -> None:
    rollout = await world.rollout(**REF)
    with pytest.raises(WorkloadNotFoundError, match="no such Deployment"):
        await world.workloads.follow(rollout, "shop")


async def test_a_deployment_of_somebody_else_is_refused(world: World) -> None:
    other = await world.rollout("platform")
    owner = {
        "apiVersion": "canary-operator.dev/v1alpha1",
        "kind": "CanaryRollout",
        "name": "platform",
        "uid": other.uid,
        "controller": True,
    }
    before = await deploy(world, ownerReferences=[owner])
    rollout = await world.rollout(**REF)
    with pytest.raises(NameConflictError, match="belongs to CanaryRollout platform"):
        await world.workloads.follow(rollout, "shop")
    live = await world.get(DEPLOYMENTS, "shop")
    assert live["metadata"].get("labels") == before["metadata"].get("labels")
    assert world.writes() == 0


async def test_one_that_another_rollout_takes_its_pods_from_is_refused(world: World) -> None:
    await deploy(world)
    first = await world.rollout("first", **REF)
    await world.workloads.follow(first, "shop")
    second = await world.rollout("second", **REF)
    with pytest.raises(NameConflictError, match="CanaryRollout first takes its pods from"):
        await world.workloads.follow(second, "shop")


@pytest.mark.parametrize(
    "status",
    [
        {"borrowed": [{"kind": "Deployment", "name": "shop"}]},
        {"workload": {"name": "shop", "replicas": 3, "replacedAt": "2026-01-01T00:00:00Z"}},
    ],
    ids=["borrowed", "replaced"],
)
async def test_what_is_not_given_back_yet_is_held_whatever_a_refused_spec_names(
    world: World, status: dict[str, Any]
) -> None:
    await deploy(world)
    first = await world.rollout("first", **REF)
    await world.workloads.follow(first, "shop")
    await world.rollouts.write_status(first, status)
    await world.edit(ROLLOUTS, "first", {"spec": {"workloadRef": {"name": "another"}}})
    second = await world.rollout("second", **REF)
    with pytest.raises(NameConflictError, match="CanaryRollout first takes its pods from"):
        await world.workloads.follow(second, "shop")


async def test_a_label_that_does_not_stay_is_put_back_three_times_and_then_with_pauses(
    world: World,
) -> None:
    await deploy(world, labels={ROLLOUT_LABEL: "web"})
    rollout = await world.rollout(**REF)
    await world.look(DEPLOYMENTS, "shop")
    await world.workloads.follow(rollout, "shop")
    await world.workloads.ensure_reference(rollout, ReferenceTarget("shop", 3))

    async def somebody_sets_it_back() -> None:
        changes = {"metadata": {"labels": {ROLLOUT_LABEL: None}}, "spec": {"replicas": 3}}
        body = await world.edit(DEPLOYMENTS, "shop", changes)
        world.caches.deployments.saw("DELETED", body)  # as a watch of the label says

    for _ in range(3):
        await somebody_sets_it_back()
        await world.workloads.follow(rollout, "shop")
        with suppress(DriftConflictError):  # the pods have pauses of their own
            await world.workloads.ensure_reference(rollout, ReferenceTarget("shop", 3))
    await somebody_sets_it_back()
    with pytest.raises(DriftConflictError, match="Deployment shop was set back 3 times"):
        await world.workloads.follow(rollout, "shop")


async def test_the_label_of_a_rollout_that_is_gone_is_no_claim(world: World) -> None:
    await deploy(world, labels={ROLLOUT_LABEL: "gone"})
    rollout = await world.rollout(**REF)
    await world.workloads.follow(rollout, "shop")
    live = await world.get(DEPLOYMENTS, "shop")
    assert live["metadata"]["labels"] == {ROLLOUT_LABEL: "web"}


async def test_scaling_to_zero_notes_how_many_there_were_and_changes_nothing_else(
    world: World,
) -> None:
    before = await deploy(world)
    rollout = await world.rollout(**REF)
    await world.workloads.follow(rollout, "shop")
    assert await world.workloads.ensure_reference(rollout, ReferenceTarget("shop", 3))
    assert not await world.workloads.ensure_reference(rollout, ReferenceTarget("shop", 3))
    live = await world.get(DEPLOYMENTS, "shop")
    assert live["spec"] == {**before["spec"], "replicas": 0}
    assert live["metadata"]["annotations"][REPLICAS_BEFORE] == "3"
    found = world.workloads.reference(rollout, "shop")
    assert found is not None
    assert (found.replicas, found.own_replicas) == (0, 3)


@pytest.mark.parametrize("mark", ["", "many", "-1", "9" * 5000, "٣"])
async def test_a_mark_that_is_no_number_counts_for_nothing(world: World, mark: str) -> None:
    await deploy(world, labels={ROLLOUT_LABEL: "web"}, annotations={REPLICAS_BEFORE: mark})
    rollout = await world.rollout(**REF)
    await world.look(DEPLOYMENTS, "shop")
    found = world.workloads.reference(rollout, "shop")
    assert found is not None
    assert found.replicas_before is None


async def test_what_the_server_fills_in_is_told_from_what_somebody_wrote(world: World) -> None:
    await deploy(world)
    rollout = await world.rollout(**REF)
    seen = (await world.workloads.follow(rollout, "shop")).template
    assert await world.workloads.means(rollout, template(), seen), "defaults were not recorded"
    assert await world.workloads.means(rollout, seen, seen)
    pods = {**seen["spec"], "terminationGracePeriodSeconds": 5}
    assert not await world.workloads.means(rollout, template(), {**seen, "spec": pods})
    assert not await world.workloads.means(rollout, {"spec": {"containers": []}}, seen)


async def test_asking_for_defaults_makes_nothing(world: World) -> None:
    await deploy(world)
    rollout = await world.rollout(**REF)
    seen = (await world.workloads.follow(rollout, "shop")).template
    await world.workloads.means(rollout, template(), seen)
    found = await world.cluster.client.request("GET", DEPLOYMENTS.path(world.namespace))
    assert [one["metadata"]["name"] for one in found["items"]] == ["shop"]
