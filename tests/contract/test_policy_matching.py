"""Which writes a ValidatingAdmissionPolicy and its binding are about."""

import pytest

from tests.contract.kube import Kube
from tests.contract.objects import CONFIG_MAPS, DEPLOYMENTS, config_map, deployment
from tests.contract.policies import EVERY_CONFIG_MAP, POLICIES, PROBE, Enforce, no, says

pytestmark = pytest.mark.asyncio


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
