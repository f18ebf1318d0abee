"""Deployments, Services and records on a Kubernetes API."""

from dataclasses import replace

import pytest

from canary_operator.adapters.cluster.resources import DEPLOYMENTS, RECORDS, SERVICES
from canary_operator.domain.errors import (
    DriftConflictError,
    InvalidSpecError,
    InvalidTemplateError,
    NameConflictError,
    UnavailableError,
)
from canary_operator.domain.objects import ROLLOUT_LABEL
from canary_operator.domain.target import TrackTarget
from canary_operator.playground.api import Fault
from canary_operator.playground.api.faults import Faults
from canary_operator.ports import Accepted
from tests.adapters.cluster.world import World, spec_of, template
from tests.support.clusters import EmbeddedCluster

ONE = TrackTarget("r1", 1)


def faults_of(world: World) -> Faults:
    if not isinstance(world.cluster, EmbeddedCluster):
        pytest.skip("needs injected faults")
    return world.cluster.api.faults


NASTY = {
    "metadata": {"annotations": {"note": '<b>&"é\u2028'}},
    "spec": {
        "containers": [{"name": "app", "image": "web:v1", "args": ["--share=1<2"], "env": None}],
        "terminationGracePeriodSeconds": 30,
    },
}


async def test_a_deployment_is_made_once(world: World) -> None:
    rollout = await world.rollout()
    assert await world.workloads.ensure_track(rollout, "stable", ONE, template())
    track = world.workloads.track(rollout, "stable")
    assert (track.exists, track.revision, track.replicas) == (True, "r1", 1)
    world.calls.clear()
    assert not await world.workloads.ensure_track(rollout, "stable", ONE, template())
    assert not world.calls


async def test_a_tick_sees_its_own_write(world: World) -> None:
    rollout = await world.rollout()
    await world.workloads.ensure_track(rollout, "canary", ONE, template())
    await world.workloads.ensure_track(rollout, "canary", TrackTarget("r2", 3), template("web:v2"))
    track = world.workloads.track(rollout, "canary")
    assert (track.revision, track.replicas, track.current) == ("r2", 3, False)


async def test_an_operator_that_starts_anew_compares_before_it_writes(world: World) -> None:
    rollout = await world.rollout()
    await world.workloads.ensure_track(rollout, "stable", ONE, template())
    fresh = World(world.cluster, world.namespace, world.client, world.calls)
    world.calls.clear()
    assert not await fresh.workloads.ensure_track(rollout, "stable", ONE, template())
    assert world.calls == {("get", "deployments.apps"): 1}


@pytest.mark.parametrize(
    "container",
    [
        pytest.param({"resources": {"requests": {"cpu": "0.5"}}}, id="a quantity"),
        pytest.param({"env": [], "args": [], "securityContext": {}}, id="something empty"),
        pytest.param({"stdin": False, "tty": False}, id="a default that is left out"),
        pytest.param({"env": [{"name": "A", "value": ""}]}, id="an empty value"),
        pytest.param({"ports": [{"containerPort": 80}]}, id="a port without protocol"),
        pytest.param({"resources": {"limits": {"cpu": 1}}}, id="a number as quantity"),
    ],
)
async def test_what_the_server_normalises_is_written_once(world: World, container: dict) -> None:
    rollout = await world.rollout()
    wanted = template(**container)
    await world.workloads.ensure_track(rollout, "stable", ONE, wanted)
    assert not await world.workloads.ensure_track(rollout, "stable", ONE, wanted)
    await world.look(DEPLOYMENTS, "web-stable")
    assert not await world.workloads.ensure_track(rollout, "stable", ONE, wanted)


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param({"spec": {"replicas": 7}}, id="replicas"),
        pytest.param(
            {"metadata": {"annotations": {"canary-operator.dev/revision": "x"}}}, id="mark"
        ),
        pytest.param(
            {
                "spec": {
                    "template": {"spec": {"containers": [{"name": "app", "image": "web:evil"}]}}
                }
            },
            id="image",
        ),
        pytest.param(
            {"spec": {"template": {"metadata": {"labels": {"app": "other"}}}}}, id="label"
        ),
    ],
)
async def test_an_edit_by_hand_is_set_back(world: World, patch: dict) -> None:
    rollout = await world.rollout()
    await world.workloads.ensure_track(rollout, "stable", ONE, template())
    before = await world.get(DEPLOYMENTS, "web-stable")
    await world.edit(DEPLOYMENTS, "web-stable", patch)
    assert await world.workloads.ensure_track(rollout, "stable", ONE, template())
    assert (await world.get(DEPLOYMENTS, "web-stable"))["spec"] == before["spec"]
    assert not await world.workloads.ensure_track(rollout, "stable", ONE, template())


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param(
            {"metadata": {"annotations": {"team": "a"}, "labels": {"x": "y"}}}, id="marks"
        ),
        pytest.param(
            {"spec": {"template": {"metadata": {"annotations": {"restartedAt": "now"}}}}},
            id="an annotation of the pods",
        ),
        pytest.param({"spec": {"minReadySeconds": 5}}, id="a field that we do not set"),
    ],
)
async def test_what_others_add_is_not_drift(world: World, patch: dict) -> None:
    rollout = await world.rollout()
    await world.workloads.ensure_track(rollout, "stable", ONE, template())
    await world.edit(DEPLOYMENTS, "web-stable", patch)
    assert not await world.workloads.ensure_track(rollout, "stable", ONE, template())


