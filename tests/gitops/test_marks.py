"""Marks that tools leave on a CanaryRollout stay there: a child that had them would be pruned."""

import json
from typing import Any

import pytest

from canary_operator.playground.client import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    Resource,
)
from tests.gitops.tools import KubectlApply
from tests.support.bed import VIRTUAL_SERVICES, Bed, Release, condition, quick_spec, template
from tests.support.clusters import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

RECORDS = Resource("controllerrevisions", "apps")
OWN = (DEPLOYMENTS, SERVICES, VIRTUAL_SERVICES, RECORDS)
THEIRS = (REPLICA_SETS, PODS, ENDPOINT_SLICES)
"""Made by Kubernetes from what the operator makes."""

LABELS = (
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/name",
    "argocd.argoproj.io/instance",
    "helm.sh/chart",
    "helm.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/namespace",
    "kustomize.toolkit.fluxcd.io/name",
    "kustomize.toolkit.fluxcd.io/namespace",
)
ANNOTATIONS = (
    "argocd.argoproj.io/compare-options",
    "argocd.argoproj.io/installation-id",
    "argocd.argoproj.io/sync-options",
    "argocd.argoproj.io/sync-wave",
    "argocd.argoproj.io/tracking-id",
    "config.kubernetes.io/origin",
    "kustomize.toolkit.fluxcd.io/prune",
    "kustomize.toolkit.fluxcd.io/ssa",
    "meta.helm.sh/release-name",
    "meta.helm.sh/release-namespace",
)
MARK = "left-by-a-tool"


class Marking(KubectlApply):
    """Every tool at once."""

    labels = dict.fromkeys(LABELS, MARK)
    annotations = dict.fromkeys(ANNOTATIONS, MARK)


def without_managed_fields(child: dict[str, Any]) -> dict[str, Any]:
    meta = {key: value for key, value in child["metadata"].items() if key != "managedFields"}
    return child | {"metadata": meta}


async def children(release: Release, *kinds: Resource) -> list[dict[str, Any]]:
    """Return what belongs to the rollout, once there is something of every kind."""

    async def look() -> list[dict[str, Any]] | None:
        found = []
        for kind in kinds:
            listed = (await release.bed.client.list(kind, release.namespace))["items"]
            mine = [one for one in listed if one["metadata"]["name"].startswith("web")]
            if not mine:
                return None
            found += mine
        return found

    return await eventually(look)


async def test_no_mark_is_copied_to_a_child(bed: Bed) -> None:
    namespace = await bed.cluster.namespace()
    weight = bed.weights.of(namespace, "web")
    traffic = bed.telemetry.traffic(namespace, "web", weight=weight, requests_per_second=60)
    release, tool = Release(bed, namespace, "web", quick_spec(), traffic), Marking(bed.client)
    await tool.apply(release.manifest())
    await release.until(lambda status: condition(status, "Ready")["status"] == "True")
    release.spec["template"] = template("v2")
    await tool.apply(release.manifest())
    await release.until_weight(20)
    await check_children(release)
    await release.until(lambda s: [e["outcome"] for e in s.get("history", [])] == ["Promoted"])
    await check_children(release)
    live = await release.get()
    assert {live["metadata"]["labels"][key] for key in LABELS} == {MARK}


async def check_children(release: Release) -> None:
    rollout = await release.get()
    for child in await children(release, *OWN, *THEIRS):
        text = json.dumps(without_managed_fields(child))
        assert MARK not in text
        assert "last-applied" not in text
    for child in await children(release, *OWN):
        (owner,) = child["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (rollout["metadata"]["uid"], True)
        assert child["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "canary-operator"
    for child in await children(release, *THEIRS):
        assert child["metadata"]["ownerReferences"], "Argo CD prunes nothing that has an owner"
