"""A Service that its owner gives to a rollout, on a Kubernetes API."""

from typing import Any

import pytest

from canary_operator.adapters.cluster.apex import ApexServices
from canary_operator.adapters.cluster.resources import SERVICES
from canary_operator.adapters.cluster.stand_ins import PATIENCE_SECONDS
from canary_operator.domain.errors import DriftConflictError, NameConflictError
from canary_operator.domain.objects import ROLLOUT_LABEL, TRACK_LABEL, Owner, apex_service
from canary_operator.domain.spec import RolloutSpec, parse_spec
from canary_operator.domain.takeover import ADOPT_ANNOTATION
from canary_operator.domain.target import TrackTarget
from canary_operator.ports import Rollout
from tests.adapters.cluster.world import World, template

REF = {"template": None, "workloadRef": {"name": "shop"}}
OURS = {ROLLOUT_LABEL: "web", TRACK_LABEL: "stable"}
PORT = {"name": "http", "port": 80, "targetPort": 8080}


def spec(**service: Any) -> RolloutSpec:
    ports = service or {"port": 80, "targetPort": 8080}
    return parse_spec({"workloadRef": {"name": "shop"}, "service": ports})


async def serve(
    world: World, *, given: str | None = "web", ports: Any = (PORT,), **changes: Any
) -> dict[str, Any]:
    """Make the Service as its owner does."""
    annotations = {ADOPT_ANNOTATION: given} if given else {}
    body = {
        "metadata": {"name": "web", "annotations": annotations},
        "spec": {"selector": {"app": "web"}, "ports": list(ports), **changes},
    }
    path = SERVICES.path(world.namespace)
    made: dict[str, Any] = await world.cluster.client.request("POST", path, body)
    return made


async def with_stable(world: World) -> Rollout:
    rollout = await world.rollout(**REF)
    await world.workloads.ensure_track(rollout, "stable", TrackTarget("r1", 1), template())
    return rollout


async def test_only_two_labels_are_added_to_what_it_selects(world: World) -> None:
    before = await serve(world, type="NodePort")
    rollout = await with_stable(world)
    assert await world.workloads.ensure_services(rollout, spec())
    assert not await world.workloads.ensure_services(rollout, spec())
    live = await world.get(SERVICES, "web")
    assert live["spec"] == {**before["spec"], "selector": {"app": "web", **OURS}}
    assert "ownerReferences" not in live["metadata"]
    assert live["metadata"]["labels"] == {ROLLOUT_LABEL: "web"}
    assert world.workloads.selected_by(rollout) == {"app": "web"}


async def test_it_is_not_touched_before_stable_serves(world: World) -> None:
    before = await serve(world)
    rollout = await with_stable(world)
    await world.workloads.ensure_services(rollout, spec(), takes_over=False)
    assert await world.get(SERVICES, "web") == before
    assert world.workloads.selected_by(rollout) == {}


@pytest.mark.parametrize("given", [None, "another"])
async def test_a_service_that_nobody_gave_is_not_touched(world: World, given: str | None) -> None:
    before = await serve(world, given=given)
    rollout = await with_stable(world)
    with pytest.raises(NameConflictError, match="kubectl annotate service/web"):
        await world.workloads.ensure_services(rollout, spec())
    assert await world.get(SERVICES, "web") == before


async def test_without_a_deployment_to_take_pods_from_it_is_not_taken_over(world: World) -> None:
    before = await serve(world)
    rollout = await world.rollout()
    own = parse_spec({"template": template(), "service": {"port": 80, "targetPort": 8080}})
    with pytest.raises(NameConflictError, match="was not made by this rollout"):
        await world.workloads.ensure_services(rollout, own)
    assert await world.get(SERVICES, "web") == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"selector": {"app": "shop"}}, "it selects app=shop", id="other pods"),
        pytest.param({"selector": None}, "it has no selector", id="no selector"),
        pytest.param(
            {"ports": (PORT, {"name": "admin", "port": 81})},
            "it has port 81, which spec.service does not name",
            id="a further port",
        ),
        pytest.param({"ports": ({**PORT, "port": 81},)}, "it has port 81", id="another port"),
        pytest.param(
            {"ports": ({**PORT, "targetPort": 9090},)},
            "its port 80 leads to 9090, and spec.service says 8080",
            id="another target",
        ),
        pytest.param(
            {"ports": ({**PORT, "name": "tcp"},)},
            "is named tcp, and spec.service says http",
            id="another protocol",
        ),
    ],
)
async def test_one_that_would_serve_otherwise_is_not_touched(
    world: World, changes: dict[str, Any], words: str
) -> None:
    before = await serve(world, **changes)
    rollout = await with_stable(world)
    for takes_over in (False, True):
        with pytest.raises(NameConflictError, match=words):
            await world.workloads.ensure_services(rollout, spec(), takes_over=takes_over)
    assert await world.get(SERVICES, "web") == before