async def test_a_fight_over_an_object_ends_in_a_condition(world: World) -> None:
    rollout = await world.rollout()
    for _ in range(3):
        await world.workloads.ensure_track(rollout, "stable", ONE, template())
        await world.edit(DEPLOYMENTS, "web-stable", {"spec": {"replicas": 9}})
    with pytest.raises(DriftConflictError, match="Deployment web-stable was set back 3") as caught:
        await world.workloads.ensure_track(rollout, "stable", ONE, template())
    assert caught.value.retry_after is not None
    assert await world.workloads.ensure_track(rollout, "stable", TrackTarget("r1", 2), template())


@pytest.mark.parametrize("labelled", [False, True])
async def test_a_foreign_object_is_never_touched(world: World, *, labelled: bool) -> None:
    rollout = await world.rollout()
    labels = {ROLLOUT_LABEL: "web"} if labelled else {}
    foreign = {
        "metadata": {"name": "web-stable", "labels": labels},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template(),
        },
    }
    await world.cluster.client.request("POST", DEPLOYMENTS.path(world.namespace), foreign)
    if labelled:
        await world.look(DEPLOYMENTS, "web-stable")
    before = await world.get(DEPLOYMENTS, "web-stable")
    for _ in range(2):
        with pytest.raises(NameConflictError, match="Deployment web-stable already exists"):
            await world.workloads.ensure_track(rollout, "stable", ONE, template())
    assert world.writes() == 0
    assert not world.workloads.track(rollout, "stable").exists
    after = await world.get(DEPLOYMENTS, "web-stable")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


async def test_children_of_a_deleted_namesake_are_left_to_garbage_collection(world: World) -> None:
    rollout = await world.rollout()
    await world.workloads.ensure_track(rollout, "stable", ONE, template())
    successor = replace(rollout, uid="another")
    with pytest.raises(NameConflictError, match="deleted CanaryRollout of the same name"):
        await world.workloads.ensure_track(successor, "stable", ONE, template())


@pytest.mark.parametrize("seen", [False, True])
async def test_a_deleted_deployment_comes_back(world: World, *, seen: bool) -> None:
    rollout = await world.rollout()
    await world.workloads.ensure_track(rollout, "stable", ONE, template())
    await world.delete(DEPLOYMENTS, "web-stable", seen=seen)
    wanted = TrackTarget("r1", 2)
    assert await world.workloads.ensure_track(rollout, "stable", wanted, template())
    assert world.workloads.track(rollout, "stable").replicas == 2
    assert (await world.get(DEPLOYMENTS, "web-stable"))["spec"]["replicas"] == 2


async def test_a_stranger_that_took_the_place_unseen_is_not_touched(world: World) -> None:
    if isinstance(world.cluster, EmbeddedCluster):
        pytest.skip("the embedded API does not compare the uid of an apply")
    rollout = await world.rollout()
    await world.workloads.ensure_track(rollout, "stable", ONE, template())
    stranger = await world.get(DEPLOYMENTS, "web-stable")
    await world.delete(DEPLOYMENTS, "web-stable")
    for field in ("uid", "resourceVersion", "ownerReferences", "managedFields"):
        stranger["metadata"].pop(field, None)
    await world.cluster.client.request("POST", DEPLOYMENTS.path(world.namespace), stranger)
    with pytest.raises(NameConflictError, match="was not made by this rollout"):
        await world.workloads.ensure_track(rollout, "stable", TrackTarget("r2", 5), template("new"))
    after = await world.get(DEPLOYMENTS, "web-stable")
    assert after["metadata"]["generation"] == 1
    assert not world.workloads.track(rollout, "stable").exists


async def test_a_conflict_is_answered_by_another_look(world: World) -> None:
    rollout = await world.rollout()
    await world.workloads.ensure_track(rollout, "stable", ONE, template())
    conflict = Fault(verb="patch", resource="deployments", status=409, reason="Conflict", times=1)
    faults_of(world).add(conflict)
    assert await world.workloads.ensure_track(rollout, "stable", TrackTarget("r1", 2), template())
    assert world.workloads.track(rollout, "stable").replicas == 2


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_a_server_that_cannot_answer_now(world: World, code: int) -> None:
    rollout = await world.rollout()
    faults_of(world).add(Fault(verb="patch", status=code))
    with pytest.raises(UnavailableError):
        await world.workloads.ensure_track(rollout, "stable", ONE, template())
    with pytest.raises(UnavailableError):
        await world.workloads.try_out(rollout, template())
    with pytest.raises(UnavailableError):
        await world.workloads.ensure_services(rollout, spec_of())


