"""Deployments that autoscalers scale, and the autoscalers, on a Kubernetes API."""

from typing import Any

import pytest

from canary_operator.adapters.cluster.resources import AUTOSCALERS, DEPLOYMENTS
from canary_operator.domain.errors import ConflictError, InvalidSpecError, NameConflictError
from canary_operator.domain.situation import ScalerState
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.target import Bounds, TrackTarget
from canary_operator.playground.client_errors import ApiError
from canary_operator.ports import Rollout
from tests.adapters.cluster.world import World, spec_of, template

CPU: dict[str, Any] = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
}
SCALING: dict[str, Any] = {"minReplicas": 3, "maxReplicas": 9, "metrics": [CPU]}
BOUNDS = Bounds(3, 9)


def scaled(**changes: Any) -> RolloutSpec:
    return spec_of(autoscaling=SCALING | changes)


AIM = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}


async def make_theirs(world: World, name: str) -> None:
    """Make an autoscaler that no rollout owns."""
    theirs = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": world.namespace},
        "spec": {"scaleTargetRef": AIM, "maxReplicas": 2},
    }
    await world.cluster.client.request("POST", AUTOSCALERS.path(world.namespace), theirs)


def target(replicas: int | None, revision: str = "r1") -> TrackTarget:
    return TrackTarget(revision, replicas, BOUNDS)


async def begun(world: World) -> Rollout:
    """Return a rollout whose stable Deployment was begun with 5 pods, which we named."""
    rollout = await world.rollout()
    await world.workloads.ensure_track(rollout, "stable", target(5), template())
    return rollout


def managers(body: dict[str, Any]) -> set[str]:
    """Return who owns the number of pods of a Deployment."""
    return {
        entry["manager"]
        for entry in body["metadata"]["managedFields"]
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    }


async def test_a_template_changes_and_the_pods_that_we_named_once_stay(world: World) -> None:
    rollout = await begun(world)
    await world.workloads.ensure_track(rollout, "stable", target(None, "r2"), template("web:v2"))
    body = await world.get(DEPLOYMENTS, "web-stable")
    assert body["spec"]["template"]["spec"]["containers"][0]["image"] == "web:v2"
    assert body["spec"]["replicas"] == 5, "an apply that leaves them out would make 1 of them"
    assert managers(body) == {"canary-operator-scale"}
    assert world.workloads.track(rollout, "stable").replicas == 5


async def test_a_template_changes_and_the_pods_that_an_autoscaler_named_stay(world: World) -> None:
    rollout = await begun(world)
    await world.scale("web-stable", 8)
    world.calls.clear()
    await world.workloads.ensure_track(rollout, "stable", target(None, "r2"), template("web:v2"))
    body = await world.get(DEPLOYMENTS, "web-stable")
    assert body["spec"]["replicas"] == 8
    assert managers(body) == {"an-autoscaler"}
    assert world.writes() == 1, "nothing was to be handed over"
    await world.scale("web-stable", 4)
    assert not await world.workloads.ensure_track(
        rollout, "stable", target(None, "r2"), template("web:v2")
    )
    assert (await world.get(DEPLOYMENTS, "web-stable"))["spec"]["replicas"] == 4


async def test_an_autoscaler_that_is_quicker_than_the_handing_over_has_its_will(
    world: World,
) -> None:
    rollout = await begun(world)
    await world.cluster.client.request(  # which no watch told yet
        "PATCH",
        DEPLOYMENTS.path(world.namespace, "web-stable", "scale"),
        {"spec": {"replicas": 8}},
        ctype="application/merge-patch+json",
    )
    await world.workloads.ensure_track(rollout, "stable", target(None, "r2"), template("web:v2"))
    assert (await world.get(DEPLOYMENTS, "web-stable"))["spec"]["replicas"] == 8


async def test_the_way_from_replicas_to_an_autoscaler_and_back_keeps_the_pods(
    world: World,
) -> None:
    rollout = await world.rollout()
    workloads = world.workloads
    await workloads.ensure_track(rollout, "stable", TrackTarget("r1", 5), template())
    await workloads.ensure_track(rollout, "stable", target(None), template())
    await workloads.ensure_track(rollout, "stable", target(None, "r2"), template("web:v2"))
    await workloads.ensure_track(rollout, "stable", target(None, "r3"), template("web:v3"))
    assert (await world.get(DEPLOYMENTS, "web-stable"))["spec"]["replicas"] == 5
    await world.scale("web-stable", 7)
    await workloads.ensure_track(rollout, "stable", TrackTarget("r3", 6), template("web:v3"))
    body = await world.get(DEPLOYMENTS, "web-stable")
    assert (body["spec"]["replicas"], managers(body)) == (6, {"canary-operator"})


