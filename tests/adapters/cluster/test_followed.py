"""Caches of a new leader are brought up to what the API server has."""

import pytest

from canary_operator.adapters.cluster.followed import Followed, catch_up
from canary_operator.adapters.cluster.resources import (
    DEPLOYMENTS,
    ROLLOUTS,
    SERVICES,
    VIRTUAL_SERVICES,
    Resource,
)
from canary_operator.domain.errors import ForbiddenError
from canary_operator.domain.objects import ROLLOUT_LABEL
from canary_operator.playground.api import Fault
from tests.adapters.cluster.world import World
from tests.support.clusters import EmbeddedCluster

LABELS = {ROLLOUT_LABEL: "web"}


def service(name: str, labels: dict[str, str]) -> dict[str, object]:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"ports": [{"port": 80}]}}


def followed(world: World, *resources: Resource) -> list[Followed]:
    return [Followed(resource, world.cache_of(resource)) for resource in resources]


async def test_what_no_watch_has_told_is_known_afterwards(world: World) -> None:
    old = await world.rollout()
    await world.cluster.client.request(
        "PATCH",
        ROLLOUTS.path(world.namespace, "web"),
        {"spec": {"replicas": 7}},
        ctype="application/merge-patch+json",
    )
    path = SERVICES.path(world.namespace)
    for name, labels in (("web", LABELS), ("foreign", {})):
        await world.cluster.client.request("POST", path, service(name, labels))
    assert world.rollout_now() == old
    await catch_up(world.client, followed(world, ROLLOUTS, SERVICES), [world.namespace])
    assert world.rollout_now().spec["replicas"] == 7
    assert world.caches.services.get(world.namespace, "web") is not None
    assert world.caches.services.get(world.namespace, "foreign") is None, "label selector"


async def test_what_is_gone_is_forgotten(world: World) -> None:
    await world.rollout()
    await world.rollout("api")
    await world.delete(ROLLOUTS, "web")
    assert len(world.caches.rollouts) == 2
    await catch_up(world.client, followed(world, ROLLOUTS), [world.namespace])
    assert [held.name for held in world.caches.rollouts] == ["api"]


async def test_a_kind_that_is_not_installed_is_empty(world: World) -> None:
    unknown = Resource("networking.istio.io", "v9", "virtualservices", "VirtualService")
    caches = [
        Followed(unknown, world.cache_of(VIRTUAL_SERVICES)),
        *followed(world, DEPLOYMENTS),
    ]
    await catch_up(world.client, caches, [world.namespace])
    assert len(world.caches.virtual_services) == 0


async def test_what_was_new_is_told(world: World) -> None:
    rollout = await world.rollout()
    caches = followed(world, ROLLOUTS, SERVICES)
    await catch_up(world.client, caches, [world.namespace])
    assert not await catch_up(world.client, caches, [world.namespace]), "it was looked at"
    await world.edit(ROLLOUTS, "web", {"spec": {"replicas": 5}})
    for _ in range(2):
        news = await catch_up(world.client, caches, [world.namespace])
        assert news == {rollout.key}, "as every event"
    await world.delete(ROLLOUTS, "web")
    assert await catch_up(world.client, caches, [world.namespace]) == {rollout.key}
    assert not await catch_up(world.client, caches, [world.namespace])


async def test_a_namespace_without_rights_holds_up_no_other(world: World) -> None:
    if not isinstance(world.cluster, EmbeddedCluster):
        pytest.skip("needs injected faults")
    await world.rollout()
    await world.rollout("api")
    await world.delete(ROLLOUTS, "api")
    gone = await world.cluster.namespace()
    words = 'User "op" cannot list resource "canaryrollouts" in API group "canary-operator.dev"'
    fault = Fault(verb="list", namespace=gone, status=403, message=words)
    world.cluster.api.faults.add(fault)
    await catch_up(world.client, followed(world, ROLLOUTS), [gone, world.namespace])
    assert [held.name for held in world.caches.rollouts] == ["web"]
    with pytest.raises(ForbiddenError):
        await catch_up(world.client, followed(world, ROLLOUTS), [gone])


async def test_a_kind_that_few_need_holds_up_nobody_without_its_right(world: World) -> None:
    if not isinstance(world.cluster, EmbeddedCluster):
        pytest.skip("needs injected faults")
    await world.rollout()
    await world.delete(ROLLOUTS, "web")
    words = 'User "op" cannot list resource "services" in API group ""'
    fault = Fault(
        verb="list", namespace=world.namespace, resource="services", status=403, message=words
    )
    world.cluster.api.faults.add(fault)
    rare = Followed(SERVICES, world.caches.services, optional=True)
    await catch_up(world.client, [*followed(world, ROLLOUTS), rare], [world.namespace])
    assert not len(world.caches.rollouts)
    with pytest.raises(ForbiddenError):
        await catch_up(world.client, followed(world, SERVICES), [world.namespace])
