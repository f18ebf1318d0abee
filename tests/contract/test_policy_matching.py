"""Which writes a ValidatingAdmissionPolicy and its binding are about."""

from typing import Any

import pytest

from tests.contract.kube import Kube
from tests.contract.objects import (
    CONFIG_MAPS,
    CORE_EVENTS,
    DEPLOYMENTS,
    EVENTS,
    config_map,
    deployment,
    event,
)
from tests.contract.policies import EVERY_CONFIG_MAP, POLICIES, PROBE, Enforce, no, says

pytestmark = pytest.mark.asyncio


def core_event() -> dict[str, Any]:
    """Return an Event as the core group has it."""
    about = {"kind": "Pod", "name": "p", "namespace": "$NS"}
    meta = {"name": "core"}
    body = {"apiVersion": "v1", "kind": "Event", "metadata": meta, "involvedObject": about}
    return {**body, "reason": "Because", "message": "hello", "source": {"component": "c"}}


async def test_conditions_say_what_a_policy_is_about(kube_api: Kube, enforce: Enforce) -> None:
    about = f"object != null && object.metadata.name in ['{PROBE}', 'mine']"
    await enforce(no(), matchConditions=[{"name": "mine", "expression": about}])
    assert (await kube_api.create(CONFIG_MAPS, config_map("mine"))).status == 422
    assert (await kube_api.create(CONFIG_MAPS, config_map("yours"))).status == 201


async def test_a_condition_that_fails_denies(kube_api: Kube, enforce: Enforce) -> None:
    fails = f"object.metadata.name == '{PROBE}' || object.data.zzz == 'a'"
    who = await enforce(no(), matchConditions=[{"name": "fails", "expression": fails}])
    refused = await kube_api.create(CONFIG_MAPS, config_map(data={"a": "b"}))
    assert refused.body["message"].endswith(
        f"{who} denied request: expression '{fails}' resulted in error: no such key: zzz"
    )


@pytest.mark.parametrize(
    ("resources", "names", "refused"),
    [
        pytest.param(["deployments"], [], {"main"}, id="the main door only"),
        pytest.param(["deployments/scale"], [], {"scale"}, id="one other door"),
        pytest.param(["deployments/*"], [], {"main", "scale", "status"}, id="every door"),
        pytest.param(["*/status"], [], {"status"}, id="one door of everything"),
        pytest.param(["*"], [], {"main"}, id="the main door of everything"),
        pytest.param(["*/*"], [], {"main", "scale", "status"}, id="everything"),
        pytest.param(["deployments"], ["y"], set(), id="another name"),
        pytest.param(["deployments"], ["x"], {"main"}, id="this name"),
    ],
)
async def test_resources_name_doors(
    kube_api: Kube, enforce: Enforce, resources: list[str], names: list[str], refused: set[str]
) -> None:
    await kube_api.create(DEPLOYMENTS, deployment())
    about = {
        "apiGroups": ["apps"],
        "apiVersions": ["*"],
        "operations": ["UPDATE"],
        "resources": resources,
        **({"resourceNames": names} if names else {}),
    }
    kinds = {"main": "Deployment", "scale": "Scale", "status": "Deployment"}
    await enforce(
        says("object.kind + ' ' + (has(request.subResource) ? request.subResource : 'main')"),
        matchConstraints={"resourceRules": [EVERY_CONFIG_MAP, about]},
    )
    changes = {
        "main": await kube_api.patch(f"{DEPLOYMENTS}/x", {"metadata": {"labels": {"a": "b"}}}),
        "scale": await kube_api.patch(f"{DEPLOYMENTS}/x/scale", {"spec": {"replicas": 2}}),
        "status": await kube_api.patch(f"{DEPLOYMENTS}/x/status", {"status": {"replicas": 3}}),
    }
    assert {door for door, answer in changes.items() if answer.status == 422} == refused
    for door in refused:
        assert changes[door].body["message"].endswith(f"denied request: {kinds[door]} {door}")


