"""Rendering the chart, and the plain manifests that come of it."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import helm_python

CHART = Path(__file__).parent / "chart" / "canary-operator"

NAME = "canary-operator"
"""Release and namespace of the plain manifests."""

NOTES = "NOTES.txt"

_GENERATED = """\
# Rendered from deploy/chart by `make generate`; do not edit. Apply it together with the CRD:
#   kubectl apply -f crds/ -f deploy/manifests/
"""
_RELEASED = """\
# The operator for all namespaces, with its CRD, roles for people and an admission policy, which
# needs Kubernetes 1.30. Set CANARY_OPERATOR_PROMETHEUS_ADDRESS to where your Prometheus answers.
"""
_NAMESPACE = f"""\
apiVersion: v1
kind: Namespace
metadata:
  name: {NAME}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""

CRDS = CHART / "files" / "crds"

PLAIN: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "admission-policy.yaml": (
        "# Needs Kubernetes 1.30; leave the file out on 1.29.\n",
        ("admission-policy.yaml",),
    ),
    "operator.yaml": (
        "# The operator, for all namespaces.\n",
        (
            "serviceaccount.yaml",
            "rbac.yaml",
            "leader-election.yaml",
            "deployment.yaml",
            "pdb.yaml",
            "service.yaml",
        ),
    ),
    "user-roles.yaml": (
        "# For people who see or write CanaryRollouts; the operator needs none of it.\n",
        ("user-roles.yaml",),
    ),
}
"""Files of deploy/manifests/: what stands above, and the templates that they hold."""

_OF_HELM = re.compile(
    r"^ *(app\.kubernetes\.io/managed-by: Helm|helm\.sh/chart: .*)\n", re.MULTILINE
)


def render(
    values: Mapping[str, Any] | None = None, *, name: str = NAME, namespace: str = NAME
) -> dict[str, str]:
    """Return the rendered templates by file name, without those that are empty.

    Raises:
        helm_python.HelmError: the values are refused; the message says which and why.
    """
    rendered = _chart().render(dict(values or {}), name=name, namespace=namespace)
    prefix = f"{NAME}/templates/"
    texts = {path.removeprefix(prefix): text.strip("\n") for path, text in rendered.items()}
    return {path: f"{text}\n" for path, text in texts.items() if text.strip()}


@cache
def _chart() -> helm_python.Chart:
    """Return the chart as it was when it was first rendered."""
    return helm_python.Chart.load(CHART)


def plain_manifests() -> dict[str, str]:
    """Return the files of deploy/manifests/: the chart with its defaults, without Helm."""
    return {
        file: _GENERATED + heading + _without_helm(parts)
        for file, (heading, parts) in PLAIN.items()
    }


def released_manifest(repository: str, digest: str) -> str:
    """Return all of deploy/manifests/ and the CRD as one file, with the image of a release.

    Raises:
        helm_python.HelmError: the image is refused; the message says why.
    """
    definitions = [file.read_text(encoding="utf-8") for file in sorted(CRDS.glob("*.yaml"))]
    image = {"repository": repository, "digest": digest}
    # The admission policy comes last, so that a cluster without its kind takes all the rest.
    operator, people, policy = (
        _without_helm(PLAIN[file][1], {"image": image})
        for file in ("operator.yaml", "user-roles.yaml", "admission-policy.yaml")
    )
    return _RELEASED + "---\n".join([*definitions, operator, people, policy])


def _without_helm(parts: Sequence[str], values: Mapping[str, Any] | None = None) -> str:
    """Return these templates as one text, the operator's behind their namespace."""
    templates = render(values)
    first = [_NAMESPACE] if "serviceaccount.yaml" in parts else []
    return "---\n".join([*first, *(_OF_HELM.sub("", templates[part]) for part in parts)])
