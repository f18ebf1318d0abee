"""Files for Argo CD and Flux: up to date, whole, and taken by what they are for."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

from deploy.rendering import render
from tests.gitops import customizations
from tests.gitops.argocd import ACTIONS, DISCOVERY, FOLDER, HEALTH
from tests.gitops.pages import PAGE, ROOT, blocks

FILES = sorted([*ROOT.glob("deploy/argocd/*.yaml"), *ROOT.glob("deploy/flux/*.yaml")])
LINT = YamlLintConfig(
    "{extends: default, rules: {line-length: {max: 130}, document-start: disable, "
    "indentation: {indent-sequences: whatever}}}"
)
KEY = "canary-operator.dev_CanaryRollout"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / "deploy" / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", customizations.files(), ids=lambda path: path.name)
def test_what_is_made_of_the_scripts_is_up_to_date(path: Path) -> None:
    wanted = customizations.files()[path]
    message = "run: python -m tests.gitops.customizations"
    assert path.read_text(encoding="utf-8") == wanted, message


def test_the_config_map_and_the_values_hold_the_scripts_themselves() -> None:
    (config_map,), (values,) = documents("argocd/argocd-cm.yaml"), documents("argocd/values.yaml")
    data = config_map["data"]
    assert data == values["configs"]["cm"]
    assert data[f"resource.customizations.health.{KEY}"] == HEALTH
    actions = yaml.safe_load(data[f"resource.customizations.actions.{KEY}"])
    assert actions["discovery.lua"] == DISCOVERY
    assert {one["name"]: one["action.lua"] for one in actions["definitions"]} == dict(ACTIONS)
    assert yaml.safe_load(data[f"resource.customizations.knownTypeFields.{KEY}"]) == [
        {"field": "spec.template", "type": "core/v1/PodTemplateSpec"}
    ]


def test_scripts_lie_where_argo_cd_looks_for_its_own() -> None:
    found = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    actions = {f"actions/{name}/action.lua" for name in ACTIONS}
    assert found == {"health.lua", "actions/discovery.lua", *actions}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_yamllint_has_nothing_to_say(path: Path) -> None:
    assert not list(linter.run(path.read_text(encoding="utf-8"), LINT))


def test_the_chart_takes_the_values_of_the_examples() -> None:
    (application,) = documents("argocd/operator.yaml")
    release = next(d for d in documents("flux/operator.yaml") if d["kind"] == "HelmRelease")
    chart = ROOT / application["spec"]["source"]["path"] / "Chart.yaml"
    assert chart.is_file()
    assert (ROOT / release["spec"]["chart"]["spec"]["chart"] / "Chart.yaml").samefile(chart)
    for values in (
        application["spec"]["source"]["helm"]["valuesObject"],
        release["spec"]["values"],
    ):
        deployment = yaml.safe_load(render(values)["deployment.yaml"])
        text = yaml.safe_dump(deployment)
        assert values["prometheus"]["address"] in text
        assert f"image: {values['image']['repository']}:" in text


def test_flux_upgrades_with_each_commit_and_tries_again() -> None:
    release = next(d for d in documents("flux/operator.yaml") if d["kind"] == "HelmRelease")
    assert release["spec"]["chart"]["spec"]["reconcileStrategy"] == "Revision"
    for action in ("install", "upgrade"):
        assert release["spec"][action]["remediation"]["retries"] > 0


def test_every_file_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [path.name for path in FILES if f"{path.parent.name}/{path.name})" not in page] == []


@pytest.mark.parametrize("text", blocks("yaml"))
def test_yaml_on_the_page_is_yaml(text: str) -> None:
    assert isinstance(yaml.safe_load(text), dict)