async def test_a_missing_port_is_named(world: World) -> None:
    await serve(world)
    rollout = await with_stable(world)
    ports = [
        {"name": "http", "port": 80, "targetPort": 8080},
        {"name": "http-admin", "port": 81, "targetPort": 8081},
    ]
    with pytest.raises(NameConflictError, match="it has no port 81"):
        await world.workloads.ensure_services(rollout, spec(ports=ports))


async def test_a_selector_that_a_tool_sets_back_is_completed_again(world: World) -> None:
    await serve(world)
    rollout = await with_stable(world)
    await world.workloads.ensure_services(rollout, spec())
    gone = {ROLLOUT_LABEL: None, TRACK_LABEL: None}
    await world.edit(SERVICES, "web", {"spec": {"selector": gone}})
    assert await world.workloads.ensure_services(rollout, spec())
    live = await world.get(SERVICES, "web")
    assert live["spec"]["selector"] == {"app": "web", **OURS}


async def test_what_its_owner_selects_by_meanwhile_stays(world: World) -> None:
    await serve(world)
    rollout = await with_stable(world)
    await world.workloads.ensure_services(rollout, spec())
    await world.edit(SERVICES, "web", {"spec": {"selector": {"track": "stable"}}})
    await world.workloads.ensure_services(rollout, spec())
    live = await world.get(SERVICES, "web")
    assert live["spec"]["selector"] == {"app": "web", "track": "stable", **OURS}


async def test_one_that_was_taken_over_stays_so_when_its_owner_removes_the_annotation(
    world: World,
) -> None:
    await serve(world)
    rollout = await with_stable(world)
    await world.workloads.ensure_services(rollout, spec())
    changes = {"metadata": {"annotations": {ADOPT_ANNOTATION: None}}}
    await world.edit(SERVICES, "web", changes)
    assert not await world.workloads.ensure_services(rollout, spec())
    await world.edit(SERVICES, "web", {"spec": {"selector": {TRACK_LABEL: None}}})
    assert await world.workloads.ensure_services(rollout, spec()), "a canary may be led to"


async def test_a_label_that_does_not_stay_is_put_back_three_times_and_then_with_pauses(
    world: World,
) -> None:
    await serve(world)
    rollout = await with_stable(world)
    await world.workloads.ensure_services(rollout, spec())

    async def somebody_removes_it() -> None:
        body = await world.edit(SERVICES, "web", {"metadata": {"labels": {ROLLOUT_LABEL: None}}})
        world.caches.services.saw("DELETED", body)  # as a watch of the label says

    for _ in range(2):
        await somebody_removes_it()
        await world.workloads.ensure_services(rollout, spec())
    await somebody_removes_it()
    with pytest.raises(DriftConflictError, match="Service web was set back 3 times"):
        await world.workloads.ensure_services(rollout, spec())


