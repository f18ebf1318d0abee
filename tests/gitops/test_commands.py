"""Every command on the page about GitOps, run as it stands there."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from canary_operator.domain.revision import revision_of
from canary_operator.playground.client import Resource
from tests.gitops.pages import ROOT, blocks, only_block
from tests.support.bed import Bed, Release, quick_spec, template

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl"),
]

CONFIG_MAPS = Resource("configmaps")
TEACH = only_block("sh", "kubectl patch configmap")
ANNOTATE = only_block("sh", "--field-manager=flux-client-side-apply")
SCALE = only_block("sh", "kubectl scale")
WATCH = only_block("sh", "kubectl canary watch")
WAIT = only_block("sh", "kubectl wait")
KUSTOMIZE = only_block("yaml", "nameReference")


async def shell(bed: Bed, commands: str, namespace: str, folder: Path) -> tuple[int, str]:
    """Run commands as a CI job does, in a namespace of the test; return exit code and output."""
    for known in ("argocd", "demo"):
        commands = commands.replace(f" -n {known} ", f" -n {namespace} ")
    plugin = Path(sys.executable).parent
    environment = {
        **os.environ,
        "KUBECONFIG": str(bed.cluster.kubeconfig),
        "PATH": f"{plugin}{os.pathsep}{os.environ['PATH']}",
    }
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-ec",
        commands,
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def repository(bed: Bed, folder: Path, **changes: object) -> Release:
    """Return a rollout whose manifest lies in a folder, as in a repository."""
    namespace = await bed.cluster.namespace()
    weight = bed.weights.of(namespace, "helloworld")
    traffic = bed.telemetry.traffic(namespace, "helloworld", weight=weight, requests_per_second=60)
    release = Release(bed, namespace, "helloworld", quick_spec(**changes), traffic)
    (folder / "deploy").mkdir()
    commit(release, folder)
    return release


def commit(release: Release, folder: Path, **changes: object) -> None:
    release.spec = {**release.spec, **changes}
    text = yaml.safe_dump(release.manifest())
    (folder / "deploy" / "rollout.yaml").write_text(text, encoding="utf-8")


async def test_no_command_is_left_out() -> None:
    assert sorted(blocks("sh")) == sorted([TEACH, ANNOTATE, WATCH, WAIT, SCALE])


async def test_a_number_that_git_does_not_have_is_written_once(bed: Bed, tmp_path: Path) -> None:
    release = await repository(bed, tmp_path)
    del release.spec["replicas"]
    await release.apply()
    command = SCALE.replace("cro/web", f"cro/helloworld -n {release.namespace}")
    code, output = await shell(bed, command, release.namespace, tmp_path)
    assert code == 0, output
    assert (await release.get())["spec"]["replicas"] == 3


async def test_argo_cd_is_taught_without_losing_what_it_knows(bed: Bed) -> None:
    namespace = await bed.cluster.namespace()
    before = {"metadata": {"name": "argocd-cm"}, "data": {"url": "https://argocd.example.com"}}
    await bed.client.create(CONFIG_MAPS, before, namespace)
    code, output = await shell(bed, TEACH, namespace, ROOT)
    assert code == 0, output
    after = (await bed.client.get(CONFIG_MAPS, "argocd-cm", namespace))["data"]
    added = yaml.safe_load((ROOT / "deploy" / "argocd" / "argocd-cm.yaml").read_text())["data"]
    assert after == before["data"] | added


async def test_a_ci_job_ends_as_the_rollout_ends(bed: Bed, tmp_path: Path) -> None:
    release = await repository(bed, tmp_path)
    code, output = await shell(bed, WATCH, release.namespace, tmp_path)
    assert code == 0, output
    commit(release, tmp_path, template=template("v2"))
    code, output = await shell(bed, WATCH, release.namespace, tmp_path)
    status = await release.status()
    assert (code, status["phase"]) == (0, "Stable"), output
    assert status["stableRevision"] == revision_of(template("v2"))
    release.traffic.canary.error_rate = 0.5
    commit(release, tmp_path, template=template("v3"))
    code, output = await shell(bed, WATCH, release.namespace, tmp_path)
    assert code == 1, output
    assert (await release.status())["rejectedRevision"] == revision_of(template("v3"))


async def test_kubectl_wait_is_not_taken_in_by_the_version_before(bed: Bed, tmp_path: Path) -> None:
    release = await repository(bed, tmp_path)
    for version in ("v1", "v2"):
        commit(release, tmp_path, template=template(version))
        code, output = await shell(bed, WAIT, release.namespace, tmp_path)
        status = await release.status()
        assert code == 0, output
        assert (status["phase"], status["stableRevision"]) == (
            "Stable",
            revision_of(template(version)),
        )


async def test_a_request_that_flux_leaves_alone_is_a_request(bed: Bed, tmp_path: Path) -> None:
    steps = [{"weight": 20, "hold": "1s", "approval": True}, {"weight": 50, "hold": "10m"}]
    release = await repository(bed, tmp_path, strategy={**quick_spec()["strategy"], "steps": steps})
    await release.apply()
    await release.until_phase("Stable")
    await release.apply(template=template("v2"))
    await release.until_phase("Paused")
    code, output = await shell(bed, ANNOTATE, release.namespace, tmp_path)
    assert code == 0, output
    await release.until_weight(50)


KUSTOMIZATION = """
namespace: shop
resources: [rollout.yaml]
configurations: [kustomizeconfig.yaml]
namePrefix: blue-
images:
- {name: app, newName: registry.example.com/app, newTag: v9}
labels:
- {pairs: {team: shop}, includeTemplates: true}
commonLabels: {release: blue}
configMapGenerator:
- {name: settings, literals: [colour=blue]}
secretGenerator:
- {name: token, literals: [token=none]}
"""
REFERENCES = {
    "envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "token"}}],
    "env": [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "token", "key": "token"}}},
    ],
}


async def test_kustomize_follows_names_and_leaves_the_labels_of_pods_alone(
    bed: Bed, tmp_path: Path
) -> None:
    release = await repository(bed, tmp_path)
    pod = template("v1", **REFERENCES)
    pod["spec"]["volumes"] = [
        {"name": "one", "configMap": {"name": "settings"}},
        {"name": "two", "secret": {"secretName": "token"}},
    ]
    commit(release, tmp_path, template=pod)
    (tmp_path / "deploy" / "kustomizeconfig.yaml").write_text(KUSTOMIZE)
    (tmp_path / "deploy" / "kustomization.yaml").write_text(KUSTOMIZATION)
    code, output = await shell(bed, "kubectl kustomize deploy 2>/dev/null", "demo", tmp_path)
    assert code == 0, output
    built = {one["kind"]: one for one in yaml.safe_load_all(output)}
    names = {kind: built[kind]["metadata"]["name"] for kind in ("ConfigMap", "Secret")}
    assert names["ConfigMap"].startswith("blue-settings-")
    meta, spec = built["CanaryRollout"]["metadata"], built["CanaryRollout"]["spec"]["template"]
    assert meta["labels"] == {"release": "blue", "team": "shop"}
    assert spec["metadata"]["labels"] == {"app": "web"}
    (container,) = spec["spec"]["containers"]
    assert container["image"] == "registry.example.com/app:v9"
    text = yaml.safe_dump(spec)
    assert text.count(f"name: {names['ConfigMap']}\n") == 3
    assert text.count(f"ame: {names['Secret']}\n") == 3
