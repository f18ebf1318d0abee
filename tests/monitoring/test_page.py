"""The page about monitoring says what there is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.core import Metric

from canary_operator.adapters.telemetry.operator import OperatorTelemetry
from canary_operator.cli.logs import OWN_FIELDS
from canary_operator.domain.spec import parse_spec
from canary_operator.domain.status import RolloutStatus
from canary_operator.ports import Key, Rollout
from canary_operator.telemetry import Look, TickOutcome
from canary_operator.testing.builders import spec
from tests.monitoring.alerts import ALERTS, PREFIX

PAGE = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")
AT = "2026-01-01T00:00:00Z"
UNDER_WAY = {
    "phase": "Progressing",
    "stableRevision": "a",
    "canaryRevision": "b",
    "weight": 5,
    "step": 0,
    "progressedAt": AT,
    "attempt": {"startedAt": AT},
    "conditions": [
        {"type": "Ready", "status": "False", "reason": "Progressing", "lastTransitionTime": AT},
        {
            "type": "Reconciling",
            "status": "True",
            "reason": "Progressing",
            "lastTransitionTime": AT,
        },
    ],
}
KEY = Key("demo", "web")


def look_at(status: dict[str, Any]) -> Look:
    rollout = Rollout(KEY, "uid", "1", 1, {})
    return Look(rollout, RolloutStatus.read(status), parse_spec(spec()))


@pytest.fixture
def telemetry() -> OperatorTelemetry:
    """Telemetry with a series for everything that there can be."""
    telemetry = OperatorTelemetry("1")
    telemetry.looked(look_at(UNDER_WAY))
    telemetry.answered("get", "pods", 200, 0.1)
    telemetry.ticked(TickOutcome.OK, seconds=0.1, lag=0)
    return telemetry


def families(telemetry: OperatorTelemetry) -> Iterator[Metric]:
    """Yield what is our own, not of the process."""
    for family in telemetry.registry.collect():
        if family.name.startswith(PREFIX):
            yield family


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, without its head."""
    section = PAGE.split(f"\n{heading}\n")[1].split("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [re.split(r"\s*\|\s*", line)[1:-1] for line in lines[2:]]


def words(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_the_table_has_every_metric_with_its_type_and_labels(telemetry: OperatorTelemetry) -> None:
    known = {
        f"{family.name}_total" if family.type == "counter" else family.name: (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in families(telemetry)
    }
    told = {name.strip("`"): (kind, words(labels)) for name, kind, labels, _ in rows("## Metrics")}
    assert told == known


def test_the_numbers_of_series_are_right(telemetry: OperatorTelemetry) -> None:
    empty = OperatorTelemetry("1")
    own = sum(len(family.samples) for family in empty.registry.collect())
    asked = sum(
        len(family.samples) for family in families(telemetry) if "api_request" in family.name
    )
    of_rollout = sum(
        sample.labels.get("rollout") == "web"
        for family in families(telemetry)
        for sample in family.samples
    )
    assert f"| {own}, and {asked - 1} for each verb and 1 for each verb, resource and code" in PAGE
    assert f"| {of_rollout - 3}, and 3 for each of its metrics |" in PAGE
    resting = {key: UNDER_WAY[key] for key in ("stableRevision", "weight")} | {"phase": "Stable"}
    resting["conditions"] = [{**UNDER_WAY["conditions"][0], "status": "True"}]  # type: ignore[index]
    calm = OperatorTelemetry("1")
    calm.looked(
        Look(Rollout(KEY, "uid", "1", 1, {}), RolloutStatus.read(resting), parse_spec(spec()))
    )
    at_rest = sum(len(family.samples) for family in calm.registry.collect()) - own
    assert f"| a rollout at rest | {at_rest} |" in PAGE


def test_every_field_of_the_log_is_told() -> None:
    told = {field for cell, *_ in rows("## Logs") for field in words(cell)}
    always = {"time", "level", "logger", "message", "exception", "stack", "object"}
    assert told == always | set(OWN_FIELDS)


def test_the_line_of_a_log_has_those_fields() -> None:
    line = json.loads(PAGE.split("```json\n")[1].split("```")[0])
    assert set(line) == {"time", "level", "logger", "message", *OWN_FIELDS} - {"rollouts"}


def test_every_alert_is_told_with_its_severity() -> None:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    known = {
        rule["alert"]: rule["labels"]["severity"] for group in groups for rule in group["rules"]
    }
    assert {name.strip("`"): severity for name, severity, *_ in rows("## Alerts")} == known


def test_every_endpoint_is_told() -> None:
    assert [row[0] for row in rows("## Endpoints")] == ["`/metrics`", "`/healthz`", "`/readyz`"]