async def test_a_deployment_that_is_gone_is_not_made_without_a_number_of_pods(
    world: World,
) -> None:
    rollout = await begun(world)
    await world.delete(DEPLOYMENTS, "web-stable", seen=True)
    with pytest.raises(ConflictError):
        await world.workloads.ensure_track(rollout, "stable", target(None), template())
    with pytest.raises(ApiError):
        await world.get(DEPLOYMENTS, "web-stable")


async def test_a_deployment_that_was_deleted_unseen_is_not_made_with_one_pod(
    world: World,
) -> None:
    rollout = await begun(world)
    await world.delete(DEPLOYMENTS, "web-stable")
    with pytest.raises(ConflictError):
        await world.workloads.ensure_track(
            rollout, "stable", target(None, "r2"), template("web:v2")
        )
    with pytest.raises(ApiError):
        await world.get(DEPLOYMENTS, "web-stable")


async def test_an_autoscaler_is_made_once_and_says_what_the_spec_says(world: World) -> None:
    rollout, spec = await begun(world), scaled(behavior={"scaleUp": {"selectPolicy": "Max"}})
    assert await world.workloads.ensure_autoscaler(rollout, "stable", BOUNDS, spec)
    body = await world.get(AUTOSCALERS, "web-stable")
    told = body["spec"]
    assert told["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "web-stable",
    }
    assert (told["minReplicas"], told["maxReplicas"], told["metrics"]) == (3, 9, [CPU])
    assert told["behavior"]["scaleUp"]["selectPolicy"] == "Max"
    assert body["metadata"]["ownerReferences"][0]["uid"] == rollout.uid
    world.calls.clear()
    assert not await world.workloads.ensure_autoscaler(rollout, "stable", BOUNDS, spec)
    assert not world.calls
    scaler = world.workloads.track(rollout, "stable").scaler
    assert scaler == ScalerState(3, 9)


@pytest.mark.parametrize(
    ("status", "reason", "ambiguous"),
    [
        pytest.param("False", "AmbiguousSelector", True, id="another one counts its pods"),
        pytest.param("False", "FailedGetPodsMetric", False, id="nothing was measured"),
        pytest.param("True", "ValidMetricFound", False, id="it works"),
    ],
)
async def test_an_autoscaler_that_kubernetes_lets_rest_is_seen(
    world: World, status: str, reason: str, ambiguous: bool
) -> None:
    rollout, spec = await begun(world), scaled()
    await world.workloads.ensure_autoscaler(rollout, "stable", BOUNDS, spec)
    condition = {
        "type": "ScalingActive",
        "status": status,
        "reason": reason,
        "lastTransitionTime": "2026-11-28T10:00:00Z",
    }
    told = {"status": {"desiredReplicas": 5, "conditions": [condition]}}
    path = AUTOSCALERS.path(world.namespace, "web-stable", "status")
    merge = "application/merge-patch+json"
    await world.cluster.client.request("PATCH", path, told, ctype=merge)
    await world.look(AUTOSCALERS, "web-stable")
    scaler = world.workloads.track(rollout, "stable").scaler
    assert scaler == ScalerState(3, 9, 5, ambiguous=ambiguous)


async def test_a_floor_is_lifted_with_one_write(world: World) -> None:
    rollout, spec = await begun(world), scaled()
    await world.workloads.ensure_autoscaler(rollout, "stable", BOUNDS, spec)
    world.calls.clear()
    assert await world.workloads.ensure_autoscaler(rollout, "stable", Bounds(7, 9), spec)
    assert world.writes() == 1
    assert (await world.get(AUTOSCALERS, "web-stable"))["spec"]["minReplicas"] == 7


async def test_fields_that_the_spec_gives_up_go_from_the_autoscaler(world: World) -> None:
    rollout, quick = await begun(world), {"scaleDown": {"stabilizationWindowSeconds": 5}}
    before = scaled(behavior=quick)
    await world.workloads.ensure_autoscaler(rollout, "stable", BOUNDS, before)
    await world.workloads.ensure_autoscaler(rollout, "stable", BOUNDS, scaled(metrics=[CPU, CPU]))
    told = (await world.get(AUTOSCALERS, "web-stable"))["spec"]
    window = told.get("behavior", {}).get("scaleDown", {}).get("stabilizationWindowSeconds")
    assert (window, len(told["metrics"])) == (None, 2)


