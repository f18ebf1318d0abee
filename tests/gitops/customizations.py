"""Configuration of Argo CD, made from the scripts under `deploy/argocd`.

`python -m tests.gitops.customizations` writes it; a test says when it is stale.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.gitops.argocd import ACTIONS, CUSTOMIZATIONS, DISCOVERY, HEALTH

FOLDER = CUSTOMIZATIONS.parent
KEY = "canary-operator.dev_CanaryRollout"
_MADE = """\
# Made by `python -m tests.gitops.customizations` from resource_customizations/; do not edit.
"""
_PATCH = """\
# kubectl patch configmap argocd-cm -n argocd --patch-file deploy/argocd/argocd-cm.yaml
"""
_VALUES = """\
# Values for Argo CD's Helm chart, argo/argo-cd.
"""


class _Text(yaml.SafeDumper):
    """Writes scripts as blocks of text, as people write them."""


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Text.add_representer(str, _block)


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Text, sort_keys=False, width=10_000, allow_unicode=True)


def customizations() -> dict[str, str]:
    """Return what stands in the ConfigMap `argocd-cm`."""
    actions = {
        "discovery.lua": DISCOVERY,
        "definitions": [{"name": name, "action.lua": text} for name, text in ACTIONS.items()],
    }
    known = [{"field": "spec.template", "type": "core/v1/PodTemplateSpec"}]
    return {
        f"resource.customizations.health.{KEY}": HEALTH,
        f"resource.customizations.actions.{KEY}": _yaml(actions),
        f"resource.customizations.knownTypeFields.{KEY}": _yaml(known),
    }


def files() -> Mapping[Path, str]:
    """Return the text of every file that is made."""
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm"},
        "data": customizations(),
    }
    values = {"configs": {"cm": customizations()}}
    return {
        FOLDER / "argocd-cm.yaml": _MADE + _PATCH + _yaml(config_map),
        FOLDER / "values.yaml": _MADE + _VALUES + _yaml(values),
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
