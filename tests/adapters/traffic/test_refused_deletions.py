"""Objects beside a route that are not wanted any more, and that somebody's policy keeps."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from canary_operator.adapters.cluster.resources import (
    DESTINATION_RULES,
    SERVICES,
    VIRTUAL_SERVICES,
    Resource,
)
from canary_operator.adapters.traffic import istio_group
from canary_operator.adapters.traffic.istio import IstioRouter
from canary_operator.domain.errors import RouterUnavailableError
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.target import RouteTarget
from canary_operator.playground.client_errors import ApiStatusError
from tests.adapters.cluster.world import World, spec_of
from tests.support.clusters import eventually

ADMISSION = "admissionregistration.k8s.io/v1"
POLICIES = f"/apis/{ADMISSION}/validatingadmissionpolicies"
BINDINGS = f"/apis/{ADMISSION}/validatingadmissionpolicybindings"
WORDS = "Nothing is deleted at night."


def for_everybody() -> RolloutSpec:
    return spec_of()


def with_mesh_policy() -> RolloutSpec:
    return spec_of(traffic={"istio": {"trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}}})


def focused() -> RolloutSpec:
    return spec_of(strategy={"match": [{"headers": {"x-a": {}}}]})


@asynccontextmanager
async def nothing_may_be_deleted(world: World, kept: Resource, name: str) -> AsyncIterator[None]:
    """Let an admission policy forbid deletions in the namespace, as an administrator may."""
    request, policy = world.cluster.client.request, f"kept-{world.namespace}"
    group = {"apiGroups": [kept.group], "apiVersions": [kept.version]}
    rule = {**group, "operations": ["DELETE"], "resources": [kept.plural]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}}
    body = {
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": policy},
        "spec": {
            "matchConstraints": {"namespaceSelector": selector, "resourceRules": [rule]},
            "validations": [{"expression": "false", "message": WORDS}],
        },
    }
    binding = {
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": policy},
        "spec": {"policyName": policy, "validationActions": ["Deny"]},
    }
    await request("POST", POLICIES, body)
    await request("POST", BINDINGS, binding)

    async def is_refused() -> bool:
        path = kept.path(world.namespace, name)
        try:
            await request("DELETE", path, params={"dryRun": "All"})
        except ApiStatusError as error:
            return WORDS in str(error)
        return False

    try:
        await eventually(is_refused)
        yield
    finally:
        await request("DELETE", f"{BINDINGS}/{policy}")
        await request("DELETE", f"{POLICIES}/{policy}")


@pytest.fixture
def router(world: World, monkeypatch: pytest.MonkeyPatch) -> IstioRouter:
    monkeypatch.setattr(istio_group, "SETTLING_SECONDS", -1.0)
    return IstioRouter(world.client, world.caches, namespaces=(world.namespace,))


@pytest.mark.parametrize(
    ("before", "kept", "name"),
    [
        pytest.param(with_mesh_policy, DESTINATION_RULES, "web-stable", id="a DestinationRule"),
        pytest.param(focused, SERVICES, "web-match", id="the Service of a group"),
    ],
)
async def test_a_refused_deletion_is_told_and_tried_again_and_the_route_is_told_all_the_same(
    world: World,
    router: IstioRouter,
    before: Callable[[], RolloutSpec],
    kept: Resource,
    name: str,
) -> None:
    rollout, after = await world.rollout(), for_everybody()
    for _ in range(2):
        await router.set(rollout, before(), RouteTarget(20))
    async with nothing_may_be_deleted(world, kept, name):
        for weight in (20, 0, 0):
            with pytest.raises(RouterUnavailableError, match=WORDS) as said:
                await router.set(rollout, after, RouteTarget(weight))
            assert said.value.message.startswith(f"{kept.kind} {name} is not wanted any more")
            assert router.state(rollout, after).weight == weight
        await world.delete(VIRTUAL_SERVICES, "web", seen=True)
        with pytest.raises(RouterUnavailableError, match=WORDS):
            await router.set(rollout, after, RouteTarget(0))
        assert router.state(rollout, after).exists, "what is kept does not keep the route out"

    async def is_gone() -> bool:
        try:
            await router.set(rollout, after, RouteTarget(0))
        except RouterUnavailableError:
            return False  # a real server goes on for a moment
        return True

    await eventually(is_gone)
    listed: Any = await world.cluster.client.request("GET", kept.path(world.namespace))
    assert name not in {one["metadata"]["name"] for one in listed["items"]}
    world.calls.clear()
    await router.set(rollout, after, RouteTarget(0))
    assert not world.calls


@pytest.mark.parametrize(
    ("before", "kept", "name"),
    [
        pytest.param(with_mesh_policy, DESTINATION_RULES, "web-canary", id="a DestinationRule"),
        pytest.param(focused, SERVICES, "web-match", id="the Service of a group"),
    ],
)
async def test_what_somebody_deleted_before_is_no_trouble(
    world: World,
    router: IstioRouter,
    before: Callable[[], RolloutSpec],
    kept: Resource,
    name: str,
) -> None:
    rollout = await world.rollout()
    for _ in range(2):
        await router.set(rollout, before(), RouteTarget(0))
    await world.delete(kept, name)  # and the watch has not told
    for _ in range(2):
        await router.set(rollout, for_everybody(), RouteTarget(0))
    world.calls.clear()
    await router.set(rollout, for_everybody(), RouteTarget(0))
    assert not world.calls
