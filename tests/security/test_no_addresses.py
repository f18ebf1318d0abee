"""Where the operator sends requests stands in its own configuration, never in a CanaryRollout."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.spec import parse_spec
from canary_operator.playground.api.cel import check, collect

CRD = yaml.safe_load((Path(__file__).parents[2] / "crds" / "canaryrollouts.yaml").read_text())
SPEC = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
THE_API_SERVERS = ("template",)
"""Below it everything belongs to pods, and is the API server's to judge."""
FREE_TEXT = {"spec.analysis.metrics[].query.promql"}
"""Is sent to the configured Prometheus and to nobody else."""
OWN_NAMESPACE = {"spec.workloadRef.name"}
"""Name of an object of the rollout's own namespace, which the API server is asked for."""
CLAIMED = {"spec.traffic.istio.hosts[]", "spec.traffic.istio.gateways[]"}
"""Names in a route; the operator itself calls none of them."""

ADDRESSES = (
    "http://attacker.example/hook",
    "https://attacker.example:8443",
    "//attacker.example/x",
    "attacker.example:9090",
    "attacker.example",
    "10.0.0.1",
    "10.0.0.1:9090",
    "[::1]:9090",
    "unix:///var/run/x.sock",
    "file:///etc/passwd",
    "a b@attacker.example",
)


ROUTE = {
    *(
        f"spec.traffic.istio.{name}"
        for name in (
            "match",
            "retries",
            "headers",
            "rewrite",
            "corsPolicy",
            "trafficPolicy",
            "labels",
            "annotations",
            "virtualService",
        )
    ),
    "spec.strategy.match",
}
"""What the mesh's proxies do with requests for the rollout's hosts; nothing asks what stands there.
A VirtualService and its routes are names in the rollout's own namespace.
The destinations of the route are the rollout's own Services, whatever this says."""


SCALING = {"spec.autoscaling.metrics", "spec.autoscaling.behavior"}
"""What Kubernetes' own autoscalers follow. They ask the metrics APIs of the cluster, and the author
must be allowed to create such an autoscaler, see the admission policy."""


def leaves(schema: dict[str, Any], place: str = "spec") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every place in the spec that takes text, with its schema."""
    for name, inner in schema.get("properties", {}).items():
        if name not in THE_API_SERVERS and f"{place}.{name}" not in ROUTE | SCALING:
            yield from leaves(inner, f"{place}.{name}")
    if isinstance(schema.get("items"), dict):
        yield from leaves(schema["items"], f"{place}[]")
    takes_any = schema.get("x-kubernetes-preserve-unknown-fields")
    mapped = schema.get("additionalProperties")
    assert not takes_any, f"{place} takes anything"
    assert not mapped, f"{place} takes any key"
    if schema.get("type") == "string" or schema.get("x-kubernetes-int-or-string"):
        yield place, schema


LEAVES = dict(leaves(SPEC))


def test_every_place_that_takes_text_is_looked_at() -> None:
    assert LEAVES.keys() >= FREE_TEXT | CLAIMED | {"spec.service.targetPort"}
    assert len(LEAVES) > 15


@pytest.mark.parametrize("place", sorted(LEAVES.keys() - FREE_TEXT - CLAIMED - OWN_NAMESPACE))
def test_no_field_takes_an_address(place: str) -> None:
    schema = LEAVES[place]
    assert [one for one in ADDRESSES if takes(schema, one)] == []


@pytest.mark.parametrize("place", sorted(CLAIMED | OWN_NAMESPACE))
def test_a_claimed_name_has_no_scheme_port_or_user(place: str) -> None:
    taken = [one for one in ADDRESSES if takes(LEAVES[place], one)]
    assert set(taken) <= {"attacker.example", "10.0.0.1"}


def takes(schema: dict[str, Any], text: str) -> bool:
    """Tell whether the API server would take a text there."""
    if "enum" in schema and text not in schema["enum"]:
        return False
    if len(text) > schema.get("maxLength", len(text)):
        return False
    pattern = schema.get("pattern")
    if pattern and not re.search(pattern.replace("$", r"\Z"), text):
        return False
    rules = collect({"properties": {"text": schema}})
    return rules is None or not list(check({"text": text}, rules, None))


@pytest.mark.parametrize(
    "field",
    ["prometheus", "address", "url", "webhook", "webhooks", "notify", "headers", "serviceAccount"],
)
@pytest.mark.parametrize("place", ["", "analysis", "traffic", "strategy", "service"])
def test_a_field_for_an_address_is_refused_as_unknown(place: str, field: str) -> None:
    spec: dict[str, Any] = {
        "template": {"spec": {"containers": [{"name": "a", "image": "a:1"}]}},
        "service": {"port": 80},
        "analysis": {},
        "traffic": {"istio": {}},
        "strategy": {},
    }
    (spec[place] if place else spec)[field] = ADDRESSES[0]
    with pytest.raises(InvalidSpecError, match=field):
        parse_spec(spec)
