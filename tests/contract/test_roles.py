"""Roles: what their rules must say, who may grant them, and those that every cluster has."""

from typing import Any

import pytest

from tests.contract.accounts import (
    BASE,
    RBAC,
    is_allowed,
    role,
    role_binding,
    rule,
    until_allowed,
    worker,
)
from tests.contract.kube import Kube

pytestmark = pytest.mark.asyncio
URLS = 'Invalid value: ["/x"]'


@pytest.mark.parametrize(
    ("wrong", "problems"),
    [
        (
            rule("", "configmaps", ""),
            ["verbs: Required value: verbs must contain at least one value"],
        ),
        (
            {"resources": ["configmaps"], "verbs": ["get"]},
            ["apiGroups: Required value: resource rules must supply at least one api group"],
        ),
        (
            {"apiGroups": [""], "verbs": ["get"]},
            ["resources: Required value: resource rules must supply at least one resource"],
        ),
        (
            {"nonResourceURLs": ["/x"], "verbs": ["get"]},
            [f"nonResourceURLs: {URLS}: namespaced rules cannot apply to non-resource URLs"],
        ),
        (
            {**rule("", "configmaps", "get"), "nonResourceURLs": ["/x"]},
            [
                f"nonResourceURLs: {URLS}: namespaced rules cannot apply to non-resource URLs",
                (
                    f"nonResourceURLs: {URLS}: rules cannot apply to both regular resources and "
                    "non-resource URLs"
                ),
            ],
        ),
    ],
)
async def test_a_rule_that_allows_nothing_is_refused(
    kube_api: Kube, wrong: dict[str, Any], problems: list[str]
) -> None:
    refused = await kube_api.create(f"{BASE}/roles", role("r", wrong))
    assert refused.status == 422
    found = [f"{field}: {message}" for field, _, message in refused.causes]
    assert found == [f"rules[0].{problem}" for problem in problems]


@pytest.mark.parametrize(
    ("name", "may", "may_not"),
    [
        ("view", ["get pods", "list apps/deployments"], ["get secrets", "create pods"]),
        (
            "edit",
            ["get pods", "create apps/deployments", "create services", "get secrets"],
            [f"create {RBAC}/roles", "create namespaces"],
        ),
        (
            "admin",
            ["get pods", "create apps/deployments", f"create {RBAC}/roles"],
            ["create namespaces"],
        ),
    ],
)
async def test_the_roles_for_people_build_on_each_other(
    kube_api: Kube, name: str, may: list[str], may_not: list[str]
) -> None:
    person = await worker(kube_api)
    await kube_api.create(f"{BASE}/rolebindings", role_binding(name, name, kind="ClusterRole"))
    for each in may:
        await until_allowed(person, *each.split())
    for each in may_not:
        assert not await is_allowed(person, *each.split()), each


async def test_nobody_grants_what_they_do_not_hold(kube_api: Kube) -> None:
    account = await worker(
        kube_api,
        rule(RBAC, "roles rolebindings", "create patch get"),
        rule("", "configmaps", "get patch"),
    )
    await until_allowed(account, "get", "configmaps")
    user = f"system:serviceaccount:{kube_api.namespace}:worker"
    groups = (
        f'"system:serviceaccounts" "system:serviceaccounts:{kube_api.namespace}" '
        '"system:authenticated"'
    )
    attempt = (
        f'is forbidden: user "{user}" (groups=[{groups}]) is attempting to grant RBAC permissions '
        "not currently held:\n"
    )
    held = role("held", rule("", "configmaps", "patch get"))
    assert (await account.create(f"{BASE}/roles", held)).status == 201
    wide = role("wide", rule("", "secrets configmaps", "get list", "q"), rule("apps", "*", "*"))
    refused = await account.create(f"{BASE}/roles", wide)
    assert refused.summary == (
        403,
        "Forbidden",
        (
            f'roles.rbac.authorization.k8s.io "wide" {attempt}'
            '{APIGroups:[""], Resources:["configmaps"], ResourceNames:["q"], Verbs:["list"]}\n'
            '{APIGroups:[""], Resources:["secrets"], ResourceNames:["q"], Verbs:["get" "list"]}\n'
            '{APIGroups:["apps"], Resources:["*"], Verbs:["*"]}'
        ),
    )
    widened = {"rules": [rule("apps", "deployments", "list")]}
    refused = await account.patch(f"{BASE}/roles/held", widened)
    assert refused.summary[2].endswith(
        '{APIGroups:["apps"], Resources:["deployments"], Verbs:["list"]}'
    )
    relabelled = {"metadata": {"labels": {"a": "b"}}}
    assert (await account.patch(f"{BASE}/roles/held", relabelled)).status == 200


async def test_nobody_binds_more_than_they_hold_unless_they_may_bind(kube_api: Kube) -> None:
    account = await worker(
        kube_api,
        rule(RBAC, "roles rolebindings", "create get"),
        rule(RBAC, "roles", "bind", "power"),
    )
    await until_allowed(account, "create", f"{RBAC}/rolebindings")
    await kube_api.create(f"{BASE}/roles", role("power", rule("apps", "deployments", "list")))
    await kube_api.create(f"{BASE}/roles", role("other", rule("apps", "daemonsets", "list")))

    async def may_bind() -> bool:
        bound = await account.create(f"{BASE}/rolebindings", role_binding("p", "power"))
        return bound.status == 201

    await kube_api.until(may_bind)
    refused = await account.create(f"{BASE}/rolebindings", role_binding("o", "other"))
    assert refused.summary[2].endswith(
        '{APIGroups:["apps"], Resources:["daemonsets"], Verbs:["list"]}'
    )
    missing = await account.create(f"{BASE}/rolebindings", role_binding("n", "nope"))
    assert missing.summary == (
        404,
        "NotFound",
        'rolebindings.rbac.authorization.k8s.io "nope" not found',
    )
    admin = role_binding("a", "cluster-admin", kind="ClusterRole")
    refused = await account.create(f"{BASE}/rolebindings", admin)
    assert refused.summary[2].endswith(
        '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}\n{NonResourceURLs:["*"], Verbs:["*"]}'
    )


async def test_who_may_escalate_grants_anything(kube_api: Kube) -> None:
    account = await worker(kube_api, rule(RBAC, "roles", "create escalate"))
    await until_allowed(account, "escalate", f"{RBAC}/roles")
    wide = role("wide", rule("apps", "deployments", "get"))
    assert (await account.create(f"{BASE}/roles", wide)).status == 201


async def test_a_role_gathers_the_rules_of_others_by_label(kube_api: Kube) -> None:
    account = await worker(kube_api)
    name = f"contract-gathered-{kube_api.namespace}"
    cluster_roles = f"/apis/{RBAC}/v1/clusterroles"
    gathering = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"{name}-all"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {name: "true"}}]},
    }
    part = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {name: "true"}},
        "rules": [rule("", "configmaps", "get")],
    }
    try:
        assert (await kube_api.create(cluster_roles, gathering)).status == 201
        assert (await kube_api.create(cluster_roles, part)).status == 201
        bound = role_binding("gathered", f"{name}-all", kind="ClusterRole")
        assert (await kube_api.create(f"{BASE}/rolebindings", bound)).status == 201
        await until_allowed(account, "get", "configmaps")
    finally:
        for each in (name, f"{name}-all"):
            await kube_api.delete(f"{cluster_roles}/{each}")
