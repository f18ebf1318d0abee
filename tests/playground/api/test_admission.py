"""What only the embedded API has: the rights that were asked, and words for what it cannot do."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from canary_operator.playground.api import EmbeddedAPI, User, service_account
from canary_operator.playground.api.auth import ADMIN, Asked
from canary_operator.playground.client import (
    APPLY,
    DEPLOYMENTS,
    NAMESPACES,
    ApiStatusError,
    Client,
    Resource,
)

pytestmark = pytest.mark.asyncio
CONFIG_MAPS = Resource("configmaps")
ROLES = Resource("clusterroles", "rbac.authorization.k8s.io", namespaced=False)
BINDINGS = Resource("rolebindings", "rbac.authorization.k8s.io")
POLICIES = Resource("validatingadmissionpolicies", "admissionregistration.k8s.io", namespaced=False)
REVIEWS = Resource("selfsubjectaccessreviews", "authorization.k8s.io", namespaced=False)
WORKER = service_account("demo", "worker")


@pytest_asyncio.fixture
async def api() -> AsyncIterator[EmbeddedAPI]:
    async with EmbeddedAPI() as api:
        api.authorizer.enabled = True
        api.authorizer.tokens |= {"admin": ADMIN, "worker": WORKER}
        yield api


@pytest_asyncio.fixture
async def admin(api: EmbeddedAPI) -> AsyncIterator[Client]:
    async with Client(api.url, token="admin") as client:
        await client.create(NAMESPACES, {"metadata": {"name": "demo"}})
        yield client


@pytest_asyncio.fixture
async def worker(api: EmbeddedAPI, admin: Client) -> AsyncIterator[Client]:
    """A service account that may change ConfigMaps and Deployments, and finalize the former."""
    rules = [
        {
            "apiGroups": ["", "apps"],
            "resources": ["configmaps", "deployments"],
            "verbs": ["get", "create", "patch"],
        },
        {"apiGroups": [""], "resources": ["configmaps/finalizers"], "verbs": ["update"]},
    ]
    await admin.create(ROLES, {"metadata": {"name": "worker"}, "rules": rules})
    binding = {
        "metadata": {"name": "worker"},
        "roleRef": {"kind": "ClusterRole", "name": "worker"},
        "subjects": [{"kind": "ServiceAccount", "name": "worker", "namespace": "demo"}],
    }
    await admin.create(BINDINGS, binding, "demo")
    api.authorizer.forget()
    async with Client(api.url, token="worker") as client:
        yield client


def config_map(name: str, **meta: Any) -> dict[str, Any]:
    body = {"apiVersion": "v1", "kind": "ConfigMap"}
    return {**body, "metadata": {"name": name, "namespace": "demo", **meta}}


def asked(api: EmbeddedAPI, user: User = WORKER) -> set[tuple[str, str, bool]]:
    return {(a.verb, a.resource, a.granted) for a in api.authorizer.asked if a.user == user.name}


async def test_rights_are_recorded_as_they_are_asked(api: EmbeddedAPI, worker: Client) -> None:
    await worker.create(CONFIG_MAPS, config_map("a"), "demo")
    with pytest.raises(ApiStatusError, match="cannot delete"):
        await worker.delete(CONFIG_MAPS, "a", "demo")
    with pytest.raises(ApiStatusError, match="cannot get"):
        await worker.get(DEPLOYMENTS, "a", "demo", subresource="scale")
    assert asked(api) == {
        ("create", "configmaps", True),
        ("delete", "configmaps", False),
        ("get", "deployments/scale", False),
    }
    assert Asked(WORKER.name, "apps", "deployments/scale", "get", granted=False) in (
        api.authorizer.asked
    )
    api.authorizer.forget()
    assert api.authorizer.asked == set()


async def test_an_apply_asks_for_create_when_it_makes_the_object(
    api: EmbeddedAPI, worker: Client
) -> None:
    async def apply() -> set[tuple[str, str, bool]]:
        api.authorizer.forget()
        body = config_map("a")
        await worker.patch(CONFIG_MAPS, "a", body, "demo", ctype=APPLY, fieldManager="w")
        return asked(api)

    assert await apply() == {("patch", "configmaps", True), ("create", "configmaps", True)}
    assert await apply() == {("patch", "configmaps", True)}


async def test_a_blocking_owner_asks_for_its_finalizers(api: EmbeddedAPI, worker: Client) -> None:
    owner = await worker.create(CONFIG_MAPS, config_map("owner"), "demo")
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": True,
    }
    api.authorizer.forget()
    await worker.create(CONFIG_MAPS, config_map("child", ownerReferences=[reference]), "demo")
    assert asked(api) == {
        ("create", "configmaps", True),
        ("update", "configmaps/finalizers", True),
    }


async def test_questions_about_rights_are_no_use_of_them(api: EmbeddedAPI, worker: Client) -> None:
    attributes = {"verb": "delete", "resource": "configmaps", "namespace": "demo"}
    answer = await worker.create(REVIEWS, {"spec": {"resourceAttributes": attributes}})
    assert answer["status"]["allowed"] is False
    assert ("delete", "configmaps", False) not in asked(api)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}},
            "parameters of policies are unknown to the embedded API; write the values into the",
        ),
        (
            {"validations": [{"expression": "object.?data.orValue({}) == {}"}]},
            r"optional values \(`\.\?`, `orValue`\) are unknown to the embedded API; use `has\(\)`",
        ),
        (
            {"validations": [{"expression": "object.data ="}]},
            "compilation failed: ERROR: <input>:1:13: Syntax error",
        ),
    ],
)
async def test_what_policies_cannot_do_here_is_said(
    admin: Client, spec: dict[str, Any], words: str
) -> None:
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["*"],
        "resources": ["configmaps"],
    }
    base = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "true"}],
    }
    with pytest.raises(ApiStatusError, match=words):
        await admin.create(POLICIES, {"metadata": {"name": "p"}, "spec": {**base, **spec}})
