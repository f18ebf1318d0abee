"""The operator's identity in tests: a ServiceAccount with the rights of the manifests."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from canary_operator.playground.api.auth import ADMIN
from canary_operator.playground.client import APPLY, DEPLOYMENTS, Manifest, Resource
from tests.support.clusters import DEFINITIONS, Cluster, EmbeddedCluster
from tests.support.realplane import Access

MANIFESTS = Path(__file__).parents[2] / "deploy" / "manifests"
RBAC = "rbac.authorization.k8s.io"
ADMISSION = "admissionregistration.k8s.io"

RESOURCES = {
    "Namespace": Resource("namespaces", namespaced=False),
    "ServiceAccount": Resource("serviceaccounts"),
    "ClusterRole": Resource("clusterroles", RBAC, namespaced=False),
    "ClusterRoleBinding": Resource("clusterrolebindings", RBAC, namespaced=False),
    "Role": Resource("roles", RBAC),
    "RoleBinding": Resource("rolebindings", RBAC),
    "Deployment": DEPLOYMENTS,
    "Service": Resource("services"),
    "PodDisruptionBudget": Resource("poddisruptionbudgets", "policy"),
    "CustomResourceDefinition": DEFINITIONS,
    "ValidatingAdmissionPolicy": Resource(
        "validatingadmissionpolicies", ADMISSION, namespaced=False
    ),
    "ValidatingAdmissionPolicyBinding": Resource(
        "validatingadmissionpolicybindings", ADMISSION, namespaced=False
    ),
}
"""Kinds in the manifests."""

KINDS_OF_RIGHTS = (
    "Namespace",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
)


@dataclass(frozen=True)
class Account:
    """A ServiceAccount, and how to act as it."""

    user: str
    access: Access


def manifests(*kinds: str, folder: Path = MANIFESTS) -> list[Manifest]:
    """Return the objects of the manifests, in their order; all where no kind is named."""
    return [each for each in _documents(folder) if not kinds or each["kind"] in kinds]


@cache
def _documents(folder: Path) -> tuple[Manifest, ...]:
    paths = sorted(folder.glob("*.yaml"))
    return tuple(each for path in paths for each in yaml.safe_load_all(path.read_text()) if each)


async def apply_all(cluster: Cluster, documents: Sequence[Manifest]) -> None:
    """Apply every document in its order, as `kubectl apply --server-side -f …` does."""
    for document in documents:
        meta = document["metadata"]
        await cluster.client.patch(
            RESOURCES[document["kind"]],
            meta["name"],
            document,
            meta.get("namespace"),
            ctype=APPLY,
            fieldManager="kubectl",
        )


async def give_rights(cluster: Cluster, documents: Sequence[Manifest]) -> Account:
    """Apply rights, and return the ServiceAccount that is bound to them.

    On the embedded API rights matter from now on; there, whoever sends no token stays the
    administrator, since kubectl sends none over plain HTTP.
    """
    await apply_all(cluster, documents)
    meta: dict[str, Any] = next(d["metadata"] for d in documents if d["kind"] == "ServiceAccount")
    namespace, name = meta["namespace"], meta["name"]
    if isinstance(cluster, EmbeddedCluster):
        cluster.api.authorizer.nobody = ADMIN
    access = await cluster.service_account(namespace, name)
    return Account(f"system:serviceaccount:{namespace}:{name}", access)
