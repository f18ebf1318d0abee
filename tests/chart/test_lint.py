"""What linters say, and whether everything generated is up to date."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

from deploy.generate import main, wanted
from deploy.rendering import CHART, NOTES, plain_manifests, render
from tests.chart.charting import FEATURES

ROOT = Path(__file__).parents[2]
CONFIG = YamlLintConfig(file=ROOT / "deploy" / ".yamllint.yaml")
WRITTEN = (
    CHART / "Chart.yaml",
    CHART / "values.yaml",
    *sorted((CHART / "files").glob("*.yaml")),
    ROOT / "deploy" / "kustomize" / "kustomization.yaml",
    ROOT / "deploy" / "manifests" / "Kustomization",
    ROOT / "crds" / "Kustomization",
)
ICON = {"severity": 1, "path": "Chart.yaml", "error": "icon is recommended"}


def lint(text: str) -> list[str]:
    return [str(problem) for problem in linter.run(text, CONFIG)]


@pytest.mark.parametrize("version", ["v1.29.0", "v1.36.0"])
def test_helm_finds_nothing_but_the_missing_icon(version: str) -> None:
    report = helm_python.lint(CHART, strict=True, kube_version=version)
    assert (report["messages"], report["errors"]) == ([ICON], [])


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_what_people_write_is_tidy(path: Path) -> None:
    assert lint(path.read_text()) == []


@pytest.mark.parametrize("text", plain_manifests().values(), ids=plain_manifests())
def test_the_plain_manifests_are_tidy(text: str) -> None:
    assert lint(text) == []


@pytest.mark.parametrize("values", FEATURES.values(), ids=FEATURES)
def test_what_is_rendered_is_tidy(values: Any) -> None:
    for template, text in render({**values, "crds": {"enabled": False}}).items():
        if template not in {NOTES, "dashboard.yaml"}:  # which is JSON from files/
            assert lint(text) == [], template


def test_chart_and_operator_are_of_one_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)


def test_everything_generated_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_file_is_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, text = next(wanted())
    monkeypatch.setattr("deploy.generate.wanted", lambda: [(path, text + "# more\n")])
    assert main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "+# more" in said
    assert "run `make generate`" in said


def test_the_chart_has_the_crd_of_the_operator() -> None:
    chart = render()["crds.yaml"]
    own = yaml.safe_load((ROOT / "crds" / "canaryrollouts.yaml").read_text())
    assert yaml.safe_load(chart)["spec"] == own["spec"]
    assert yaml.safe_load(chart)["metadata"]["name"] == own["metadata"]["name"]


def test_every_template_is_in_the_plain_manifests_or_says_nothing_by_default() -> None:
    texts = "---\n".join(plain_manifests().values())
    here = {(d["kind"], d["metadata"]["name"]) for d in yaml.safe_load_all(texts)}
    left_out = {NOTES, "crds.yaml", "tests/ready.yaml"}
    rendered = "---\n".join(text for path, text in render().items() if path not in left_out)
    there = {(d["kind"], d["metadata"]["name"]) for d in yaml.safe_load_all(rendered)}
    assert here - there == {("Namespace", "canary-operator")}
    assert there - here == set()


def test_the_plain_manifests_know_nothing_of_helm() -> None:
    for text in plain_manifests().values():
        assert not re.search(r"helm\.sh|managed-by|Helm", text)


IMAGE = "r.io:5000/canary-operator", f"sha256:{'0a' * 32}"


def test_a_release_has_one_manifest_of_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--image", "@".join(IMAGE)]) == 0
    text = capsys.readouterr().out
    assert lint(text) == []
    released = list(yaml.safe_load_all(text))
    files = [*(ROOT / "crds").glob("*.yaml"), *(ROOT / "deploy" / "manifests").glob("*.yaml")]
    plain = [d for file in files for d in yaml.safe_load_all(file.read_text())]
    for document in plain:
        if document["kind"] == "Deployment":
            (container,) = document["spec"]["template"]["spec"]["containers"]
            container["image"] = "@".join(IMAGE)
    assert sorted(map(str, released)) == sorted(map(str, plain))
    kinds = [document["kind"] for document in released]
    assert kinds.index("Namespace") < kinds.index("ServiceAccount")


@pytest.mark.parametrize("image", ["r.io/o:1.2.3", "r.io/o@sha256:0a", "@sha256:" + "0a" * 32])
def test_a_release_names_its_image_by_digest(
    image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--image", image])
    assert "write REPOSITORY@sha256:" in capsys.readouterr().err


def kustomized(folder: Path) -> list[tuple[str, str, str]]:
    """Return kind, namespace and name of what Kustomize makes of a folder."""
    command = ["kubectl", "kustomize", str(folder)]
    made = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sorted(
        (d["kind"], d["metadata"].get("namespace", ""), d["metadata"]["name"])
        for d in yaml.safe_load_all(made)
    )


def test_the_kustomize_base_names_every_manifest() -> None:
    for folder in (ROOT / "crds", ROOT / "deploy" / "manifests"):
        named = yaml.safe_load((folder / "Kustomization").read_text())["resources"]
        assert sorted(named) == sorted(path.name for path in folder.glob("*.yaml"))
    base = ROOT / "deploy" / "kustomize"
    folders = yaml.safe_load((base / "kustomization.yaml").read_text())["resources"]
    assert [(base / folder / "Kustomization").resolve().exists() for folder in folders] == [
        True,
        True,
    ]


@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl, which has Kustomize")
def test_the_kustomize_base_makes_the_same_objects() -> None:
    files = [*(ROOT / "crds").glob("*.yaml"), *(ROOT / "deploy" / "manifests").glob("*.yaml")]
    loaded = [d for file in files for d in yaml.safe_load_all(file.read_text())]
    assert kustomized(ROOT / "deploy" / "kustomize") == sorted(
        (d["kind"], d["metadata"].get("namespace", ""), d["metadata"]["name"]) for d in loaded
    )


def overlaid(folder: Path, text: str) -> Path:
    """Return an overlay on a copy of the base, which is ../deploy/kustomize."""
    shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("chart"))
    shutil.copytree(ROOT / "crds", folder / "crds")
    (folder / "overlay").mkdir()
    (folder / "overlay" / "kustomization.yaml").write_text(text)
    return folder / "overlay"


@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl, which has Kustomize")
def test_the_overlay_in_the_comment_leaves_out_what_kubernetes_1_29_lacks(tmp_path: Path) -> None:
    base = ROOT / "deploy" / "kustomize"
    shown = re.findall(r"^#   (.*\n)", (base / "kustomization.yaml").read_text(), re.MULTILINE)
    text = "".join(shown).replace("<this folder>", "../deploy/kustomize").replace("…", "0a" * 32)
    lacking = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    everything = kustomized(base)
    assert lacking < {kind for kind, *_ in everything}
    rest = [document for document in everything if document[0] not in lacking]
    assert kustomized(overlaid(tmp_path, text)) == rest


@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl, which has Kustomize")
def test_an_overlay_moves_it_to_another_namespace(tmp_path: Path) -> None:
    overlay = overlaid(tmp_path, "namespace: tools\nresources: [../deploy/kustomize]\n")
    made = subprocess.run(
        ["kubectl", "kustomize", str(overlay)], check=True, capture_output=True, text=True
    ).stdout
    for document in yaml.safe_load_all(made):
        assert document["metadata"].get("namespace", "tools") == "tools"
        for subject in document.get("subjects", []):
            assert subject["namespace"] == "tools"


SENTENCES = re.compile(r"[a-z`)]\. [A-Z]")


def test_the_readme_has_one_sentence_per_line_and_links_that_lead_somewhere() -> None:
    text = re.sub(r"```.*?```", "", (CHART / "README.md").read_text(), flags=re.DOTALL)
    for line in text.splitlines():
        assert line.startswith(("|", "#")) or not SENTENCES.search(line), line
    for link in re.findall(r"\]\(([^)\s#]+)", text):
        assert link.startswith("https://") or (CHART / link).exists(), link


BLOCKS = re.findall(r"```yaml\n(.*?)```", (CHART / "README.md").read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_values_in_the_readme_are_accepted(block: str) -> None:
    rendered = render(yaml.safe_load(block))
    assert "rbac.yaml" in rendered
    assert not {"crds.yaml", "user-roles.yaml", "admission-policy.yaml"} & rendered.keys()


def test_a_package_of_the_chart_renders_the_same(tmp_path: Path) -> None:
    archive = Path(helm_python.package(CHART, destination=tmp_path))
    with helm_python.Chart.load_archive(archive.read_bytes()) as chart:
        packed = chart.render({}, name="canary-operator", namespace="canary-operator")
        assert {file["name"] for file in chart.files} == {
            ".helmignore",
            "README.md",
            "files/alerts.yaml",
            "files/crds/canaryrollouts.yaml",
            "files/dashboard.json",
        }
    texts = {path.removeprefix("canary-operator/templates/"): t for path, t in packed.items()}
    assert {path: text.strip("\n") for path, text in texts.items() if text.strip()} == {
        path: text.strip("\n") for path, text in render().items()
    }
