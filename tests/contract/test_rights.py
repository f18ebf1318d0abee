"""RBAC: what a service account may do follows from stored roles and bindings."""

from typing import Any

import pytest

from tests.contract.kube import Kube
from tests.contract.objects import CONFIG_MAPS, DEPLOYMENTS, config_map

pytestmark = pytest.mark.asyncio
RBAC = "rbac.authorization.k8s.io"
BASE = f"/apis/{RBAC}/v1/namespaces/$NS"
ACCOUNTS = "/api/v1/namespaces/$NS/serviceaccounts"


async def worker(kube_api: Kube, *rules: dict[str, Any]) -> Kube:
    """Return the API as a service account with these rules sees it."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "worker"}}
    await kube_api.create(ACCOUNTS, account)
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": "worker"}}
    await kube_api.create(f"{BASE}/roles", {**role, "rules": list(rules)})
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "worker"},
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "worker"},
        "subjects": [{"kind": "ServiceAccount", "name": "worker", "namespace": "$NS"}],
    }
    await kube_api.create(f"{BASE}/rolebindings", binding)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await kube_api.create(f"{ACCOUNTS}/worker/token", request)
    assert answer.status == 201
    return kube_api.with_token(answer.body["status"]["token"])


async def test_without_a_rule_nothing_is_allowed(kube_api: Kube) -> None:
    account = await worker(kube_api)
    user = f"system:serviceaccount:{kube_api.namespace}:worker"
    where = f'in the namespace "{kube_api.namespace}"'
    assert (await account.get(f"{CONFIG_MAPS}/c")).summary == (
        403,
        "Forbidden",
        (
            f'configmaps "c" is forbidden: User "{user}" cannot get resource "configmaps" in API '
            f'group "" {where}'
        ),
    )
    refused = await account.patch(f"{DEPLOYMENTS}/x/scale", {"spec": {"replicas": 1}})
    assert refused.summary == (
        403,
        "Forbidden",
        (
            f'deployments.apps "x" is forbidden: User "{user}" cannot patch resource '
            f'"deployments/scale" in API group "apps" {where}'
        ),
    )
    listed = await account.get("/apis/apps/v1/deployments")
    assert listed.summary == (
        403,
        "Forbidden",
        (
            f'deployments.apps is forbidden: User "{user}" cannot list resource "deployments" '
            f"in API "
            'group "apps" at the cluster scope'
        ),
    )


async def test_a_rule_allows_its_verbs_on_its_resources(kube_api: Kube) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "get"]}
    account = await worker(kube_api, rule)

    async def may_create() -> bool:
        return (await account.create(CONFIG_MAPS, config_map())).status != 403

    await kube_api.until(may_create)
    assert (await account.get(f"{CONFIG_MAPS}/c")).status == 200
    assert (await account.delete(f"{CONFIG_MAPS}/c")).status == 403
    assert (await account.get(CONFIG_MAPS)).status == 403


async def test_a_rule_may_name_objects(kube_api: Kube) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
    account = await worker(kube_api, {**rule, "resourceNames": ["c"]})
    await kube_api.create(CONFIG_MAPS, config_map())

    async def may_read() -> bool:
        return (await account.get(f"{CONFIG_MAPS}/c")).status == 200

    await kube_api.until(may_read)
    assert (await account.get(f"{CONFIG_MAPS}/d")).status == 403


async def test_somebody_unknown(kube_api: Kube) -> None:
    answer = await kube_api.with_token("no-such-token").get(CONFIG_MAPS)
    assert answer.summary == (401, "Unauthorized", "Unauthorized")


async def test_reviews_answer_what_one_may(kube_api: Kube) -> None:
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}
    account = await worker(kube_api, rule)
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    async def allowed(verb: str) -> bool:
        asked = {"verb": verb, "group": "apps", "resource": "deployments", "namespace": "$NS"}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        answer = await account.create(path, body)
        assert answer.status in (201, 403)
        return answer.status == 201 and bool(answer.body["status"]["allowed"])

    await kube_api.until(lambda: allowed("get"))
    assert not await allowed("delete")
