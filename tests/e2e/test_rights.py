"""The operator under exactly the rights of `deploy/manifests`: enough, and nothing to spare."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest_asyncio
import yaml

from canary_operator.playground.api.requests import Request
from canary_operator.playground.client import APPLY, DEPLOYMENTS, Resource
from tests.support.bed import Bed, bed_around, condition, open_cluster, quick_spec, template
from tests.support.clusters import DEFINITION_FOLDERS, Cluster, eventually, load_definitions
from tests.support.counting import OPERATOR, WATCHES

ROOT = Path(__file__).parents[2]
MANIFESTS = (ROOT / "crds", ROOT / "deploy" / "manifests")
NAME = "canary-operator"
RBAC = "rbac.authorization.k8s.io"

RESOURCES = {
    "Namespace": Resource("namespaces", namespaced=False),
    "ServiceAccount": Resource("serviceaccounts"),
    "ClusterRole": Resource("clusterroles", RBAC, namespaced=False),
    "ClusterRoleBinding": Resource("clusterrolebindings", RBAC, namespaced=False),
    "Deployment": DEPLOYMENTS,
    "CustomResourceDefinition": Resource(
        "customresourcedefinitions", "apiextensions.k8s.io", namespaced=False
    ),
}

ANALYSIS = {"interval": "5s", "window": "2s", "failureLimit": 0, "minRequests": 5}

Right = tuple[str, str, str]
"""API group, resource with its subresource, verb."""

UNSEEN: dict[Right, str] = {
    ("canary-operator.dev", "canaryrollouts/finalizers", "update"): (
        "asked by the API server itself, for owner references that block a deletion"
    ),
    ("apps", "controllerrevisions", "get"): "a record of that name is there already",
    ("apps", "controllerrevisions", "delete"): "more than ten revisions",
    ("apps", "deployments", "create"): "an apply that creates asks for it, logged as a patch",
    ("", "services", "create"): "an apply that creates asks for it, logged as a patch",
    ("networking.istio.io", "virtualservices", "create"): (
        "an apply that creates asks for it, logged as a patch"
    ),
}
"""Rights that these scenarios do not use, and what does."""


def documents() -> Iterator[dict[str, Any]]:
    for path in sorted(itertools.chain.from_iterable(f.glob("*.yaml") for f in MANIFESTS)):
        yield from yaml.safe_load_all(path.read_text())


async def apply_all(cluster: Cluster) -> None:
    """Apply every document in its order, as `kubectl apply --server-side -f … -f …` does."""
    for document in documents():
        meta = document["metadata"]
        await cluster.client.patch(
            RESOURCES[document["kind"]],
            meta["name"],
            document,
            meta.get("namespace"),
            ctype=APPLY,
            fieldManager="kubectl",
        )


def granted() -> set[Right]:
    role = next(d for d in documents() if d["kind"] == "ClusterRole")
    return {
        right
        for rule in role["rules"]
        for right in itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"])
    }


def right_of(request: Request) -> Right:
    resource = "/".join(filter(None, (request.resource, request.subresource)))
    return request.group, resource, request.verb


@pytest_asyncio.fixture
async def bed(tmp_path: Path) -> AsyncIterator[Bed]:
    """A bed whose operator is the ServiceAccount of the manifests."""
    _, istio = DEFINITION_FOLDERS
    async with open_cluster(tmp_path, istio) as cluster:
        await apply_all(cluster)
        await load_definitions(cluster.client, ROOT / "crds")  # waits until they are served
        access = await cluster.service_account(NAME, NAME)
        kubeconfig = access.write_kubeconfig(tmp_path / "operator.kubeconfig")
        cluster.forget_requests()
        async with bed_around(cluster, tmp_path, kubeconfig) as bed:
            yield bed


async def test_the_manifests_grant_what_is_used_and_no_more(bed: Bed) -> None:
    release = await bed.release(analysis=ANALYSIS)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    await bed.client.delete(DEPLOYMENTS, "web-canary", release.namespace)  # and it comes back
    await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    await release.apply(analysis={**ANALYSIS, "minRequests": 6})
    await release.until(lambda s: s["observedGeneration"] == 3)
    release.traffic.canary.error_rate = 1.0
    await release.apply(template=template("v3"))
    await release.until_phase("RolledBack")
    await release.ask("pause")
    await release.until_request_answered("Refused")
    crashing = await bed.release(
        "looping", strategy={**quick_spec()["strategy"], "progressDeadline": "3s"}
    )
    await crashing.apply(template=template("crash"))
    status = await crashing.until_phase("RolledBack")
    assert "CrashLoopBackOff" in status["message"]  # so pods are seen
    assert condition(status, "Ready")["reason"] == "RolledBack"

    log = bed.cluster.requests()
    asked = [r for agent in (OPERATOR, WATCHES) for r in log.matching(user_agent=agent)]
    assert {r.user for r in asked if r.user} == {f"system:serviceaccount:{NAME}:{NAME}"}
    assert [request for request in asked if request.code in {401, 403}] == []
    used = {right_of(request) for request in asked if request.resource}
    assert granted() - used - UNSEEN.keys() == set(), "granted and never used"
    assert used - granted() == set(), "used and never granted"
    assert UNSEEN.keys() - granted() == set(), "explained and not granted"
    assert UNSEEN.keys() & used == set(), "explained and used"


async def test_one_apply_on_an_empty_cluster_runs_the_operator(tmp_path: Path) -> None:
    async with open_cluster(tmp_path) as cluster:
        await apply_all(cluster)

        async def available() -> bool:
            found = await cluster.client.get(DEPLOYMENTS, NAME, NAME)
            return bool(found.get("status", {}).get("availableReplicas") == 1)

        await eventually(available)
