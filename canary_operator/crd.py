"""The CustomResourceDefinition, generated from the models.

    python -m canary_operator.crd > crds/canaryrollouts.yaml
    python -m canary_operator.crd --check       # exit code 1 and a diff when the file is stale

The spec gets no defaults here: the object stays as the user wrote it, so that GitOps tools see no
difference. Only `status.observedGeneration` has one, so that tools that wait for the operator's
first look do not take an object without status for ready.
"""

import argparse
import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.spec.kind import CEL_RULES
from canary_operator.domain.spec.rollout import NAME
from canary_operator.domain.status import RolloutStatus
from canary_operator.openapi import structural_schema

GROUP = "canary-operator.dev"
VERSION = "v1alpha1"
KIND = "CanaryRollout"
PLURAL = "canaryrollouts"

CRD_FILE = Path(__file__).parents[1] / "crds" / f"{PLURAL}.yaml"
HEADER = "# Generated from the models by `python -m canary_operator.crd`; do not edit.\n"

NOT_SEEN_YET = {"observedGeneration": -1}
"""Status of an object that the operator has not looked at."""

STATUS_LIST_KEYS = {"conditions": "type", "metrics": "name"}
"""Lists of the status that are read entry by entry."""


def custom_resource_definition() -> dict[str, Any]:
    """Return the CustomResourceDefinition of CanaryRollouts."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["cro"],
                "categories": ["all"],
            },
            "scope": "Namespaced",
            "versions": [_version()],
        },
    }


def _version() -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _root_schema()},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            _column("Phase", "string", ".status.phase"),
            _column("Weight", "integer", ".status.weight"),
            _column("Step", "string", ".status.stepProgress"),
            _column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
            _column("Age", "date", ".metadata.creationTimestamp"),
            _column("Stable", "string", ".status.stableRevision", priority=1),
            _column("Canary", "string", ".status.canaryRevision", priority=1),
            _column("Message", "string", ".status.message", priority=1),
        ],
    }


def _column(name: str, kind: str, json_path: str, priority: int = 0) -> dict[str, Any]:
    column = {"name": name, "type": kind, "jsonPath": json_path}
    return {**column, "priority": priority} if priority else column


def _root_schema() -> dict[str, Any]:
    return {
        "description": "Releases a new version of a service a little at a time.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural_schema(RolloutSpec),
            "status": _status_schema(),
        },
        CEL_RULES: [
            {
                "rule": f"size(self.metadata.name) <= {NAME.schema['maxLength']} && "
                f"self.metadata.name.matches('{NAME.schema['pattern']}')",
                "message": f"metadata.name {NAME.message}",
            }
        ],
    }


def _status_schema() -> dict[str, Any]:
    schema = structural_schema(RolloutStatus)
    for field, default in NOT_SEEN_YET.items():
        schema["properties"][field]["default"] = default
    for field, key in STATUS_LIST_KEYS.items():
        schema["properties"][field] |= {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": [key],
        }
    return {**schema, "default": {**NOT_SEEN_YET}}


class _Dumper(yaml.SafeDumper):
    """Writes equal parts out instead of pointing at the first one."""

    def ignore_aliases(self, data: Any) -> bool:
        """Say that nothing is worth an alias."""
        del data
        return True


def to_yaml(manifest: Mapping[str, Any]) -> str:
    """Return the manifest as the text of a file."""
    text = yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return HEADER + str(text)


def difference(file: Path) -> str:
    """Return how `file` differs from what the models say; nothing when it does not."""
    present = file.read_text(encoding="utf-8") if file.exists() else ""
    wanted = to_yaml(custom_resource_definition())
    lines = difflib.unified_diff(
        present.splitlines(keepends=True), wanted.splitlines(keepends=True), str(file), "the models"
    )
    return "".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the CRD, or check that a file is up to date; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m canary_operator.crd", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of print")
    parser.add_argument("--file", type=Path, default=CRD_FILE, help="what to compare with")
    options = parser.parse_args(arguments)
    if not options.check:
        sys.stdout.write(to_yaml(custom_resource_definition()))
        return 0
    stale = difference(options.file)
    if stale:
        sys.stdout.write(f"{stale}Stale: run `python -m canary_operator.crd > {options.file}`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
