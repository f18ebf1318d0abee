"""Values: what is accepted, what is refused, and what the refusal says."""

import json
from collections.abc import Iterator
from typing import Any

import helm_python
import pytest
import yaml

from deploy.rendering import CHART, render
from deploy.values import UndocumentedValueError, documented_values
from tests.chart.charting import FEATURES, merged

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
VALUES = documented_values((CHART / "values.yaml").read_text())
FREE = {
    "global",
    "valueFrom",
    "nodeAffinity",
    "podAffinity",
    "podAntiAffinity",
    "topologySpreadConstraints",
    "tolerations",
    "extraVolumes",
    "extraVolumeMounts",
    "relabelings",
    "metricRelabelings",
    "metricsFrom",
    "dnsTo",
    "prometheusTo",
    "extraEgress",
}
"""Objects of Kubernetes, which an API server checks, and what a parent chart passes on."""


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param(
            {"replica": 3}, "at '': additional properties 'replica' not allowed", id="a typo"
        ),
        pytest.param(
            {"prometheus": {"adress": "http://p"}},
            "at '/prometheus': additional properties 'adress' not allowed",
            id="a typo further down",
        ),
        pytest.param(
            {"extraEnv": [{"name": "A", "val": "1"}]},
            "at '/extraEnv/0': additional properties 'val' not allowed",
            id="a typo in a list",
        ),
        pytest.param({"replicas": "3"}, "at '/replicas': got string, want integer", id="text"),
        pytest.param({"replicas": -1}, "at '/replicas': minimum: got -1, want 0", id="no count"),
        pytest.param(
            {"podSecurityContext": {"runAsUser": 0}},
            "at '/podSecurityContext/runAsUser': minimum: got 0, want 1",
            id="root",
        ),
        pytest.param(
            {"log": {"level": "loud"}},
            "at '/log/level': value must be one of 'debug', 'info', 'warning', 'error'",
            id="no level",
        ),
        pytest.param(
            {"customQueries": "some"},
            "at '/customQueries': value must be one of 'all', 'none'",
            id="neither all nor none",
        ),
        pytest.param(
            {"watchNamespaces": ["Shop"]}, "at '/watchNamespaces/0': 'Shop'", id="no namespace"
        ),
        pytest.param(
            {"watchNamespaces": "shop"}, "got string, want array", id="one namespace as text"
        ),
        pytest.param(
            {"watchNamespaces": ["shop", "shop"]}, "items at 0 and 1 are equal", id="one twice"
        ),
        pytest.param(
            {"podLabels": {"a": 1}}, "at '/podLabels/a': got number, want string", id="a number"
        ),
        pytest.param({"commonLabels": {"a": "b c"}}, "'b c'", id="a label with a space"),
        pytest.param({"metrics": {"port": 80}}, "minimum: got 80, want 1,024", id="a root's port"),
        pytest.param({"prometheus": {"timeout": "5"}}, "at '/prometheus/timeout'", id="no unit"),
        pytest.param(
            {"prometheus": {"headers": {"A": "b\r\nC: d"}}}, "/prometheus/headers/A", id="two lines"
        ),
        pytest.param(
            {"podDisruptionBudget": {"maxUnavailable": "half"}}, "'half'", id="no percentage"
        ),
        pytest.param({"extraArgs": ["run"]}, "at '/extraArgs/0': 'run'", id="no flag"),
        pytest.param({"imagePullSecrets": [{}]}, "missing property 'name'", id="no name"),
        pytest.param(
            {"prometheus": {"address": ""}}, "prometheus.address is empty: without", id="empty"
        ),
        pytest.param(
            {"prometheus": {"address": "prometheus:9090"}},
            'prometheus.address is "prometheus:9090": write a URL with http://',
            id="no URL",
        ),
        *(
            pytest.param({"allowedHosts": [host]}, f'allowedHosts has "{host}": write', id=host)
            for host in ("*", "shop/*", "web.*.example.com", "api?.example.com", "a/b/example.com")
        ),
        pytest.param(
            {"image": {"repository": "r.io:5000/o:1.2"}},
            "write the tag into image.tag",
            id="a tag in the repository",
        ),
        pytest.param(
            {"image": {"digest": "0a1b"}},
            'image.digest is "0a1b": write sha256: and 64 hexadecimal digits',
            id="half a digest",
        ),
        pytest.param(
            {"leaderElection": {"enabled": False}},
            "Set replicas to 1 or leaderElection.enabled to true.",
            id="two who work",
        ),
        pytest.param(
            merged(FEATURES["token and CA from Secrets"], FEATURES["CA from a ConfigMap"]),
            "the certificates come from one of them",
            id="certificates from two places",
        ),
        pytest.param(
            merged(FEATURES["ServiceMonitor"], FEATURES["PodMonitor"]),
            "every metric would be read twice",
            id="two monitors",
        ),
        pytest.param(
            merged(FEATURES["ServiceMonitor"], FEATURES["no Service for metrics"]),
            "a ServiceMonitor finds pods by a Service",
            id="a monitor without what it selects",
        ),
        pytest.param(
            {"admissionPolicy": {"validationActions": ["Deny", "Warn"]}},
            "what is refused needs no warning",
            id="refused and warned",
        ),
        pytest.param(
            {"serviceAccount": {"create": False}},
            "name the ServiceAccount that the operator shall use",
            id="no account",
        ),
        pytest.param(
            {"extraEnv": [{"name": "CANARY_OPERATOR_LOG_LEVEL", "value": "debug"}]},
            "extraEnv sets CANARY_OPERATOR_LOG_LEVEL, which the chart sets already",
            id="a variable that has a value",
        ),
    ],
)
def test_a_wrong_value_is_refused_in_words_that_name_it(values: Any, said: str) -> None:
    with pytest.raises(helm_python.HelmError) as refused:
        render(values)
    assert said in str(refused.value)


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every object schema with the name of what it describes."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield path, schema
        for part in ("properties", "definitions"):
            for key, below in schema.get(part, {}).items():
                yield from objects(below, key)
        yield from objects(schema.get("items"), path)


