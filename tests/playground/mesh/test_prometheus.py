import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from canary_operator.playground.daemon import DaemonError, ProgramMissingError
from canary_operator.playground.loadgen import LoadGenerator
from canary_operator.playground.mesh import Mesh
from canary_operator.playground.mesh.series import RequestProtocol
from canary_operator.playground.prometheus import Prometheus, QueryError
from canary_operator.playground.synthetic import (
    FollowedWeights,
    SyntheticTelemetry,
    SyntheticTraffic,
    canary_weight,
)

pytestmark = pytest.mark.usefixtures("needs_prometheus")

SCRAPE_SECONDS = 0.1
CANARY_SHARE = """
sum(rate(istio_requests_total{reporter="source",
    destination_service="web-canary.demo.svc.cluster.local"}[2s]))
/ sum(rate(istio_requests_total{reporter="source", destination_service=~"web-.*"}[2s]))
"""
CANARY_SUCCESS = """
sum(rate(istio_requests_total{reporter="destination", destination_workload="web-canary",
    response_code!~"5.."}[2s]))
/ sum(rate(istio_requests_total{reporter="destination", destination_workload="web-canary"}[2s]))
"""


@pytest.fixture
async def telemetry() -> AsyncIterator[SyntheticTelemetry]:
    async with SyntheticTelemetry() as telemetry:
        yield telemetry


@pytest.fixture
async def prometheus(telemetry: SyntheticTelemetry, tmp_path: Path) -> AsyncIterator[Prometheus]:
    async with Prometheus(
        tmp_path, [telemetry.target], scrape_seconds=SCRAPE_SECONDS
    ) as prometheus:
        yield prometheus


@pytest.mark.usefixtures("mesh")
async def test_prometheus_counts_what_the_client_counted(mesh: Mesh, tmp_path: Path) -> None:
    async with (
        Prometheus(tmp_path, [mesh.metrics_target], scrape_seconds=SCRAPE_SECONDS) as prometheus,
        LoadGenerator(
            f"http://127.0.0.1:{mesh.port}/", host=mesh.host_of("web", "demo"), rate=200
        ) as load,
    ):
        await prometheus.wait_for(
            "sum(istio_requests_total)", lambda value: value is not None and value > 1000
        )
        counts = await load.stop()
        for reporter in ("source", "destination"):
            for workload, version in (("web-stable", "v1"), ("web-canary", "v2")):
                selector = f'{{reporter="{reporter}", destination_workload="{workload}"}}'
                expected = counts.by_version[version]
                for metric in ("requests_total", "request_duration_milliseconds_count"):
                    await prometheus.wait_for(
                        f"sum(istio_{metric}{selector})",
                        lambda value, expected=expected: value == expected,
                    )
        pods = await prometheus.query("count by (pod) (istio_requests_total)")
        assert {"web-stable-abc-0", "web-stable-abc-1", "web-canary-abc-0"} < {
            sample.labels["pod"] for sample in pods
        }


async def test_the_canarys_share_follows_the_weight(
    telemetry: SyntheticTelemetry, prometheus: Prometheus
) -> None:
    weight = 20
    telemetry.traffic("demo", "web", weight=lambda: weight, requests_per_second=200)
    await prometheus.wait_for(CANARY_SHARE, lambda value: value == pytest.approx(0.2, abs=0.02))
    weight = 50
    await prometheus.wait_for(CANARY_SHARE, lambda value: value == pytest.approx(0.5, abs=0.02))


async def test_an_error_rate_shows(telemetry: SyntheticTelemetry, prometheus: Prometheus) -> None:
    traffic = telemetry.traffic("demo", "web", weight=lambda: 50, requests_per_second=400)
    traffic.canary.error_rate = 0.1
    await prometheus.wait_for(CANARY_SUCCESS, lambda value: value == pytest.approx(0.9, abs=0.02))


async def test_the_weight_follows_a_cluster(cluster: Any) -> None:
    cluster.weights(75, 25)
    async with FollowedWeights(cluster) as weights:
        weight = weights.of("demo", "web")
        async with asyncio.timeout(5):
            while weight() != 25:  # noqa: ASYNC110 - the value is read, as traffic does
                await asyncio.sleep(0)
            cluster.weights(0, 100)
            while weight() != 100:  # noqa: ASYNC110
                await asyncio.sleep(0)
    assert weights.of("demo", "other")() == 0


def test_the_weight_of_a_virtual_service_without_a_canary() -> None:
    assert canary_weight({"metadata": {"name": "web"}, "spec": {}}) == 0


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        (RequestProtocol.HTTP, {(200, ""), (500, ""), (503, ""), (0, "")}),
        (RequestProtocol.GRPC, {(200, "0"), (200, "13"), (503, "14"), (0, "")}),
    ],
)
def test_behaviours_of_synthetic_traffic(
    protocol: RequestProtocol, expected: set[tuple[int, str]]
) -> None:
    telemetry = SyntheticTelemetry()
    traffic = SyntheticTraffic(
        telemetry.metrics, "demo", "web", weight=lambda: 100, requests_per_second=100
    )
    traffic.protocol = protocol
    behaviour = traffic.canary
    behaviour.error_rate, behaviour.refused_rate, behaviour.hang_up_rate = 0.1, 0.1, 0.05
    traffic.advance(seconds=1)
    totals: dict[str, float] = {}
    for request, count in telemetry.metrics.counts().items():
        totals[request.reporter] = totals.get(request.reporter, 0) + count
    assert totals == {"source": 100, "destination": 90}
    seen = {(request.code, request.grpc_status) for request in telemetry.metrics.counts()}
    assert seen == expected


async def test_a_refused_query_says_why(prometheus: Prometheus) -> None:
    with pytest.raises(QueryError, match="parse error"):
        await prometheus.query("sum(")


async def test_nothing_is_left_behind(tmp_path: Path) -> None:
    async with Prometheus(tmp_path, []) as prometheus:
        pid = prometheus.daemon.pid
        assert (tmp_path / "prometheus-data").is_dir()
    assert not (tmp_path / "prometheus-data").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"{prometheus.url}/-/ready")


async def test_a_start_that_fails_shows_the_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "canary_operator.playground.prometheus.configuration", lambda *_: {"nonsense": True}
    )
    with pytest.raises(DaemonError, match="field nonsense not found"):
        async with Prometheus(tmp_path, []):
            pass


async def test_a_missing_program_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("canary_operator.playground.prometheus.DEBIAN_PLACE", tmp_path)
    with pytest.raises(ProgramMissingError, match="apt-get install prometheus"):
        async with Prometheus(tmp_path, []):
            pass
