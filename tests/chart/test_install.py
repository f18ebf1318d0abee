"""Helm against the API server: installed, upgraded, rolled back, uninstalled, installed again."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import helm_python
import pytest
import pytest_asyncio

from canary_operator.playground.api import EmbeddedAPI
from canary_operator.playground.api.discovery import VERSION
from canary_operator.playground.client import (
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    NotFoundError,
    Resource,
)
from canary_operator.playground.local import ROLLOUTS
from deploy.rendering import CHART, NAME
from tests.chart.charting import documents
from tests.support.bed import open_cluster, quick_spec
from tests.support.clusters import DEFINITION_FOLDERS, DEFINITIONS, Cluster

ROOT = Path(__file__).parents[2]
CRD = "canaryrollouts.canary-operator.dev"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
SECONDS = 60
GROUPS = {
    "Service": Resource("services"),
    "ServiceAccount": Resource("serviceaccounts"),
    "PodDisruptionBudget": Resource("poddisruptionbudgets", "policy"),
    "NetworkPolicy": Resource("networkpolicies", "networking.k8s.io"),
    "Deployment": DEPLOYMENTS,
}
RBAC, ADMISSION = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"
GROUPS |= {
    kind: Resource(f"{kind.lower()}s", RBAC, namespaced="Cluster" not in kind)
    for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
}
GROUPS |= {
    "ValidatingAdmissionPolicy": Resource(
        "validatingadmissionpolicies", ADMISSION, namespaced=False
    ),
    "ValidatingAdmissionPolicyBinding": Resource(
        "validatingadmissionpolicybindings", ADMISSION, namespaced=False
    ),
}


class Helm:
    """Helm's SDK in a thread: it blocks until everything is ready."""

    def __init__(self, cluster: Cluster, namespace: str = NAME) -> None:
        self._config = helm_python.Config(kubeconfig_path=cluster.kubeconfig, namespace=namespace)

    async def install(self, name: str = NAME, **values: Any) -> dict[str, Any]:
        return await asyncio.to_thread(
            self._config.install, CHART, name, values, wait="watcher", timeout=SECONDS
        )

    async def upgrade(self, **values: Any) -> dict[str, Any]:
        return await asyncio.to_thread(
            self._config.upgrade, CHART, NAME, values, wait="watcher", timeout=SECONDS
        )

    async def roll_back(self) -> None:
        await asyncio.to_thread(
            self._config.rollback, NAME, version=1, wait="watcher", timeout=SECONDS
        )

    async def uninstall(self) -> None:
        await asyncio.to_thread(self._config.uninstall, NAME, wait="watcher", timeout=SECONDS)