@pytest.mark.parametrize(("name", "schema"), list(objects(SCHEMA)))
def test_no_object_takes_what_nobody_knows(name: str, schema: Any) -> None:
    known = schema.get("additionalProperties", True)
    assert known is not True or name in FREE, f"{name} takes anything"
    assert known is False or "properties" not in schema, f"{name} takes more than it says"


Path = tuple[str, ...]


def known_paths(schema: Any, above: Path = ()) -> Iterator[Path]:
    for key, below in schema.get("properties", {}).items():
        yield (*above, key)
        yield from known_paths(below, (*above, key))


def paths(tree: Any, above: Path = ()) -> Iterator[Path]:
    for key, below in tree.items():
        yield (*above, key)
        if isinstance(below, dict):
            yield from paths(below, (*above, key))


def test_every_value_that_the_schema_knows_has_its_default() -> None:
    assert {path for path in known_paths(SCHEMA) if path not in set(paths(DEFAULTS))} == {
        ("global",),
        ("enabled",),
        *(
            (f"{probe}Probe", key)
            for probe in ("liveness", "readiness")
            for key in ("initialDelaySeconds", "successThreshold")
        ),
        *(("affinity", key) for key in ("nodeAffinity", "podAffinity", "podAntiAffinity")),
    }


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.name)
def test_every_description_is_a_sentence(value: Any) -> None:
    assert value.description[0].isupper() or value.description[0] == "`", value
    assert value.description.endswith("."), value


def test_every_value_is_away_from_its_default_in_some_test() -> None:
    tried = {path for values in FEATURES.values() for path in paths(values)}
    assert {value.name for value in VALUES if value.path not in tried} == set()


def test_a_value_without_a_comment_is_not_forgotten() -> None:
    with pytest.raises(UndocumentedValueError, match=r"a\.b has no comment"):
        documented_values("a:\n  b: 1\n")
