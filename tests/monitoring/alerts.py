"""Runs the alerts over series that are made up, with promtool."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from canary_operator.playground.daemon import find_program
from canary_operator.playground.prometheus import DEBIAN_PLACE, REMEDY

FILES = Path(__file__).parents[2] / "deploy" / "chart" / "canary-operator" / "files"
ALERTS = FILES / "alerts.yaml"
PREFIX = "canary_operator_"

HEALTHY: Mapping[str, str] = {
    'build_info{version="1"}': "1x2000",
    "leader": "1x2000",
    'rollout_phase{namespace="demo",rollout="web",phase="Stable"}': "1x2000",
    'rollout_info{namespace="demo",rollout="web",stable_revision="a",canary_revision="",'
    'rejected_revision=""}': "1x2000",
    'rollout_condition{namespace="demo",rollout="web",type="Ready",reason="Stable"}': "1x2000",
    'prometheus_queries_total{outcome="answered"}': "0+10x2000",
    'prometheus_queries_total{outcome="unavailable"}': "0x2000",
    'prometheus_queries_total{outcome="timeout"}': "0x2000",
    'prometheus_queries_total{outcome="rejected"}': "0x2000",
    'api_requests_total{verb="patch",resource="deployments.apps",code="200"}': "0+50x2000",
    'api_requests_total{verb="patch",resource="deployments.apps",code="409"}': "0+10x2000",
    'ticks_total{outcome="ok"}': "0+60x2000",
    'ticks_total{outcome="put_off"}': "0+6x2000",
    'ticks_total{outcome="failed"}': "0x2000",
    'tick_lag_seconds_bucket{le="0.1"}': "0+60x2000",
    'tick_lag_seconds_bucket{le="5.0"}': "0+60x2000",
    'tick_lag_seconds_bucket{le="10.0"}': "0+60x2000",
    'tick_lag_seconds_bucket{le="+Inf"}': "0+60x2000",
}
"""One value a minute."""


def promtool(*arguments: str | Path, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    program = find_program("promtool", REMEDY, DEBIAN_PLACE)
    return subprocess.run(
        [program, *arguments], check=False, capture_output=True, text=True, input=stdin
    )


def check_rules(folder: Path, cases: Mapping[str, tuple[Mapping[str, str | None], Any]]) -> str:
    """Return what promtool says against the alerts; nothing where all is as expected.

    Args:
        folder: For the file of promtool.
        cases: By name, what differs from `HEALTHY` (None takes a series away), and which alerts
            fire at which minute.
    """
    tests = [_test(name, *case) for name, case in cases.items()]
    file = folder / "tests.json"
    content = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}
    file.write_text(json.dumps(content))
    ran = promtool("test", "rules", file)
    assert ran.returncode == 0 or ran.stderr or ran.stdout
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


def _test(name: str, changes: Mapping[str, str | None], firing: Mapping[int, Any]) -> Any:
    series = {**HEALTHY, **changes}
    expression = 'count by (alertname) (ALERTS{alertstate="firing"})'
    return {
        "name": name,
        "interval": "1m",
        "input_series": [
            {"series": PREFIX + one, "values": values}
            for one, values in series.items()
            if values is not None
        ],
        "promql_expr_test": [
            {
                "expr": expression,
                "eval_time": f"{minute}m",
                "exp_samples": [
                    {"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in alerts
                ],
            }
            for minute, alerts in firing.items()
        ],
    }