@pytest_asyncio.fixture
async def empty(tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster with Istio, and a namespace that takes only pods of the restricted standard."""
    async with open_cluster(tmp_path, DEFINITION_FOLDERS[1]) as cluster:
        namespace = {"metadata": {"name": NAME, "labels": RESTRICTED}}
        await cluster.client.create(NAMESPACES, namespace)
        yield cluster


async def is_there(cluster: Cluster, document: dict[str, Any]) -> bool:
    meta = document["metadata"]
    try:
        await cluster.client.get(GROUPS[document["kind"]], meta["name"], meta.get("namespace"))
    except NotFoundError:
        return False
    return True


async def present(cluster: Cluster) -> set[tuple[str, str]]:
    """Return what of the chart's objects there is, without the CRD and the test's pod."""
    chart = [*documents(), *documents({"networkPolicy": {"enabled": True}})]
    return {
        (document["kind"], document["metadata"]["name"])
        for document in chart
        if document["kind"] in GROUPS and await is_there(cluster, document)
    }


async def test_the_life_of_a_release(empty: Cluster) -> None:
    helm, client = Helm(empty), empty.client
    installed = await helm.install()
    assert installed["status"] == "deployed"
    rendered = {(d["kind"], d["metadata"]["name"]) for d in documents() if d["kind"] in GROUPS}
    assert await present(empty) == rendered
    assert (await client.get(DEPLOYMENTS, NAME, NAME))["status"]["availableReplicas"] == 2
    definition = await client.get(DEFINITIONS, CRD)
    rollout = {
        "apiVersion": "canary-operator.dev/v1alpha1",
        "kind": "CanaryRollout",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": quick_spec(),
    }
    before = await client.create(ROLLOUTS, rollout, "default")

    await helm.upgrade(replicas=1, log={"level": "debug"}, networkPolicy={"enabled": True})
    changed = (await present(empty)) ^ rendered
    assert changed == {("PodDisruptionBudget", NAME), ("NetworkPolicy", NAME)}
    (pod,) = (await client.list(PODS, NAME))["items"]
    assert {"name": "CANARY_OPERATOR_LOG_LEVEL", "value": "debug"} in pod["spec"]["containers"][0][
        "env"
    ]

    await helm.roll_back()
    assert await present(empty) == rendered

    await helm.uninstall()
    assert await present(empty) == set()
    left = await client.get(DEFINITIONS, CRD)
    assert left["metadata"]["uid"] == definition["metadata"]["uid"]
    after = await client.get(ROLLOUTS, "web", "default")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert "deletionTimestamp" not in after["metadata"]

    again = await helm.install()
    assert again["status"] == "deployed"
    assert (await client.get(DEFINITIONS, CRD))["metadata"]["uid"] == left["metadata"]["uid"]


async def test_a_second_release_has_no_crd_and_its_own_namespaces(empty: Cluster) -> None:
    await Helm(empty).install(watchNamespaces=["default"], replicas=1)
    second = Helm(empty, await empty.namespace("tools"))
    values = {"watchNamespaces": ["kube-system"], "replicas": 1}
    with pytest.raises(helm_python.HelmError, match=r"CustomResourceDefinition.*invalid ownership"):
        await second.install("refused", **values)
    installed = await second.install(**values, crds={"enabled": False})
    assert installed["status"] == "deployed"


def waiting() -> list[str]:
    """Return what the README tells to wait with until the old pods are gone."""
    text = (CHART / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = (line for line in text.splitlines() if line.startswith("kubectl wait pod"))
    return line.split()[1:]


@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl")
async def test_an_election_begins_when_nobody_is_left_who_asks_for_no_lease(empty: Cluster) -> None:
    helm, without = Helm(empty), {"leaderElection": {"enabled": False}}
    await helm.install(replicas=1, **without)
    (old,) = (await empty.client.list(PODS, NAME))["items"]
    await helm.upgrade(replicas=0, **without)
    await kubectl(empty, *waiting())
    assert (await empty.client.list(PODS, NAME))["items"] == []
    await kubectl(empty, *waiting())  # again, since it may have been over already
    await helm.upgrade(replicas=2)
    new = (await empty.client.list(PODS, NAME))["items"]
    assert len(new) == 2
    assert old["metadata"]["name"] not in {pod["metadata"]["name"] for pod in new}


async def asked_of(version: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict[str, Any]:
    """Return what Helm would install on a cluster that says it has this version."""
    monkeypatch.setitem(VERSION, "gitVersion", version)
    async with EmbeddedAPI() as api:
        api.write_kubeconfig(folder / "kubeconfig")
        config = helm_python.Config(kubeconfig_path=folder / "kubeconfig", namespace="default")
        return await asyncio.to_thread(config.install, CHART, NAME, {}, dry_run="server")


@pytest.mark.parametrize(("version", "policies"), [("v1.29.0", 0), ("v1.30.0", 1)])
async def test_the_admission_policy_is_for_kubernetes_that_has_such(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, policies: int
) -> None:
    release = await asked_of(version, monkeypatch, tmp_path)
    assert release["manifest"].count("kind: ValidatingAdmissionPolicy\n") == policies
    warned = "because Kubernetes v1.29.0 has no ValidatingAdmissionPolicy" in release["notes"]
    assert warned is (policies == 0)


async def test_an_older_kubernetes_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(helm_python.HelmError, match=r"kubeVersion: >=1\.29\.0-0"):
        await asked_of("v1.28.15", monkeypatch, tmp_path)


async def kubectl(cluster: Cluster, *arguments: str) -> str:
    """Return what kubectl prints, in the root of the repository."""
    process = await asyncio.create_subprocess_exec(
        "kubectl",
        f"--kubeconfig={cluster.kubeconfig}",
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl")
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["-f", "crds/", "-f", "deploy/manifests/"], id="plain manifests"),
        pytest.param(["-k", "deploy/kustomize"], id="Kustomize"),
    ],
)
async def test_one_command_installs_the_same_without_helm(
    tmp_path: Path, command: list[str]
) -> None:
    async with open_cluster(tmp_path, DEFINITION_FOLDERS[1]) as cluster:
        await kubectl(cluster, "apply", *command)
        made = {(d["kind"], d["metadata"]["name"]) for d in documents() if d["kind"] in GROUPS}
        assert await present(cluster) == made
        await kubectl(
            cluster, "wait", "deployment/canary-operator", "-n", NAME, "--for=condition=Available"
        )
        assert await kubectl(cluster, "diff", *command) == ""
        await kubectl(cluster, "apply", "--server-side", *command)  # no conflict about defaults
