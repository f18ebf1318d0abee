"""What a real operator tells a real Prometheus, a kubelet and whoever reads its log."""

from typing import Any

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from canary_operator.playground.local import ROLLOUTS
from tests.monitoring.alerts import FILES, promtool
from tests.monitoring.conftest import Watched
from tests.support.bed import Release

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("monitoring")]

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


async def value(watched: Watched, promql: str) -> float | None:
    return await watched.prometheus.value(promql)


def of(release: Release) -> str:
    return f'namespace="{release.namespace}",rollout="{release.name}"'


async def test_a_promotion_is_counted_once(watched: Watched) -> None:
    which = of(watched.promoted)
    assert await value(watched, f"canary_operator_promotions_total{{{which}}}") == 1
    assert await value(watched, f"sum(canary_operator_rollbacks_total{{{which}}})") == 0
    passed = f'canary_operator_checks_total{{{which},metric="success-rate",verdict="Pass"}}'
    assert (await value(watched, passed) or 0) >= 2


async def test_a_rollback_is_counted_once_by_its_reason(watched: Watched) -> None:
    which = of(watched.rolled_back)
    counted = await watched.prometheus.query(f"canary_operator_rollbacks_total{{{which}}} > 0")
    assert [(one.labels["reason"], one.value) for one in counted] == [("AnalysisFailed", 1)]
    failed = f'canary_operator_checks_total{{{which},verdict="Fail"}}'
    assert await value(watched, failed) == 1
    assert await value(watched, "canary_operator_time_to_rollback_seconds_count") == 1
    history = (await watched.rolled_back.status())["history"][0]
    info = f"canary_operator_rollout_info{{{which}}}"
    (series,) = await watched.prometheus.query(info)
    assert series.labels["rejected_revision"] == history["revision"]


async def test_each_phase_is_that_of_the_status(watched: Watched) -> None:
    for release in watched.all:
        found = await watched.prometheus.query(f"canary_operator_rollout_phase{{{of(release)}}}")
        phase = (await release.status())["phase"]
        assert [(one.labels["phase"], one.value) for one in found] == [(phase, 1)]


async def test_requests_of_both_clients_are_counted(watched: Watched) -> None:
    """Ours writes, kopf's watches; the log of the API server has the same."""
    counted = await watched.prometheus.query(
        "sum by (verb, resource) (canary_operator_api_requests_total)"
    )
    known = {(one.labels["verb"], one.labels["resource"]): one.value for one in counted}
    watches = {resource for verb, resource in known if verb == "watch"}
    assert watches >= {
        "canaryrollouts.canary-operator.dev",
        "deployments.apps",
        "controllerrevisions.apps",
        "services",
        "pods",
        "virtualservices.networking.istio.io",
    }
    creates = [
        one
        for one in watched.bed.cluster.requests().matching(
            user_agent="canary-operator/", verb="create"
        )
        if one.resource == "controllerrevisions"
    ]
    assert known["create", "controllerrevisions.apps"] == len(creates) > 0


async def test_queries_are_counted(watched: Watched) -> None:
    answered = 'canary_operator_prometheus_queries_total{outcome="answered"}'
    assert (await value(watched, answered) or 0) > 0
    others = 'sum(canary_operator_prometheus_queries_total{outcome!="answered"})'
    assert await value(watched, others) == 0


async def test_the_exposition_is_clean(watched: Watched) -> None:
    _, headers, text = await watched.get("/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    ran = promtool("check", "metrics", stdin=text)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


async def test_both_formats_tell_the_same(watched: Watched) -> None:
    _, headers, text = await watched.get("/metrics", accept=OPENMETRICS)
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {one.name: one for one in read_openmetrics(text)}
    _, _, plain = await watched.get("/metrics")
    assert set(families) == {one.name for one in read_text(plain)}
    assert text.endswith("# EOF\n")


async def test_a_kubelet_is_told_that_all_is_well(watched: Watched) -> None:
    for path in ("/healthz", "/readyz"):
        status, _, text = await watched.get(path)
        assert (status, text) == (200, "ok\n")


async def test_the_alerts_see_what_is_so(watched: Watched) -> None:
    """The expressions over real series: a rollback is there, the operator is well."""
    groups = yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"]
    true = set()
    for rule in (rule for group in groups for rule in group["rules"]):
        if await watched.prometheus.query(rule["expr"]):
            true.add(rule["alert"])
    assert true == {"CanaryRolledBack", "CanaryRolloutWaitsForPerson", "CanaryRolloutRefused"}


# The log.

FIELDS = {"time", "level", "logger", "message"}


def life_of(watched: Watched, release: Release) -> list[dict[str, Any]]:
    who = f"{release.namespace}/{release.name}"
    return [line for line in watched.log() if line.get("rollout") == who]


async def test_every_line_of_the_log_is_an_object_with_its_facts(watched: Watched) -> None:
    lines = watched.log()
    assert len(lines) > 20
    for line in lines:
        assert line.keys() >= FIELDS
        if "reason" in line:
            assert line.keys() >= {"rollout", "revision", "phase", "weight"}, line


async def test_a_promotion_can_be_followed_in_the_log(watched: Watched) -> None:
    told = [
        line.get("reason") or line["message"].split(":")[0]
        for line in life_of(watched, watched.promoted)
    ]
    assert told == [
        "Spec accepted",
        "Initializing",
        "Stable",
        "Spec accepted",
        "RolloutStarted",
        "WeightChanged",
        "CheckPassed",
        "WeightChanged",
        "CheckPassed",
        "Promoting",
        "Promoted",
    ]


async def test_a_rollback_says_in_the_log_why(watched: Watched) -> None:
    *_, last = life_of(watched, watched.rolled_back)
    facts = ("level", "reason", "cause", "phase", "weight")
    assert [last[name] for name in facts] == [
        "warning",
        "RolledBack",
        "AnalysisFailed",
        "RollingBack",
        0,
    ]
    assert last["revision"] == (await watched.rolled_back.status())["history"][0]["revision"]


async def test_a_refusal_is_in_the_log(watched: Watched) -> None:
    *_, last = life_of(watched, watched.refused)
    assert (last["level"], last["reason"]) == ("warning", "HostNotAllowed")


# At the end, as it takes a rollout away and lets the operator die.


async def test_a_deleted_rollout_has_no_series(watched: Watched) -> None:
    which, bed = of(watched.promoted), watched.bed
    await bed.client.delete(ROLLOUTS, watched.promoted.name, watched.promoted.namespace)
    await watched.prometheus.wait_for(
        f"count({{__name__=~'canary_operator_.*',{which}}})", lambda count: count is None
    )


async def test_a_new_operator_counts_nothing_of_the_past(watched: Watched) -> None:
    bed = watched.bed
    await bed.operator.kill()
    await bed.operator.start()
    which = of(watched.rolled_back)
    await watched.prometheus.wait_for(
        f"sum(canary_operator_rollbacks_total{{{which}}}) or vector(0)", lambda count: count == 0
    )
    await watched.prometheus.wait_for(
        f'canary_operator_rollout_phase{{{which},phase="RolledBack"}}', lambda one: one == 1
    )