class Clock:
    """Seconds that pass when they are told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def lost(world: World, clock: Clock) -> tuple[ApexServices, Rollout]:
    """Take a Service over, and let its owner delete it; return who leads Services."""
    await serve(world, type="NodePort")
    rollout = await with_stable(world)
    services = ApexServices(world.client, world.caches, clock)
    await lead(services, rollout)
    workload = {"name": "shop", "replicas": 3, "replacedAt": "2026-01-01T00:00:00Z"}
    status = {"workload": {**workload, "serviceSelector": {"app": "web"}}}
    await world.rollouts.write_status(rollout, status)
    await world.delete(SERVICES, "web", seen=True)
    return services, world.rollout_now()


async def lead(services: ApexServices, rollout: Rollout) -> bool:
    owner = Owner("web", rollout.key.namespace, rollout.uid)
    wanted = apex_service(owner, spec().service.all_ports)
    return await services.lead(rollout, spec(), wanted, takes_over=True)


async def test_one_that_is_deleted_has_time_to_come_back(world: World) -> None:
    clock = Clock()
    services, rollout = await lost(world, clock)
    for _ in range(2):
        with pytest.raises(DriftConflictError, match="Apply it again"):
            await lead(services, rollout)
        clock.now += 2
    await serve(world, type="NodePort")  # nothing is in the way
    assert await lead(services, rollout)
    live = await world.get(SERVICES, "web")
    assert (live["spec"]["type"], live["spec"]["selector"]) == ("NodePort", {"app": "web", **OURS})


async def stand_in(world: World) -> tuple[ApexServices, Rollout]:
    clock = Clock()
    services, rollout = await lost(world, clock)
    with pytest.raises(DriftConflictError):
        await lead(services, rollout)
    clock.now += PATIENCE_SECONDS
    assert await lead(services, rollout)
    return services, rollout


async def test_then_another_stands_in_that_nobody_owns(world: World) -> None:
    services, rollout = await stand_in(world)
    live = await world.get(SERVICES, "web")
    assert "ownerReferences" not in live["metadata"]
    assert live["metadata"]["annotations"] == {ADOPT_ANNOTATION: "web"}
    assert live["spec"]["selector"] == {"app": "web", **OURS}
    assert live["spec"]["ports"] == [{**PORT, "protocol": "TCP"}]
    assert not await lead(services, rollout), "it is one that was taken over"
    await services.give_back(rollout)
    live = await world.get(SERVICES, "web")
    assert live["spec"]["selector"] == {"app": "web"}


@pytest.mark.parametrize("force", ["true", "false"])
async def test_its_owner_takes_it_over_by_applying_it_again(world: World, force: str) -> None:
    services, rollout = await stand_in(world)
    selector = {"app": "web"} if force == "true" else {"app": "web", **OURS}
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "annotations": {ADOPT_ANNOTATION: "web", "team": "shop"}},
        "spec": {"selector": selector, "ports": [PORT], "type": "NodePort"},
    }
    await world.cluster.client.request(
        "PATCH",
        SERVICES.path(world.namespace, "web"),
        body,
        ctype="application/apply-patch+yaml",
        params={"fieldManager": "gitops", "force": force},
    )
    await world.look(SERVICES, "web")
    await lead(services, rollout)
    live = await world.get(SERVICES, "web")
    assert (live["spec"]["type"], live["spec"]["selector"]) == ("NodePort", {"app": "web", **OURS})
    assert live["metadata"]["annotations"]["team"] == "shop"


async def test_one_that_was_never_taken_over_is_made_at_once_as_our_own(world: World) -> None:
    rollout = await with_stable(world)
    assert await lead(ApexServices(world.client, world.caches), rollout)
    live = await world.get(SERVICES, "web")
    assert live["metadata"]["ownerReferences"][0]["uid"] == rollout.uid
    await world.delete(SERVICES, "web", seen=True)
    assert await lead(ApexServices(world.client, world.caches), rollout)


async def test_what_it_selects_by_itself_is_not_lost_where_only_our_labels_are_left(
    world: World,
) -> None:
    services, rollout = await stand_in(world)
    await world.edit(SERVICES, "web", {"spec": {"selector": {"app": None}}})
    assert await lead(services, rollout)
    live = await world.get(SERVICES, "web")
    assert live["spec"]["selector"] == {"app": "web", **OURS}
    await world.edit(SERVICES, "web", {"spec": {"selector": {"app": None}}})
    await services.give_back(rollout)
    live = await world.get(SERVICES, "web")
    assert live["spec"]["selector"] == {"app": "web"}


async def test_one_that_does_not_fit_any_more_is_closed_to_a_canary_all_the_same(
    world: World,
) -> None:
    await serve(world)
    rollout = await with_stable(world)
    await world.workloads.ensure_services(rollout, spec())
    changes = {"ports": [{**PORT, "targetPort": 9090}], "selector": {TRACK_LABEL: None}}
    await world.edit(SERVICES, "web", {"spec": changes})
    with pytest.raises(NameConflictError, match="its port 80 leads to 9090"):
        await world.workloads.ensure_services(rollout, spec())
    live = await world.get(SERVICES, "web")
    assert live["spec"]["selector"] == {"app": "web", **OURS}
