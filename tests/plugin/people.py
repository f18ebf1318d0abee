"""People who run commands: an administrator, and somebody who may do only this and that."""

from pathlib import Path
from typing import Any

from canary_operator.playground.client import Resource
from tests.plugin.running import Plugin
from tests.support.clusters import Cluster

RBAC = "rbac.authorization.k8s.io"
ACCOUNTS = Resource("serviceaccounts")
ROLES = Resource("roles", RBAC)
BINDINGS = Resource("rolebindings", RBAC)

NAME = "somebody"


def rule(verbs: str, resource: str = "canaryrollouts", group: str = "canary-operator.dev") -> Any:
    """Return a rule; `verbs` are separated by blanks."""
    return {"apiGroups": [group], "resources": [resource], "verbs": verbs.split()}


async def somebody(cluster: Cluster, namespace: str, folder: Path, *rules: Any) -> Plugin:
    """Return commands of somebody who may do in one namespace what the rules say."""
    client = cluster.client
    await client.create(ACCOUNTS, {"metadata": {"name": NAME}}, namespace)
    await client.create(ROLES, {"metadata": {"name": NAME}, "rules": [*rules]}, namespace)
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": namespace}
    binding = {
        "metadata": {"name": NAME},
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": NAME},
        "subjects": [subject],
    }
    await client.create(BINDINGS, binding, namespace)
    access = await cluster.service_account(namespace, NAME)
    return Plugin(access.write_kubeconfig(folder / f"{NAME}.kubeconfig"), namespace)
