"""Nothing of the chart has more rights than it uses, under any value."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.charting import FEATURES, Document, documents, one, pod_specs

EVERY = pytest.mark.parametrize("values", FEATURES.values(), ids=FEATURES)

RESTRICTED_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral"} | {
    "persistentVolumeClaim",
    "projected",
    "secret",
}
"""https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""

HOST_FIELDS = {"hostNetwork", "hostPID", "hostIPC", "hostUsers"}
FORBIDDEN_RESOURCES = {
    "*",
    "secrets",
    "configmaps",
    "serviceaccounts",
    "serviceaccounts/token",
    "pods/exec",
    "roles",
    "rolebindings",
    "clusterroles",
    "clusterrolebindings",
}
FORBIDDEN_VERBS = {"*", "bind", "escalate", "impersonate"}


@EVERY
def test_every_pod_fits_the_restricted_standard(values: Any) -> None:
    for spec in pod_specs(documents(values)):
        assert not HOST_FIELDS & spec.keys()
        assert all((v.keys() - {"name"}) <= RESTRICTED_VOLUMES for v in spec.get("volumes", []))
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] is True
        wanted = values.get("podSecurityContext", {"runAsUser": 65532, "runAsGroup": 65532}) or {}
        ids = {key: pod[key] for key in ("runAsUser", "runAsGroup") if key in pod}
        assert ids == {key: id_ for key, id_ in wanted.items() if id_ is not None}
        assert pod.get("runAsUser") != 0
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert "initContainers" not in spec
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert not any("hostPort" in port for port in container.get("ports", []))


@EVERY
def test_only_the_operator_gets_a_token(values: Any) -> None:
    *_, test = [None, *pod_specs([d for d in documents(values) if d["kind"] == "Pod"])]
    assert test is None or test["automountServiceAccountToken"] is False
    (operator,) = pod_specs([d for d in documents(values) if d["kind"] == "Deployment"])
    assert operator["automountServiceAccountToken"] is True
    for account in (d for d in documents(values) if d["kind"] == "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


@EVERY
def test_no_variable_for_a_service_looks_like_a_setting(values: Any) -> None:
    assert all(spec["enableServiceLinks"] is False for spec in pod_specs(documents(values)))


def rules(rendered: list[Document]) -> Iterator[Document]:
    for document in rendered:
        if document["kind"] in {"Role", "ClusterRole"}:
            assert "aggregationRule" not in document
            yield from document["rules"]


@EVERY
def test_no_role_has_wildcards_secrets_or_ways_to_more_rights(values: Any) -> None:
    for rule in rules(documents(values)):
        assert rule.keys() <= {"apiGroups", "resources", "resourceNames", "verbs"}
        assert "*" not in rule["apiGroups"]
        assert not FORBIDDEN_RESOURCES & set(rule["resources"])
        assert not FORBIDDEN_VERBS & set(rule["verbs"])


@EVERY
def test_a_binding_gives_a_role_of_the_release_to_the_operator_only(values: Any) -> None:
    rendered = documents(values)
    roles = {(d["kind"], d["metadata"]["name"]) for d in rendered if d["kind"].endswith("Role")}
    account = next(pod_specs([d for d in rendered if d["kind"] == "Deployment"]))
    subject = {
        "kind": "ServiceAccount",
        "name": account["serviceAccountName"],
        "namespace": "canary-operator",
    }
    bindings = [d for d in rendered if d["kind"] in {"RoleBinding", "ClusterRoleBinding"}]
    assert bindings
    for binding in bindings:
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) in roles
        assert binding["subjects"] == [subject]


def test_an_operator_for_some_namespaces_has_rights_in_these_only() -> None:
    rendered = documents(FEATURES["some namespaces"])
    assert "ClusterRoleBinding" not in {d["kind"] for d in rendered}
    wide = [d for d in documents() if d["kind"] == "ClusterRole"]
    (cluster_role,) = (d for d in wide if d["metadata"]["name"] == "canary-operator")
    *shared, definitions = cluster_role["rules"]
    assert definitions["resources"] == ["customresourcedefinitions"]
    for namespace in ("shop", "blog"):
        (role,) = (
            d for d in rendered if d["kind"] == "Role" and d["metadata"]["namespace"] == namespace
        )
        assert role["rules"] == shared


def test_the_lease_is_the_only_one() -> None:
    role = one("Role", name="canary-operator-leader-election")
    assert role["metadata"]["namespace"] == "canary-operator"
    assert role["rules"] == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": ["canary-operator"],
            "verbs": ["get", "watch", "patch"],
        },
    ]


def test_without_an_election_there_is_no_right_to_leases() -> None:
    rendered = documents(FEATURES["no leader election"])
    assert not any("leases" in rule["resources"] for rule in rules(rendered))


def test_a_viewer_changes_nothing() -> None:
    role = one("ClusterRole", name="canary-operator-view")
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}


@pytest.mark.parametrize(
    ("role", "aggregated"),
    [("view", {"view", "edit", "admin"}), ("edit", {"edit", "admin"}), ("author", set())],
)
def test_roles_for_people_join_kubernetes_own(role: str, aggregated: set[str]) -> None:
    labels = one("ClusterRole", name=f"canary-operator-{role}")["metadata"]["labels"]
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    assert {key.removeprefix(prefix) for key in labels if key.startswith(prefix)} == aggregated
    alone = one(
        "ClusterRole", FEATURES["roles that are not aggregated"], name=f"canary-operator-{role}"
    )
    assert not any(key.startswith(prefix) for key in alone["metadata"]["labels"])