async def test_a_service_that_the_server_refuses(world: World) -> None:
    rollout = await world.rollout()
    faults_of(world).add(Fault(resource="services", verb="patch", status=422, message="too many"))
    with pytest.raises(InvalidSpecError, match="refuses Service web: too many"):
        await world.workloads.ensure_services(rollout, spec_of())


async def test_a_record_that_the_server_refuses(world: World) -> None:
    rollout = await world.rollout()
    records = Fault(resource="controllerrevisions", verb="create", status=422, message="too long")
    faults_of(world).add(records)
    with pytest.raises(InvalidSpecError, match="record of the spec: too long"):
        await world.workloads.remember(rollout, Accepted("r1", template(), {}, 1))


async def test_a_namespace_that_is_gone(world: World) -> None:
    rollout = await world.rollout()
    lost = replace(rollout, key=replace(rollout.key, namespace=f"{world.namespace}-gone"))
    for write in (
        world.workloads.ensure_track(lost, "stable", ONE, template()),
        world.workloads.ensure_services(lost, spec_of()),
        world.workloads.try_out(lost, template()),
        world.workloads.remember(lost, Accepted("r1", template(), {}, 1)),
    ):
        with pytest.raises(UnavailableError, match="not found"):
            await write


async def test_nothing_is_written_for_a_rollout_that_is_being_deleted(world: World) -> None:
    rollout = replace(await world.rollout(), deleting=True)
    workloads = world.workloads
    await workloads.ensure_track(rollout, "stable", ONE, template())
    await workloads.ensure_services(rollout, spec_of())
    await workloads.try_out(rollout, template())
    await workloads.remember(rollout, Accepted("r1", template(), {}, 1))
    await workloads.forget(rollout, ["r1"])
    assert not world.calls


@pytest.mark.parametrize(
    ("container", "message"),
    [
        pytest.param({"imag": "x"}, r"imag: field not declared in schema", id="unknown field"),
        pytest.param(
            {"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
            r'env: duplicate entries for key \[name="A"\]',
            id="twice the same name",
        ),
        pytest.param({"env": [{"name": "A", "value": 1}]}, "expected string, got 1", id="type"),
        pytest.param(
            {"ports": [{"containerPort": 99999}]},
            r"the pods: spec.template.spec.containers\[0\].ports\[0\].containerPort: Invalid",
            id="bounds",
        ),
        pytest.param({"resources": {"limits": {"cpu": "abc"}}}, "quantities must", id="quantity"),
        pytest.param(
            {"volumeMounts": [{"name": "x", "mountPath": "/x"}]}, 'Not found: "x"', id="reference"
        ),
    ],
)
async def test_a_template_that_the_server_refuses(
    world: World, container: dict, message: str
) -> None:
    rollout = await world.rollout()
    with pytest.raises(InvalidTemplateError, match=message):
        await world.workloads.try_out(rollout, template(**container))
    with pytest.raises(InvalidTemplateError, match=message):
        await world.workloads.ensure_track(rollout, "canary", ONE, template(**container))


async def test_trying_out_changes_nothing(world: World) -> None:
    rollout = await world.rollout()
    await world.workloads.try_out(rollout, template())
    assert not world.workloads.track(rollout, "canary").exists
    await world.workloads.ensure_track(rollout, "canary", ONE, template())
    before = await world.get(DEPLOYMENTS, "web-canary")
    await world.workloads.try_out(rollout, template("web:v2"))
    assert (await world.get(DEPLOYMENTS, "web-canary"))["spec"] == before["spec"]


async def test_services_follow_the_spec(world: World) -> None:
    rollout = await world.rollout()
    assert await world.workloads.ensure_services(rollout, spec_of())
    assert not await world.workloads.ensure_services(rollout, spec_of())
    apex = await world.get(SERVICES, "web")
    assert apex["spec"]["selector"]["canary-operator.dev/track"] == "stable"
    assert (await world.get(SERVICES, "web-canary"))["spec"]["selector"] == {
        "canary-operator.dev/rollout": "web",
        "canary-operator.dev/track": "canary",
    }
    changed = spec_of(service={"port": 8080, "targetPort": "http"})
    for _ in range(2):
        await world.workloads.ensure_services(rollout, changed)
    assert [port["port"] for port in (await world.get(SERVICES, "web"))["spec"]["ports"]] == [8080]
    assert not await world.workloads.ensure_services(rollout, changed)


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param({"spec": {"selector": {"app": "other"}}}, id="a further selector"),
        pytest.param(
            {"spec": {"ports": [{"name": "http", "port": 81, "targetPort": 8080}]}},
            id="another port with the same name",
        ),
        pytest.param(
            {
                "spec": {
                    "ports": [
                        {"name": "http", "port": 80, "targetPort": 8080},
                        {"name": "more", "port": 81, "targetPort": 8081},
                    ]
                }
            },
            id="a further port",
        ),
    ],
)
async def test_a_service_edited_by_hand_is_set_back(world: World, patch: dict) -> None:
    rollout = await world.rollout()
    await world.workloads.ensure_services(rollout, spec_of())
    before = await world.get(SERVICES, "web")
    await world.edit(SERVICES, "web", patch)
    for _ in range(2):
        await world.workloads.ensure_services(rollout, spec_of())
    assert (await world.get(SERVICES, "web"))["spec"] == before["spec"]
    assert not await world.workloads.ensure_services(rollout, spec_of())
    later = spec_of(service={"port": 8080, "targetPort": 8080})
    for _ in range(2):
        await world.workloads.ensure_services(rollout, later)
    assert [port["port"] for port in (await world.get(SERVICES, "web"))["spec"]["ports"]] == [8080]


