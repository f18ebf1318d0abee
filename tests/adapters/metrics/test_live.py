"""Judgements over a real Prometheus that scrapes what the test counts."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from canary_operator.adapters.metrics.prometheus import PrometheusMetrics, PrometheusSettings
from canary_operator.domain.situation import Settings
from canary_operator.domain.status import Judgement, Verdict
from canary_operator.playground.mesh.exporter import Exporter
from canary_operator.playground.mesh.series import (
    Reporter,
    Request,
    RequestMetrics,
    RequestProtocol,
    ServiceIdentity,
    Workload,
)
from canary_operator.playground.prometheus import Prometheus
from tests.adapters.metrics.asking import WEB, judged, measure
from tests.adapters.metrics.past import write_past

WINDOW = timedelta(seconds=30)
PATIENCE_SECONDS = 20
METRICS: list[dict[str, Any]] = [
    {"name": "success-rate", "successRate": {"min": 99}},
    {"name": "latency", "latency": {"percentile": 90, "max": "50ms"}},
    {
        "name": "carts",
        "query": {
            "promql": 'sum(istio_requests_total{destination_workload="{{ canary }}",'
            'destination_workload_namespace="{{ namespace }}",reporter="destination"})',
            "min": 1,
        },
    },
    {"name": "typo", "query": {"promql": "sum(carts", "max": 1}},
]


@dataclass(frozen=True)
class Rig:
    """Counters under the test's control, and the adapter at the other end of Prometheus."""

    counters: RequestMetrics
    prometheus: Prometheus
    source: PrometheusMetrics

    def count(self, track: str, amount: float, code: int = 200, **more: Any) -> None:
        """Let both views see so many requests, or only one of them."""
        views = more.pop("views", tuple(Reporter))
        milliseconds = more.pop("milliseconds", 20)
        for view in views:
            request = _request(view, track, code, **more)
            self.counters.add(request, milliseconds, amount)

    async def judge(self) -> dict[str, Judgement]:
        """Judge the rollout now."""
        asked = measure(*METRICS, at=datetime.now(tz=UTC), window=WINDOW)
        readings = (await self.source.read([asked]))[WEB]
        return {one.name: one for one in judged(asked, readings)}

    async def until(self, metric: str, expected: Callable[[Judgement], bool]) -> Judgement:
        """Judge until `expected` is so; scrapes take their time."""
        found = (await self.judge())[metric]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not expected(found):
                    await asyncio.sleep(0.1)
                    found = (await self.judge())[metric]
        except TimeoutError:
            pytest.fail(f"still: {found.message}")
        return found


def _request(reporter: Reporter, track: str, code: int, **more: Any) -> Request:
    host = f"web-{track}.demo.svc.cluster.local"
    pod = Workload(f"web-{track}", "demo", pod=f"web-{track}-1", address="10.0.0.2")
    return Request(
        reporter=reporter,
        source=Workload("shop", "demo", pod="shop-1", address="10.0.0.1"),
        destination=pod,
        service=ServiceIdentity(host, f"web-{track}", "demo"),
        code=code,
        **more,
    )


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    counters = RequestMetrics()
    # One that knew nothing before the window would take no counter for new.
    await write_past(tmp_path, [('up{job="before"}', [1] * 20)], int(time.time()) - 10, 10)
    async with (
        Exporter(counters) as exporter,
        Prometheus(tmp_path, [exporter.target], scrape_seconds=0.2) as prometheus,
    ):
        await prometheus.wait_for('up{job="istio-proxies"}', lambda value: value == 1)
        source = PrometheusMetrics(PrometheusSettings(prometheus.url), Settings())
        yield Rig(counters, prometheus, source)
        source.close()


def says(words: str, verdict: Verdict) -> Callable[[Judgement], bool]:
    return lambda found: words in found.message and found.verdict is verdict


async def test_the_life_of_a_canary(rig: Rig) -> None:
    await rig.until("success-rate", says("0 canary requests in 30 s", Verdict.INCONCLUSIVE))
    typo = (await rig.judge())["typo"]
    assert typo.verdict is Verdict.INCONCLUSIVE
    assert typo.message == (
        'typo: Prometheus rejected the query: invalid parameter "query": '
        "1:10: parse error: unclosed left parenthesis; try the query in Prometheus, and correct it"
    )

    rig.count("stable", 400)
    await rig.until("success-rate", says("RoutingNotObserved", Verdict.INCONCLUSIVE))
    await rig.until("carts", says("the query gave nothing", Verdict.INCONCLUSIVE))

    rig.count("canary", 100)
    await rig.until("success-rate", says("0 of 100 canary requests failed", Verdict.PASS))
    await rig.until("latency", says("(estimated between the bounds 10 and 25 ms)", Verdict.PASS))
    await rig.until("carts", says("the query gave 100, ≥ 1 is asked", Verdict.PASS))

    rig.count("canary", 5, 500)
    await rig.until("success-rate", says("5 of 105 canary requests failed", Verdict.FAIL))

    rig.count("canary", 30, 503, views=[Reporter.SOURCE], flags="UF")
    await rig.until("success-rate", says("35 of 135 canary requests failed", Verdict.FAIL))

    rig.count("canary", 900, milliseconds=700)
    slow = await rig.until("latency", says("of 1,005 canary requests", Verdict.FAIL))
    assert slow.message.endswith("at most 50 ms is asked; seen by the pods")


async def test_grpc_errors_and_callers_that_hang_up(rig: Rig) -> None:
    grpc = {"protocol": RequestProtocol.GRPC}
    rig.count("stable", 400, grpc_status="0", **grpc)
    rig.count("canary", 90, grpc_status="0", **grpc)
    rig.count("canary", 10, grpc_status="14", **grpc)
    await rig.until("success-rate", says("10 of 100 canary requests failed", Verdict.FAIL))

    rig.count("canary", 100, 0, flags="DC")
    await rig.until("success-rate", says("100 of 200 (50 %) canary callers hung up", Verdict.FAIL))


async def test_restarted_and_vanished_proxies(rig: Rig) -> None:
    rig.count("stable", 2000)
    rig.count("canary", 500)
    await rig.until("success-rate", says("0 of 500 canary requests failed", Verdict.PASS))

    rig.counters.reset()  # every series vanishes: the requests of the window stay
    gone = "count(istio_requests_total)"
    await rig.prometheus.wait_for(gone, lambda value: value is None)
    await rig.until("success-rate", says("0 of 500 canary requests failed", Verdict.PASS))
