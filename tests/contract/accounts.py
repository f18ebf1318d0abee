"""Service accounts with a few rights, so that tests see the server as somebody who may not."""

from typing import Any

from tests.contract.kube import Kube

RBAC = "rbac.authorization.k8s.io"
BASE = f"/apis/{RBAC}/v1/namespaces/$NS"
ACCOUNTS = "/api/v1/namespaces/$NS/serviceaccounts"


def rule(group: str, resources: str, verbs: str, *names: str) -> dict[str, Any]:
    """Return a rule; resources and verbs are separated by spaces."""
    named = {"resourceNames": list(names)} if names else {}
    return {
        "apiGroups": [group],
        "resources": resources.split(),
        "verbs": verbs.split(),
        **named,
    }


def role(name: str, *rules: dict[str, Any]) -> dict[str, Any]:
    """Return a Role."""
    meta = {"name": name}
    return {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": list(rules)}


def role_binding(
    name: str, of: str, *, account: str = "worker", kind: str = "Role"
) -> dict[str, Any]:
    """Return a RoleBinding for a service account of the test's namespace."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": of},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "$NS"}],
    }


async def worker(kube_api: Kube, *rules: dict[str, Any], name: str = "worker") -> Kube:
    """Return the API as a service account with these rules sees it."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    await kube_api.create(ACCOUNTS, account)
    await kube_api.create(f"{BASE}/roles", role(name, *rules))
    await kube_api.create(f"{BASE}/rolebindings", role_binding(name, name, account=name))
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await kube_api.create(f"{ACCOUNTS}/{name}/token", request)
    assert answer.status == 201
    return kube_api.with_token(answer.body["status"]["token"])


async def grant(kube_api: Kube, name: str, *rules: dict[str, Any]) -> None:
    """Give the worker further rights."""
    await kube_api.create(f"{BASE}/roles", role(name, *rules))
    await kube_api.create(f"{BASE}/rolebindings", role_binding(name, name))


async def is_allowed(account: Kube, verb: str, resource: str, **about: str) -> bool:
    """Ask whether somebody may; the resource as in `apps/deployments`."""
    group, _, plural = resource.rpartition("/")
    asked = {"verb": verb, "group": group, "resource": plural, "namespace": "$NS", **about}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    answer = await account.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    assert answer.status == 201
    return bool(answer.body["status"]["allowed"])


async def until_allowed(account: Kube, verb: str, resource: str, **about: str) -> None:
    """Wait until somebody may; a real server learns of roles a moment later."""
    await account.until(lambda: is_allowed(account, verb, resource, **about))