@pytest.mark.parametrize(
    "before",
    [
        {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}}},
        {"metrics": [{**CPU, "type": "Resource"}, CPU]},
        {"behavior": {"scaleUp": {"selectPolicy": "Max", "stabilizationWindowSeconds": 5}}},
    ],
)
async def test_what_the_spec_leaves_out_again_is_written_once(
    world: World, before: dict[str, Any]
) -> None:
    rollout = await begun(world)
    bare = spec_of(autoscaling={"minReplicas": 3, "maxReplicas": 9})
    await world.workloads.ensure_autoscaler(rollout, "canary", BOUNDS, bare)
    usual = (await world.get(AUTOSCALERS, "web-canary"))["spec"]
    await world.workloads.ensure_autoscaler(rollout, "stable", BOUNDS, scaled(**before))
    assert await world.workloads.ensure_autoscaler(rollout, "stable", BOUNDS, bare)
    told = (await world.get(AUTOSCALERS, "web-stable"))["spec"]
    assert {**told, "scaleTargetRef": {}} == {**usual, "scaleTargetRef": {}}
    assert not await world.workloads.ensure_autoscaler(rollout, "stable", BOUNDS, bare)


async def test_what_somebody_changes_on_an_autoscaler_is_set_back(world: World) -> None:
    rollout, spec = await begun(world), scaled()
    await world.workloads.ensure_autoscaler(rollout, "stable", BOUNDS, spec)
    await world.edit(AUTOSCALERS, "web-stable", {"spec": {"minReplicas": 1, "maxReplicas": 50}})
    assert await world.workloads.ensure_autoscaler(rollout, "stable", BOUNDS, spec)
    told = (await world.get(AUTOSCALERS, "web-stable"))["spec"]
    assert (told["minReplicas"], told["maxReplicas"]) == (3, 9)


async def test_an_autoscaler_that_is_not_wanted_goes_and_where_none_is_nothing_is_asked(
    world: World,
) -> None:
    rollout, spec = await begun(world), scaled()
    await world.workloads.ensure_autoscaler(rollout, "stable", BOUNDS, spec)
    assert await world.workloads.ensure_autoscaler(rollout, "stable", None, spec)
    with pytest.raises(ApiError):
        await world.get(AUTOSCALERS, "web-stable")
    world.calls.clear()
    assert not await world.workloads.ensure_autoscaler(rollout, "stable", None, spec)
    assert not world.calls


async def test_an_autoscaler_of_somebody_else_is_not_touched(world: World) -> None:
    rollout, spec = await begun(world), scaled()
    await make_theirs(world, "web-stable")
    with pytest.raises(NameConflictError, match="HorizontalPodAutoscaler web-stable already"):
        await world.workloads.ensure_autoscaler(rollout, "stable", BOUNDS, spec)
    assert not await world.workloads.ensure_autoscaler(rollout, "stable", None, spec)
    assert (await world.get(AUTOSCALERS, "web-stable"))["spec"]["scaleTargetRef"] == AIM


@pytest.mark.parametrize("name", ["web-stable", "web-canary"])
async def test_an_autoscaler_of_somebody_else_is_known_before_anything_is_accepted(
    world: World, name: str
) -> None:
    rollout = await world.rollout()
    await make_theirs(world, name)
    with pytest.raises(NameConflictError, match=f"HorizontalPodAutoscaler {name} already"):
        await world.workloads.try_autoscaler(rollout, scaled())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"metrics": [{"type": "Resource"}]}, r"metrics\[0\].resource"),
        ({"metrics": [{"type": "Nonsense"}]}, r"metrics\[0\].type"),
        ({"metrics": [{**CPU, "colour": "red"}]}, "colour"),
        ({"behavior": {"scaleUp": {"stabilizationWindowSeconds": -1}}}, "stabilizationWindow"),
        ({"behavior": {"scaleUp": {"policies": [{"type": "Pods"}]}}}, "policies"),
    ],
)
async def test_autoscalers_that_the_api_server_would_refuse_are_known_before(
    world: World, wrong: dict[str, Any], words: str
) -> None:
    rollout = await world.rollout()
    with pytest.raises(InvalidSpecError, match=words) as refused:
        await world.workloads.try_autoscaler(rollout, scaled(**wrong))
    assert str(refused.value).startswith(
        "spec.autoscaling: the API server refuses HorizontalPodAutoscaler web-stable: "
    )
    with pytest.raises(ApiError):
        await world.get(AUTOSCALERS, "web-stable")


async def test_a_dry_run_leaves_nothing_behind(world: World) -> None:
    rollout = await world.rollout()
    await world.workloads.try_autoscaler(rollout, scaled())
    with pytest.raises(ApiError):
        await world.get(AUTOSCALERS, "web-stable")
    world.calls.clear()
    await world.workloads.try_autoscaler(rollout, spec_of())
    assert not world.calls, "nothing is asked where there are none"
