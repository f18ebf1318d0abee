"""Nothing that somebody else made is ever adopted, whatever kind it is and whatever it claims."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import pytest

from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.errors import NotFoundError
from canary_operator.adapters.cluster.resources import (
    DEPLOYMENTS,
    RECORDS,
    SERVICES,
    VIRTUAL_SERVICES,
    Resource,
)
from canary_operator.adapters.traffic.istio import IstioRouter
from canary_operator.domain.errors import ConflictError, NameConflictError
from canary_operator.domain.objects import ROLLOUT_LABEL
from canary_operator.domain.target import RouteTarget, TrackTarget
from canary_operator.ports import Accepted, Rollout
from tests.adapters.cluster.world import TEMPLATE, World, spec_of

REVISION = "0123456789"
STRANGER = "11111111-2222-3333-4444-555555555555"
LABELS = {"app": "theirs"}
POD = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}


@dataclass(frozen=True)
class Child:
    """One kind of object that a rollout needs."""

    resource: Resource
    name: str
    theirs: dict[str, Any]
    """What somebody else has under that name."""
    write: Callable[[World, Rollout], Coroutine[Any, Any, Any]]
    """What the operator does to have its own."""


async def write_track(world: World, rollout: Rollout, track: str) -> None:
    await world.workloads.ensure_track(rollout, track, TrackTarget(REVISION, 1), TEMPLATE)


async def write_services(world: World, rollout: Rollout) -> None:
    await world.workloads.ensure_services(rollout, spec_of())


async def write_route(world: World, rollout: Rollout) -> None:
    await IstioRouter(world.client, world.caches).set(rollout, spec_of(), RouteTarget(0))


async def write_record(world: World, rollout: Rollout) -> None:
    await world.workloads.remember(rollout, Accepted(REVISION, TEMPLATE, {"service": {}}, 1))


DEPLOYMENT = {"spec": {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": POD}}
SERVICE = {"spec": {"selector": LABELS, "ports": [{"port": 80}]}}
ROUTE = {"spec": {"hosts": ["theirs.example.com"], "http": [{"route": []}]}}
RECORD = {"data": {"theirs": True}, "revision": 7}

CHILDREN = [
    Child(DEPLOYMENTS, "web-stable", DEPLOYMENT, lambda w, r: write_track(w, r, "stable")),
    Child(DEPLOYMENTS, "web-canary", DEPLOYMENT, lambda w, r: write_track(w, r, "canary")),
    Child(SERVICES, "web", SERVICE, write_services),
    Child(SERVICES, "web-stable", SERVICE, write_services),
    Child(SERVICES, "web-canary", SERVICE, write_services),
    Child(VIRTUAL_SERVICES, "web", ROUTE, write_route),
    Child(RECORDS, f"web-{REVISION}", RECORD, write_record),
]
each_child = pytest.mark.parametrize(
    "child", CHILDREN, ids=lambda child: f"{child.resource.kind} {child.name}"
)


def owner(rollout: Rollout, *, controller: bool = True) -> dict[str, Any]:
    return {
        "apiVersion": "canary-operator.dev/v1alpha1",
        "kind": "CanaryRollout",
        "name": rollout.key.name,
        "uid": rollout.uid,
        "controller": controller,
    }


Disguise = Callable[[Rollout, Rollout], dict[str, Any]]

DISGUISES: dict[str, Disguise] = {
    "bare": lambda _, __: {},
    "with our labels": lambda _, __: {"labels": {ROLLOUT_LABEL: "web"}},
    "owned by a namesake": lambda namesake, _: {
        "labels": {ROLLOUT_LABEL: "web"},
        "ownerReferences": [owner(namesake)],
    },
    "owned by another rollout": lambda _, other: {
        "labels": {ROLLOUT_LABEL: "web"},
        "ownerReferences": [owner(other)],
    },
    "owned but not controlled by us": lambda _, other: {
        "labels": {ROLLOUT_LABEL: "web"},
        "ownerReferences": [owner(other, controller=False)],
    },
}
"""Metadata of an object, given a rollout of our name with another uid, and another rollout."""


async def make(world: World, child: Child, **meta: Any) -> dict[str, Any]:
    group = child.resource.group
    version = child.resource.version
    body = {
        "apiVersion": f"{group}/{version}" if group else version,
        "kind": child.resource.kind,
        "metadata": {"name": child.name, "namespace": world.namespace, **meta},
        **child.theirs,
    }
    return await world.cluster.client.request(
        "POST", child.resource.path(world.namespace), body, params={"fieldManager": "theirs"}
    )


def what_is_theirs(body: dict[str, Any]) -> dict[str, Any]:
    """Return all but what the control plane itself writes."""
    kept = {name: part for name, part in body.items() if name not in {"status", "metadata"}}
    hidden = {"managedFields", "resourceVersion", "generation", "annotations"}
    meta = {name: part for name, part in body["metadata"].items() if name not in hidden}
    return {**kept, "metadata": meta}


@each_child
@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("seen", [False, True], ids=["unseen", "seen by the watch"])
async def test_an_object_of_our_name_that_is_not_ours_stays_as_it_is(
    world: World, child: Child, disguise: str, seen: bool
) -> None:
    namesake, other = await world.rollout(), await world.rollout("other")
    before = await make(world, child, **DISGUISES[disguise](namesake, other))
    ours = other if "not controlled" in disguise else replace(namesake, uid=STRANGER)
    rollout = replace(ours, key=namesake.key)
    if seen:
        await world.look(child.resource, child.name)
    for _ in range(2):
        with pytest.raises(NameConflictError, match=f"{child.resource.kind} {child.name}"):
            await child.write(world, rollout)
    after = await world.get(child.resource, child.name)
    assert what_is_theirs(after) == what_is_theirs(before)


@each_child
async def test_an_object_that_appears_while_we_look_stays_as_it_is(
    world: World, child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = await world.rollout()
    made: list[dict[str, Any]] = []
    look = Client.get

    async def look_too_early(
        client: Client, resource: Resource, namespace: str, name: str
    ) -> dict[str, Any]:
        try:
            return await look(client, resource, namespace, name)
        except NotFoundError:
            if (resource, name) == (child.resource, child.name) and not made:
                made.append(await make(world, child))
            raise

    if child.resource == RECORDS:  # is created, without a look before
        made.append(await make(world, child))
    monkeypatch.setattr(Client, "get", look_too_early)
    with pytest.raises((ConflictError, NameConflictError)):
        await child.write(world, rollout)
    with pytest.raises(NameConflictError):
        await child.write(world, rollout)
    after = await world.get(child.resource, child.name)
    assert what_is_theirs(after) == what_is_theirs(made[0])