async def test_labels_of_the_object_before_and_after_select(
    kube_api: Kube, enforce: Enforce
) -> None:
    guarded = {"guarded": "true"}
    await kube_api.create(CONFIG_MAPS, config_map("was", labels=guarded))
    selector = {"matchExpressions": [{"key": "guarded", "operator": "Exists"}]}
    name = await enforce(no())
    name = name.split("'")[1]
    patched = {"spec": {"matchConstraints": {"objectSelector": selector}}}
    assert (await kube_api.patch(f"{POLICIES}/{name}", patched)).status == 200

    async def free() -> bool:
        return (await kube_api.create(CONFIG_MAPS, config_map("a"), dryRun="All")).status == 201

    await kube_api.until(free)
    assert (await kube_api.create(CONFIG_MAPS, config_map("b", labels=guarded))).status == 422
    unlabelled = {"metadata": {"labels": None}}
    assert (await kube_api.patch(f"{CONFIG_MAPS}/was", unlabelled)).status == 422


async def test_a_binding_narrows_its_policy(kube_api: Kube, enforce: Enforce) -> None:
    only = {**EVERY_CONFIG_MAP, "operations": ["CREATE"]}
    await enforce(no(), bound={"matchResources": {"resourceRules": [only]}})
    assert (await kube_api.create(CONFIG_MAPS, config_map())).status == 422
    assert (await kube_api.delete(f"{CONFIG_MAPS}/kube-root-ca.crt")).status in (200, 404)


async def test_excluded_rules_and_scopes_take_away(kube_api: Kube, enforce: Enforce) -> None:
    mine = {**EVERY_CONFIG_MAP, "resourceNames": ["free"]}
    await enforce(no(), matchConstraints={"excludeResourceRules": [mine]})
    assert (await kube_api.create(CONFIG_MAPS, config_map("free"))).status == 201
    assert (await kube_api.create(CONFIG_MAPS, config_map("other"))).status == 422


async def test_other_versions_of_a_resource_match_as_the_one_that_is_named(
    kube_api: Kube, enforce: Enforce
) -> None:
    core = {**EVERY_CONFIG_MAP, "resources": ["events"]}
    seen = (
        "request.resource.group + '|' + request.requestResource.group + '|' + "
        "string(has(object.message)) + string(has(object.note))"
    )
    await enforce(
        {"expression": "object.kind != 'Event'", "messageExpression": seen},
        matchConstraints={"resourceRules": [EVERY_CONFIG_MAP, core]},
    )
    refused = await kube_api.create(EVENTS, event())
    assert refused.body["message"].endswith("denied request: |events.k8s.io|truefalse")
    refused = await kube_api.create(CORE_EVENTS, core_event())
    assert refused.body["message"].endswith("denied request: ||truefalse")


async def test_an_exact_policy_matches_no_other_version(kube_api: Kube, enforce: Enforce) -> None:
    core = {**EVERY_CONFIG_MAP, "resources": ["events"]}
    await enforce(
        {"expression": "object.kind != 'Event'"},
        matchConstraints={"resourceRules": [EVERY_CONFIG_MAP, core], "matchPolicy": "Exact"},
    )
    assert (await kube_api.create(EVENTS, event())).status == 201
    assert (await kube_api.create(CORE_EVENTS, core_event())).status == 422


async def test_a_policy_sees_every_object_of_a_deleted_collection(
    kube_api: Kube, enforce: Enforce
) -> None:
    for name in ("a", "b"):
        await kube_api.create(CONFIG_MAPS, config_map(name, labels={"of": "test"}))
    guarded = "oldObject == null || oldObject.metadata.name != 'b'"
    who = await enforce({"expression": guarded, "message": "b stays"})
    refused = await kube_api.delete(CONFIG_MAPS, labelSelector="of=test")
    assert refused.summary[2] == f'configmaps "Unknown" is forbidden: {who} denied request: b stays'
    assert (await kube_api.get(f"{CONFIG_MAPS}/b")).status == 200
