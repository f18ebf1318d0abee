"""Each alert fires when it must, and nothing fires when nothing is wrong."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from tests.monitoring.alerts import ALERTS, HEALTHY, PREFIX, check_rules, promtool

RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
WEB = 'namespace="demo",rollout="web"'
STABLE = f'rollout_phase{{{WEB},phase="Stable"}}'
INFO = next(one for one in HEALTHY if one.startswith("rollout_info"))
READY = next(one for one in HEALTHY if one.startswith("rollout_condition"))
PROGRESSED = f"rollout_progressed_timestamp_seconds{{{WEB}}}"


def phase(name: Phase) -> str:
    return f'rollout_phase{{{WEB},phase="{name}"}}'


def condition(kind: str, reason: Reason) -> str:
    return f'rollout_condition{{{WEB},type="{kind}",reason="{reason}"}}'


def checks(verdict: str) -> str:
    return f'checks_total{{{WEB},metric="success-rate",verdict="{verdict}"}}'


def under_way(name: Phase = Phase.PROGRESSING, progressed: str = "0x2000") -> dict[str, Any]:
    """Return a rollout that made progress last when the clock began."""
    reconciling = {condition("Reconciling", Reason.PROGRESSING): "1x2000"}
    return {STABLE: None, READY: None, phase(name): "1x2000", PROGRESSED: progressed} | reconciling


REJECTED = INFO.replace('rejected_revision=""', 'rejected_revision="b"')
BLIND = 'prometheus_queries_total{outcome="%s"}'
SERVER = 'api_requests_total{verb="patch",resource="deployments.apps",code="%s"}'
LAG = 'tick_lag_seconds_bucket{le="%s"}'

Case = tuple[Mapping[str, str | None], Mapping[int, list[str]]]
CASES: dict[str, Case] = {
    "nothing is wrong": ({}, {10: [], 120: [], 1600: []}),
    "no rollout at all": ({STABLE: None, INFO: None, READY: None}, {60: []}),
    "nobody releases anything, so Prometheus is not asked": (
        {BLIND % "answered": "7x2000"},
        {60: []},
    ),
    "a revision was rolled back": (
        {
            STABLE: "1 1 1 stale",
            INFO: "1 1 1 stale",
            READY: "1 1 1 stale",
            phase(Phase.ROLLED_BACK): "_ _ _ 1x60",
            condition("Stalled", Reason.ROLLED_BACK): "_ _ _ 1x60",
            REJECTED: "_ _ _ 1x60",
        },
        {2: [], 3: ["CanaryRolledBack"], 50: ["CanaryRolledBack"]},
    ),
    "the next version takes the place of the one that was rolled back": (
        {INFO: "_x10 1x30", REJECTED: "1x9 stale"},
        {9: ["CanaryRolledBack"], 11: []},
    ),
    "a rollout makes no progress": (
        {**under_way(), checks("Pass"): "3x2000", checks("Inconclusive"): "0+2x2000"},
        {30: [], 35: [], 37: ["CanaryRolloutStuck"]},
    ),
    "a first version does not come up": (
        under_way(Phase.INITIALIZING),
        {30: [], 37: ["CanaryRolloutStuck"]},
    ),
    "a rollback does not end": (
        under_way(Phase.ROLLING_BACK),
        {30: [], 37: ["CanaryRolloutStuck"]},
    ),
    "a long step whose checks pass": (
        {**under_way(), checks("Pass"): "0+2x2000"},
        {30: [], 37: [], 300: []},
    ),
    "steps follow each other": ({**under_way(progressed="0+60x2000")}, {37: [], 300: []}),
    "a rollout that is paused": (
        {**under_way(Phase.PAUSED), condition("Paused", Reason.APPROVAL_REQUIRED): "1x2000"},
        {37: [], 1400: [], 1441: ["CanaryRolloutWaitsForPerson"]},
    ),
    "a spec that is refused": (
        {READY: None, condition("Stalled", Reason.INVALID_SPEC): "1x2000"},
        {4: [], 6: ["CanaryRolloutRefused"]},
    ),
    "a refused spec that is mended soon": (
        {
            READY: "_ _ _ _ 1x60",
            condition("Stalled", Reason.INVALID_TEMPLATE): "1 1 1 stale",
        },
        {4: [], 6: [], 20: []},
    ),
    "a spec that is refused while its predecessor is under way": (
        {**under_way(), condition("Stalled", Reason.HOST_NOT_ALLOWED): "1x2000"},
        {60: ["CanaryRolloutRefused"]},
    ),
    "the operator lacks a right": (
        {READY: None, condition("Reconciling", Reason.FORBIDDEN): "1x2000"},
        {9: [], 11: ["CanaryRolloutHindered"]},
    ),
    "no operator": (
        dict.fromkeys(HEALTHY),
        {4: [], 6: ["CanaryOperatorDown"]},
    ),
    "an operator that is replaced": (
        {'build_info{version="1"}': "1x4 stale _ _ 1x60"},
        {9: [], 30: []},
    ),
    "nobody leads": (
        {"leader": "0x2000"},
        {1: [], 3: ["CanaryOperatorNoLeader"]},
    ),
    "another one leads": (
        {"leader": "0x2000", 'leader{pod="other"}': "0 1x2000"},
        {3: [], 60: []},
    ),
    "Prometheus cannot be reached": (
        {BLIND % "answered": "70x2000", BLIND % "unavailable": "0+6x2000"},
        {4: [], 8: ["CanaryOperatorBlind"]},
    ),
    "Prometheus is slow most of the time": (
        {BLIND % "answered": "0+2x2000", BLIND % "timeout": "0+6x2000"},
        {8: ["CanaryOperatorBlind"]},
    ),
    "some queries are late": ({BLIND % "timeout": "0+2x2000"}, {60: []}),
    "a user's own query is wrong": (
        {BLIND % "answered": "7x2000", BLIND % "rejected": "0+9x2000"},
        {60: []},
    ),
    "the API server fails": (
        {SERVER % "503": "0+20x2000"},
        {9: [], 13: ["CanaryOperatorApiErrors"]},
    ),
    "the API server does not answer": (
        {SERVER % "0": "0+20x2000"},
        {13: ["CanaryOperatorApiErrors"]},
    ),
    "the API server fails now and then": ({SERVER % "500": "0+2x2000"}, {60: []}),
    "others write, too": ({SERVER % "409": "0+50x2000"}, {60: []}),
    "a bug": (
        {'ticks_total{outcome="failed"}': "0 0 0 0 0 1x2000"},
        {4: [], 6: ["CanaryOperatorTicksFail"], 60: []},
    ),
    "ticks begin late": (
        {LAG % "0.1": "0+10x2000", LAG % "5.0": "0+20x2000"},
        {9: [], 13: ["CanaryOperatorLate"]},
    ),
    "one tick in a thousand begins late": (
        {LAG % "10.0": "0+60.05x2000", LAG % "+Inf": "0+60.05x2000"},
        {60: []},
    ),
}


def test_the_rules_are_rules() -> None:
    ran = promtool("check", "rules", ALERTS)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("name", CASES)
def test_exactly_these_alerts_fire(tmp_path: Path, name: str) -> None:
    assert not check_rules(tmp_path, {name: CASES[name]})


def test_a_wrong_expectation_is_noticed(tmp_path: Path) -> None:
    """Else nothing above would be worth anything."""
    assert "CanaryOperatorDown" in check_rules(tmp_path, {"x": ({}, {5: ["CanaryOperatorDown"]})})


def test_every_alert_fires_in_some_case() -> None:
    fired = {one for _, firing in CASES.values() for alerts in firing.values() for one in alerts}
    assert fired == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    summary, description = (rule["annotations"][name] for name in ("summary", "description"))
    assert "\n" not in summary.strip()
    assert re.search(r"kubectl |--prometheus-address|canary_operator_", description)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_words_use_only_labels_that_the_alert_has(rule: dict[str, Any]) -> None:
    words = " ".join(rule["annotations"].values())
    used = set(re.findall(r"\$labels\.(\w+)", words))
    grouped = re.search(r"by \(([^)]*)\)", rule["expr"])
    assert used <= set(grouped[1].replace(" ", "").split(",") if grouped else ())


def test_reasons_and_phases_exist() -> None:
    words = ALERTS.read_text()
    reasons = {
        one
        for found in re.findall(r'reason(?:=~|!=|=)"([^"]+)"', words)
        for one in found.split("|")
    }
    phases = {
        one for found in re.findall(r'phase(?:=~|!=|=)"([^"]+)"', words) for one in found.split("|")
    }
    assert reasons <= set(Reason)
    assert phases <= set(Phase)
    assert reasons
    assert phases
    assert PREFIX in words