async def test_records_are_newest_first_and_exactly_what_was_accepted(world: World) -> None:
    rollout = await world.rollout()
    first = Accepted("r1", template(), {"strategy": {"stepWeight": 10}}, 1)
    second = Accepted("r2", NASTY, {"analysis": {"note": "<é>"}}, 2)
    for record in (first, second):
        await world.workloads.remember(rollout, record)
    assert world.workloads.records(rollout) == [second, first]
    fresh = World(world.cluster, world.namespace, world.client, world.calls)
    for revision in ("r1", "r2"):
        await fresh.look(RECORDS, f"web-{revision}")
    assert fresh.workloads.records(rollout) == [second, first]


@pytest.mark.parametrize("pod_template", [template(), NASTY])
async def test_an_edit_of_settings_is_one_patch(world: World, pod_template: dict) -> None:
    rollout = await world.rollout()
    accepted = Accepted("r1", pod_template, {"strategy": {"stepWeight": 10}}, 1)
    await world.workloads.remember(rollout, accepted)
    world.calls.clear()
    await world.workloads.remember(rollout, accepted)
    assert not world.calls
    again = replace(accepted, settings={"strategy": {"stepWeight": 20}}, number=2)
    await world.workloads.remember(rollout, again)
    assert world.calls == {("patch", "controllerrevisions.apps"): 1}
    assert world.workloads.records(rollout) == [again]


async def test_a_record_restored_by_hand_can_still_change(world: World) -> None:
    rollout = await world.rollout()
    accepted = Accepted("r1", NASTY, {"strategy": {"stepWeight": 10}}, 1)
    await world.workloads.remember(rollout, accepted)
    backup = await world.get(RECORDS, "web-r1")
    await world.delete(RECORDS, "web-r1", seen=True)
    for field in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
        backup["metadata"].pop(field, None)
    await world.cluster.client.request("POST", RECORDS.path(world.namespace), backup)
    await world.look(RECORDS, "web-r1")
    again = replace(accepted, number=2)
    await world.workloads.remember(rollout, again)
    assert world.workloads.records(rollout) == [again]


async def test_a_record_that_the_cache_does_not_know_yet(world: World) -> None:
    rollout = await world.rollout()
    accepted = Accepted("r1", template(), {}, 1)
    await world.workloads.remember(rollout, accepted)
    fresh = World(world.cluster, world.namespace, world.client, world.calls)
    again = replace(accepted, number=2)
    await fresh.workloads.remember(rollout, again)
    assert fresh.workloads.records(rollout) == [again]
    stranger = replace(rollout, uid="another")
    with pytest.raises(NameConflictError, match="ControllerRevision web-r1"):
        await fresh.workloads.remember(stranger, again)
    assert fresh.workloads.records(stranger) == []


async def test_a_record_that_was_deleted_unseen_is_written_anew(world: World) -> None:
    rollout = await world.rollout()
    await world.workloads.remember(rollout, Accepted("r1", template(), {}, 1))
    await world.delete(RECORDS, "web-r1")
    again = Accepted("r1", template(), {}, 2)
    await world.workloads.remember(rollout, again)
    assert world.workloads.records(rollout) == [again]


async def test_old_records_are_forgotten(world: World) -> None:
    rollout = await world.rollout()
    for number in (1, 2):
        await world.workloads.remember(rollout, Accepted(f"r{number}", template(), {}, number))
    await world.delete(RECORDS, "web-r1")
    await world.workloads.forget(rollout, ["r1", "r2", "r3"])
    assert world.workloads.records(rollout) == []
