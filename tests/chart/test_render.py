"""What the chart renders, for every value and for every two together."""

import json
from collections.abc import Iterable
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy.rendering import CHART, NOTES, render
from tests.chart.charting import FEATURES, PEER, Document, documents, one, operator, pairs
from tests.chart.validating import NEWEST, OLDEST, validate

SELECTOR = {"app.kubernetes.io/name": "canary-operator", "app.kubernetes.io/instance": "canary"}
CLUSTER_WIDE = {
    "Namespace",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


def different(rendered: Iterable[list[Document]]) -> list[Document]:
    """Return each document once, however often it was rendered."""
    texts = {json.dumps(document, sort_keys=True) for each in rendered for document in each}
    return [json.loads(text) for text in sorted(texts)]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("values", FEATURES.values(), ids=FEATURES)
def test_every_document_is_one_that_kubernetes_takes(values: Any, version: str) -> None:
    for document in documents(values):
        validate(document, version)


@pytest.mark.exhaustive
def test_every_two_features_together_render_valid_documents() -> None:
    every = different(documents(values) for values in pairs())
    assert len(every) > len(different(documents(values) for values in FEATURES.values()))
    for document in every:
        validate(document, NEWEST)


def test_only_the_admission_policy_needs_more_than_kubernetes_1_29() -> None:
    unknown = set()
    for document in documents():
        try:
            validate(document, "1.29")
        except kubernetes_validate.SchemaNotFoundError:
            unknown.add(document["kind"])
    assert unknown == {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}


@pytest.mark.parametrize("values", FEATURES.values(), ids=FEATURES)
def test_every_object_says_what_it_belongs_to(values: Any) -> None:
    for document in documents(values, name="canary", namespace="tools"):
        labels = document["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "canary"
        if document["kind"] in CLUSTER_WIDE:
            assert "namespace" not in document["metadata"]
        elif document["kind"] in {"Role", "RoleBinding"} and "watchNamespaces" in values:
            assert document["metadata"]["namespace"] in {"tools", "shop", "blog"}
        else:
            assert document["metadata"]["namespace"] == "tools"


@pytest.mark.parametrize("values", FEATURES.values(), ids=FEATURES)
def test_no_value_but_the_name_changes_the_selector_of_the_deployment(values: Any) -> None:
    rendered = documents(values, name="canary", namespace="tools")
    (deployment,) = (d for d in rendered if d["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["metadata"]["labels"]
    selector = deployment["spec"]["selector"]["matchLabels"]
    wanted = {**SELECTOR, "app.kubernetes.io/name": values.get("nameOverride", "canary-operator")}
    assert selector == wanted
    assert pod.items() >= selector.items()
    for document in rendered:
        spec = document.get("spec", {})
        if document["kind"] == "Service":
            assert spec["selector"] == wanted
        elif document["kind"] in {"PodDisruptionBudget", "ServiceMonitor", "PodMonitor"}:
            assert spec["selector"]["matchLabels"] == wanted
        elif document["kind"] == "NetworkPolicy":
            assert spec["podSelector"]["matchLabels"] == wanted


def test_a_new_version_of_the_chart_alone_restarts_no_pod() -> None:
    template = one("Deployment")["spec"]["template"]
    assert "helm.sh/chart" not in template["metadata"]["labels"]
    assert "app.kubernetes.io/version" not in template["metadata"]["labels"]


def test_the_tests_pod_is_no_pod_of_the_operator() -> None:
    labels = one("Pod")["metadata"]["labels"]
    selector = one("Deployment")["spec"]["selector"]["matchLabels"]
    assert not labels.items() >= selector.items()


def test_what_the_tests_pod_said_can_be_read_until_the_next_test() -> None:
    annotations = one("Pod")["metadata"]["annotations"]
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation"


def test_a_long_release_name_still_makes_names_that_kubernetes_takes() -> None:
    for document in documents(name="r" * 53, namespace="n" * 63):
        name = document["metadata"]["name"]
        assert len(name) <= (63 if document["kind"] in {"Service", "Pod"} else 253)


def test_releases_side_by_side_share_no_name() -> None:
    values = {"watchNamespaces": ["shop"], "crds": {"enabled": False}}
    first, second = (
        {
            (d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"])
            for d in documents(values, name="canary-operator", namespace=namespace)
        }
        for namespace in ("one", "two")
    )
    assert first & second == set()


def test_a_digest_wins_over_a_tag() -> None:
    digest = "sha256:" + "0a" * 32
    values = {"image": {"repository": "r.io/o", "tag": "1", "digest": digest}}
    assert operator(values)["image"] == f"r.io/o@{digest}"
    assert operator({"image": {"repository": "r.io/o", "tag": "1"}})["image"] == "r.io/o:1"


@pytest.mark.parametrize(
    ("values", "strategy"),
    [
        pytest.param({}, "RollingUpdate", id="with an election the new pod stands by first"),
        pytest.param(
            FEATURES["no leader election"], "Recreate", id="without one the old pod ends first"
        ),
    ],
)
def test_two_operators_never_work_at_once(values: Any, strategy: str) -> None:
    assert one("Deployment", values)["spec"]["strategy"]["type"] == strategy


@pytest.mark.parametrize(("replicas", "budgets"), [(0, 0), (1, 0), (2, 1)])
def test_a_budget_is_for_more_than_one_pod(replicas: int, budgets: int) -> None:
    kinds = [document["kind"] for document in documents({"replicas": replicas})]
    assert kinds.count("PodDisruptionBudget") == budgets


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("http://prometheus:9090", 9090),
        ("http://prometheus.monitoring.svc", 80),
        ("https://mimir.example.com/prometheus", 443),
        ("http://[fd00::1]:9091/", 9091),
    ],
)
def test_the_network_policy_opens_the_port_of_prometheus(address: str, port: int) -> None:
    values = {"networkPolicy": {"enabled": True}, "prometheus": {"address": address}}
    *_, prometheus = one("NetworkPolicy", values)["spec"]["egress"]
    assert prometheus == {"ports": [{"port": port, "protocol": "TCP"}]}


@pytest.mark.parametrize("peers", [[], [PEER]])
def test_the_network_policy_opens_dns_to_whom_it_should(peers: list[Document]) -> None:
    values = {"networkPolicy": {"enabled": True, "dnsTo": peers}}
    dns, *_ = one("NetworkPolicy", values)["spec"]["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert dns.get("to", []) == peers


def test_the_network_policy_lets_the_tests_pod_ask() -> None:
    (rule,) = one("NetworkPolicy", {"networkPolicy": {"enabled": True}})["spec"]["ingress"]
    labels = one("Pod")["metadata"]["labels"]
    assert {"podSelector": {"matchLabels": labels}} in rule["from"]
    assert rule["ports"] == [{"port": "metrics", "protocol": "TCP"}]


def test_a_crd_stays_unless_somebody_says_otherwise() -> None:
    keep = "helm.sh/resource-policy"
    assert one("CustomResourceDefinition")["metadata"]["annotations"][keep] == "keep"
    goes = one("CustomResourceDefinition", FEATURES["a CRD that goes"])
    assert goes["metadata"]["annotations"] == {"example.com/owner": "us"}


def test_the_alerts_and_the_dashboard_arrive_as_they_are() -> None:
    both = {**FEATURES["alerts"], **FEATURES["dashboard"]}
    folder = CHART / "files"
    rules = yaml.safe_load((folder / "alerts.yaml").read_text())
    assert one("PrometheusRule", both)["spec"] == rules
    (dashboard,) = one("ConfigMap", both)["data"].values()
    assert json.loads(dashboard) == json.loads((folder / "dashboard.json").read_text())
    assert one("ConfigMap", both)["metadata"]["labels"]["grafana_dashboard"] == "1"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "kubectl -n canary-operator rollout status deployment/canary-operator"),
        ({}, "helm test -n canary-operator canary-operator"),
        ({}, "http://prometheus.istio-system.svc:9090"),
        ({"replicas": 1}, "WARNING: there is one replica."),
        ({"replicas": 0}, "WARNING: there is no pod (replicas is 0)."),
        ({"admissionPolicy": {"enabled": False}}, "because admissionPolicy.enabled is false"),
        (FEATURES["a policy that only warns"], "refuses nothing (validationActions: Warn, Audit)"),
        ({"crds": {"enabled": False}}, "install and upgrade it yourself"),
        ({"crds": {"keep": False}}, "An uninstall deletes every CanaryRollout"),
        ({"watchNamespaces": ["shop", "blog"]}, "serves the namespaces shop, blog."),
    ],
)
def test_the_notes_say_what_comes_next(values: Any, said: str) -> None:
    notes = render(values)[NOTES]
    assert said in notes
    assert "WARNING" not in render()[NOTES]
