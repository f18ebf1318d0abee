"""Policies for tests: made, waited for, and taken away again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.kube import Kube
from tests.contract.objects import CONFIG_MAPS, config_map

VERSION = "admissionregistration.k8s.io/v1"
POLICIES = f"/apis/{VERSION}/validatingadmissionpolicies"
BINDINGS = f"/apis/{VERSION}/validatingadmissionpolicybindings"
EVERY_CONFIG_MAP = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["*"],
    "resources": ["configmaps"],
}

PROBE = "probe"
ACTIVE = {
    "expression": f"!has(request.name) || request.name != '{PROBE}'",
    "message": "in force",
}
"""Comes first in every policy, so that tests can wait until a real server heeds it."""

Enforce = Callable[..., Awaitable[str]]


def policy(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    """Return a policy for ConfigMaps in a namespace, unless told otherwise."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    constraints = {"namespaceSelector": selector, "resourceRules": [EVERY_CONFIG_MAP]}
    return {
        "apiVersion": VERSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            **spec,
            "matchConstraints": {**constraints, **spec.get("matchConstraints", {})},
        },
    }


def binding(name: str, *actions: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": list(actions), **spec},
    }


@asynccontextmanager
async def enforcing(kube_api: Kube) -> AsyncIterator[Enforce]:
    """Bring policies into force; they end with the test, because a server keeps them for all."""
    names: list[str] = []

    async def enforced(
        *validations: dict[str, Any],
        actions: tuple[str, ...] = ("Deny",),
        bound: dict[str, Any] | None = None,
        **spec: Any,
    ) -> str:
        name = f"{kube_api.namespace}-{len(names)}"
        names.append(name)
        spec["validations"] = [ACTIVE, *validations]
        made = await kube_api.create(POLICIES, policy(name, kube_api.namespace, **spec))
        assert made.status == 201, made.body
        made = await kube_api.create(BINDINGS, binding(name, *actions, **(bound or {})))
        assert made.status == 201, made.body

        async def in_force() -> bool:
            tried = await kube_api.create(CONFIG_MAPS, config_map(PROBE), dryRun="All")
            return f"'{name}'" in str(tried.body) or bool(tried.warnings)

        await kube_api.until(in_force)
        return f"ValidatingAdmissionPolicy '{name}' with binding '{name}'"

    yield enforced
    for name in names:
        await asyncio.gather(
            kube_api.delete(f"{BINDINGS}/{name}"), kube_api.delete(f"{POLICIES}/{name}")
        )


def no(message: str = "no", **validation: Any) -> dict[str, Any]:
    return {"expression": "false", "message": message, **validation}


def says(expression: str) -> dict[str, Any]:
    """A validation that refuses everything with a text."""
    return {"expression": "false", "messageExpression": expression}
