"""The settings of the operator: each flag has a value, and what is rendered is understood."""

from pathlib import Path
from typing import Any

import click
import pytest

from canary_operator.cli.main import run
from tests.chart.charting import FEATURES, documents, merged, one, operator

EVERYTHING = merged(
    merged(FEATURES["some namespaces"], FEATURES["token and CA from Secrets"]),
    merged(FEATURES["another Prometheus"], FEATURES["hosts and queries"]),
)
MOUNTED = "/etc/canary-operator/"
FLAGS_ONLY = {"CANARY_OPERATOR_PROMETHEUS_HEADER"}
"""A variable is split at spaces, and a header may have some."""


def understood(values: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict[str, Any]:
    """Return what `canary-operator run` reads of the rendered container."""
    container = operator(values)
    for variable in container["env"]:
        text = variable.get("value", "canary-operator")
        if text.startswith(MOUNTED):
            file = folder / text.removeprefix(MOUNTED)
            file.parent.mkdir(exist_ok=True)
            file.touch()
            text = str(file)
        monkeypatch.setenv(variable["name"], text)
    command, *arguments = container["args"]
    assert command == run.name
    return run.make_context("run", arguments).params


def options() -> dict[str, click.Option]:
    return {str(o.envvar): o for o in run.params if isinstance(o, click.Option)}


def test_every_flag_has_a_value() -> None:
    variables = {variable["name"] for variable in operator(EVERYTHING)["env"]}
    assert variables | FLAGS_ONLY == options().keys()
    assert any(a.startswith("--prometheus-header=") for a in operator(EVERYTHING)["args"])


def test_the_defaults_are_those_of_the_operator_but_for_logs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as bare:
        bare.setenv("CANARY_OPERATOR_PROMETHEUS_ADDRESS", "http://p")
        own = run.make_context("run", []).params
    rendered = understood({}, monkeypatch, tmp_path)
    assert {key: rendered[key] for key in own if rendered[key] != own[key]} == {
        "prometheus_address": "http://prometheus.istio-system.svc:9090",
        "leader_election": True,  # which the operator finds out by itself in a cluster
        "leader_election_namespace": "canary-operator",
        "log_format": "json",
    }


def test_every_value_arrives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    flags = understood(EVERYTHING, monkeypatch, tmp_path)
    assert flags["namespace"] == ("shop", "blog")
    assert flags["prometheus_address"] == "https://mimir.example.com/prometheus"
    assert flags["prometheus_timeout"].total_seconds() == 90
    assert flags["prometheus_scrape_interval"].total_seconds() == 60
    assert set(flags["prometheus_header"]) == {
        ("X-Scope-OrgID", "team: one"),
        ("X-Tenant", '"quoted"'),
    }
    assert flags["prometheus_ca_file"].name == "ca.crt"
    assert flags["prometheus_bearer_token_file"].name == "token"
    assert flags["allowed_host"] == ("shop/*.example.com",)
    assert flags["custom_queries"] == "shop"


@pytest.mark.parametrize(
    ("values", "flag", "expected"),
    [
        (FEATURES["no custom queries"], "custom_queries", "none"),
        ({"customQueries": []}, "custom_queries", "none"),
        (FEATURES["no custom queries"], "cluster_domain", "k8s.example.com"),
        (FEATURES["no leader election"], "leader_election", False),
        (FEATURES["logs for people"], "log_level", "debug"),
        (FEATURES["logs for people"], "log_format", "text"),
        (FEATURES["logs for people"], "max_concurrent_ticks", 1000),
        (FEATURES["no Service for metrics"], "metrics_address", ("", 9999)),
        (FEATURES["additions"], "log_level", "debug"),
        (FEATURES["other names"], "leader_election_lease", "releases"),
    ],
)
def test_one_value_arrives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, values: Any, flag: str, expected: Any
) -> None:
    assert understood(values, monkeypatch, tmp_path)[flag] == expected


@pytest.mark.parametrize("values", FEATURES.values(), ids=FEATURES)
def test_no_variable_is_set_twice(values: Any) -> None:
    variables = [variable["name"] for variable in operator(values)["env"]]
    assert len(variables) == len(set(variables))


@pytest.mark.parametrize(
    ("values", "source"),
    [
        (
            FEATURES["CA from a ConfigMap"],
            {"configMap": {"name": "ca", "items": [{"key": "bundle.pem", "path": "ca.crt"}]}},
        ),
        (
            {"prometheus": {"caSecret": {"name": "ca"}}},
            {"secret": {"secretName": "ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        ),
        (
            {"prometheus": {"bearerTokenSecret": {"name": "t"}}},
            {"secret": {"secretName": "t", "items": [{"key": "token", "path": "token"}]}},
        ),
    ],
)
def test_a_file_stands_where_the_operator_looks(values: Any, source: Any) -> None:
    (volume,) = one("Deployment", values)["spec"]["template"]["spec"]["volumes"]
    (mount,) = operator(values)["volumeMounts"]
    assert volume == {"name": mount["name"], **source}
    (file,) = (v["value"] for v in operator(values)["env"] if v["name"].endswith("_FILE"))
    ((content,),) = (part["items"] for part in source.values())
    assert file == f"{mount['mountPath']}/{content['path']}"


def test_the_probes_ask_where_the_operator_answers() -> None:
    container = operator(FEATURES["no Service for metrics"])
    (port,) = container["ports"]
    assert port["containerPort"] == 9999
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": port["name"]}


def test_the_right_to_a_lease_is_for_the_one_that_the_operator_asks_for() -> None:
    for values in ({}, FEATURES["other names"]):
        lease = next(v for v in operator(values)["env"] if v["name"].endswith("_LEASE"))
        leases = [
            rule["resourceNames"]
            for document in documents(values)
            if document["kind"] == "Role"
            for rule in document["rules"]
            if "resourceNames" in rule
        ]
        assert leases == [[lease["value"]]]
