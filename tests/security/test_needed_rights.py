"""Rights that no log of requests shows: taken away one by one, each is missed, and named."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from kubernetes.aio.client.configuration import Configuration

from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.resources import PODS
from canary_operator.adapters.traffic.istio import IstioRouter
from canary_operator.domain.errors import ForbiddenError
from canary_operator.domain.target import Bounds, RouteTarget, TrackTarget
from canary_operator.playground.client import Manifest
from canary_operator.ports import Accepted, Rollout
from tests.adapters.cluster.world import TEMPLATE, World, spec_of
from tests.support.clusters import Cluster, eventually
from tests.support.rights import KINDS_OF_RIGHTS, give_rights, manifests

Write = Callable[[World, Rollout], Coroutine[Any, Any, Any]]

SEPARATE = {"ClusterRole", "ClusterRoleBinding", "ServiceAccount"}
"""Kinds that this test has for itself: on a shared control plane others use the real ones."""


async def write_deployment(world: World, rollout: Rollout) -> None:
    await world.workloads.ensure_track(rollout, "stable", TrackTarget("r1", 1), TEMPLATE)


async def anchor_deployment(world: World, rollout: Rollout) -> None:
    """Give a Deployment that is there a second owner."""
    await write_deployment(world, rollout)
    await world.rollouts.anchor(rollout)
    anchor = world.caches.records.get(world.namespace, f"web-{rollout.uid}")
    assert anchor is not None
    await write_deployment(world, replace(rollout, anchor=anchor.uid))


async def write_services(world: World, rollout: Rollout) -> None:
    await world.workloads.ensure_services(rollout, spec_of())


async def write_route(world: World, rollout: Rollout) -> None:
    await IstioRouter(world.client, world.caches).set(rollout, spec_of(), RouteTarget(0))


async def write_policy(world: World, rollout: Rollout) -> None:
    policy = {"istio": {"trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}}}
    await IstioRouter(world.client, world.caches).set(
        rollout, spec_of(traffic=policy), RouteTarget(0)
    )


async def write_autoscaler(world: World, rollout: Rollout) -> None:
    spec = spec_of(autoscaling={"maxReplicas": 3})
    await world.workloads.ensure_autoscaler(rollout, "stable", Bounds(1, 3), spec)


async def write_record(world: World, rollout: Rollout) -> None:
    await world.workloads.remember(rollout, Accepted("r1", TEMPLATE, {"service": {}}, 1))


def rights_without(resource: str, verb: str, name: str) -> list[Manifest]:
    """Return the operator's rights under another name, less one."""
    documents = deepcopy(manifests(*KINDS_OF_RIGHTS))
    kept = [d for d in documents if d["kind"] in SEPARATE or d["kind"] == "Namespace"]
    kept = [d for d in kept if d["metadata"]["name"] == "canary-operator"]
    for document in kept:
        if document["kind"] in SEPARATE:
            document["metadata"]["name"] = name
        for part in (document.get("roleRef"), *document.get("subjects", ())):
            if part:
                part["name"] = name
        if "rules" in document:
            lesser = (_without(rule, resource, verb) for rule in document["rules"])
            document["rules"] = [rule for rule in lesser if rule["verbs"]]
    return kept


def _without(rule: dict[str, Any], resource: str, verb: str) -> dict[str, Any]:
    if resource not in rule["resources"]:
        return rule
    assert verb in rule["verbs"]
    return {**rule, "verbs": [one for one in rule["verbs"] if one != verb]}


@asynccontextmanager
async def acting_with(world: World, rights: list[Manifest]) -> AsyncIterator[World]:
    """Yield the same world, but with a client that has these rights."""
    account = await give_rights(world.cluster, rights)
    configuration = Configuration(host=world.cluster.url)
    if account.access.ca_file:
        configuration.ssl_ca_cert = str(account.access.ca_file)
    configuration.api_key["BearerToken"] = f"Bearer {account.access.token}"
    async with Client(configuration) as client:
        lesser = World(world.cluster, world.namespace, client, world.calls)
        lesser.caches.rollouts = world.caches.rollouts
        await eventually(lambda: is_known(lesser))
        yield lesser


async def is_known(world: World) -> bool:
    """Whether the API server has taken note of the rights, which a real one does after a moment."""
    try:
        await anext(world.client.list(PODS, world.namespace), None)
    except ForbiddenError:
        return False
    return True


@pytest.mark.parametrize(
    ("resource", "verb", "write", "missed"),
    [
        pytest.param(
            "deployments", "create", write_deployment, "create deployments.apps", id="Deployments"
        ),
        pytest.param(
            "deployments",
            "delete",
            anchor_deployment,
            "delete deployments.apps",
            id="ownerReferences of Deployments",
        ),
        pytest.param("services", "create", write_services, "create services", id="Services"),
        pytest.param(
            "virtualservices",
            "create",
            write_route,
            "create virtualservices.networking.istio.io",
            id="VirtualServices",
        ),
        pytest.param(
            "destinationrules",
            "create",
            write_policy,
            "create destinationrules.networking.istio.io",
            id="DestinationRules",
        ),
        pytest.param(
            "horizontalpodautoscalers",
            "create",
            write_autoscaler,
            "create horizontalpodautoscalers.autoscaling",
            id="HorizontalPodAutoscalers",
        ),
        *(
            pytest.param(
                "canaryrollouts/finalizers",
                "update",
                write,
                "lacks the right to update canaryrollouts/finalizers",
                id=f"owning {name}",
            )
            for name, write in (
                ("Deployments", write_deployment),
                ("Services", write_services),
                ("HorizontalPodAutoscalers", write_autoscaler),
                ("VirtualServices", write_route),
                ("ControllerRevisions", write_record),
            )
        ),
    ],
)
async def test_a_right_that_is_taken_away_is_missed_and_named(
    world: World, resource: str, verb: str, write: Write, missed: str
) -> None:
    rollout = await world.rollout()
    name = f"lesser-{world.namespace}"
    async with acting_with(world, rights_without(resource, verb, name)) as lesser:
        with pytest.raises(ForbiddenError) as refused:
            await write(lesser, rollout)
    assert missed in refused.value.message
    await write(world, rollout)  # with all rights it works


async def test_with_all_rights_nothing_is_missed(world: World, cluster: Cluster) -> None:
    rollout = await world.rollout()
    async with acting_with(world, manifests(*KINDS_OF_RIGHTS)) as operator:
        for write in (write_record, write_deployment, write_services, write_route):
            await write(operator, rollout)
    assert cluster.denied("system:serviceaccount:canary-operator:canary-operator") == set()
