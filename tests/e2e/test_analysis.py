"""How a canary is judged, with the real operator process and a real Prometheus."""

from typing import Any

import pytest

from tests.support.bed import Bed, condition, quick_spec, template
from tests.support.clusters import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

STEADY: dict[str, Any] = {"steps": [{"weight": 20, "hold": "5m"}], "scaleDownDelay": "1s"}
COMPARED: dict[str, Any] = {"interval": "5s", "minRequests": 5, "comparison": {}}
CARTS: dict[str, Any] = {"name": "carts", "query": {"promql": "sum(", "max": 1}}


async def test_a_version_that_is_worse_than_stable_is_rolled_back(bed: Bed) -> None:
    release = await bed.release(strategy=STEADY, analysis=COMPARED)
    release.traffic.canary.error_rate = 0.2
    await release.apply(template=template("v2"))
    status = await release.until_phase("RolledBack")
    entry = status["history"][0]
    assert entry["reason"] == "WorseThanStable"
    assert entry["requestsHurt"] > 0
    (metric,) = status["metrics"]
    assert (metric["verdict"], metric["reason"]) == ("Fail", "WorseThanStable")
    assert metric["odds"] >= 100
    assert metric["canary"]["bad"] > 0
    assert metric["stable"]["bad"] == 0
    assert await release.route_weight() == 0


async def test_what_was_compared_outlives_a_killed_operator(bed: Bed) -> None:
    release = await bed.release(strategy=STEADY, analysis=COMPARED)
    await release.apply(template=template("v2"))
    before = await release.until(_compared(1))
    await bed.operator.kill()
    await bed.operator.start()
    after = await release.until(_compared(2))
    (old,), (new,) = before["attempt"]["evidence"], after["attempt"]["evidence"]
    assert new["windows"] == 2
    assert new["canaryRequests"] > old["canaryRequests"]
    expected = 2 * 5 * 60 * 0.2  # two intervals of 5 s, 60 requests a second, 20 %
    assert new["canaryRequests"] == pytest.approx(expected, rel=0.35)


def _compared(windows: int) -> Any:
    def met(status: dict[str, Any]) -> bool:
        evidence = status.get("attempt", {}).get("evidence") or [{}]
        return bool(evidence[0].get("windows", 0) >= windows)

    return met


async def test_a_query_that_prometheus_cannot_read_is_an_invalid_spec(bed: Bed) -> None:
    release = await bed.release()
    analysis = {**quick_spec()["analysis"], "metrics": [CARTS]}
    await release.apply(template=template("v2"), analysis=analysis)
    status = await release.until(lambda s: condition(s, "Ready")["reason"] == "InvalidSpec")
    message = condition(status, "Ready")["message"]
    assert "spec.analysis.metrics[0].query.promql: Prometheus rejected the query" in message
    assert "1:5: parse error: unclosed left parenthesis" in message
    assert status["phase"] == "Stable"
    assert await release.image("canary") == "app:v1"


async def test_a_percentage_that_looks_like_a_fraction_is_doubted(bed: Bed) -> None:
    metrics = [{"name": "success-rate", "successRate": {"min": 0.99}}]
    release = await bed.release(analysis={**quick_spec()["analysis"], "metrics": metrics})
    await release.until_event("SpecDoubtful")
    assert condition(await release.status(), "Ready")["status"] == "True"


async def test_a_dry_run_rolls_nothing_back(bed: Bed) -> None:
    metrics = [
        {"name": "success-rate", "successRate": {"min": 10}},
        {"name": "strict", "successRate": {"min": 99.99}, "dryRun": True},
    ]
    release = await bed.release(analysis={**quick_spec()["analysis"], "metrics": metrics})
    release.traffic.canary.error_rate = 0.2
    await release.apply(template=template("v2"))
    await release.until(lambda s: _verdicts(s) == ["Pass", "Fail"])
    status = await release.until(lambda s: s.get("history"))
    assert status["history"][0]["outcome"] == "Promoted"


def _verdicts(status: dict[str, Any]) -> list[str]:
    return [metric["verdict"] for metric in status.get("metrics") or ()]


async def test_a_route_that_is_not_followed_is_no_pass(bed: Bed) -> None:
    release = await bed.release(strategy=STEADY)
    release.traffic._weight = lambda: 70
    await release.apply(template=template("v2"))
    status = await release.until(lambda s: s.get("metrics"))
    (metric,) = status["metrics"]
    assert (metric["verdict"], metric["reason"]) == ("Inconclusive", "RoutingNotApplied")
    assert "although its weight is 20 %" in metric["message"]
    assert "RoutingNotApplied" in status["message"]

    async def told() -> bool:
        return "CheckInconclusive" in await release.event_reasons()

    await eventually(told)
