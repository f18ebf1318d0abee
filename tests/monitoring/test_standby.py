"""Of two operators the leader tells of rollouts; the other is ready to take its place."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from canary_operator.playground.operator_process import OperatorProcess
from canary_operator.playground.prometheus import Prometheus
from tests.monitoring.probing import Probed, free_port
from tests.support.bed import SCRAPE_SECONDS, Bed, Release, bed_around, open_cluster, template
from tests.support.clusters import DEFINITION_FOLDERS, eventually

pytestmark = pytest.mark.xdist_group("standby")

LEADING = ("--leader-election", "--leader-election-namespace=canary-operator")
PHASES = "count by (instance, phase) (canary_operator_rollout_phase)"


@dataclass
class Pair:
    """Two operators, and a Prometheus that scrapes both."""

    bed: Bed
    addresses: tuple[str, str]
    prometheus: Prometheus

    async def leaders(self) -> dict[str, float]:
        found = await self.prometheus.query("canary_operator_leader")
        return {sample.labels["instance"]: sample.value for sample in found}

    async def who_tells(self) -> dict[str, str]:
        found = await self.prometheus.query(PHASES)
        return {sample.labels["instance"]: sample.labels["phase"] for sample in found}


@pytest_asyncio.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    first, second = addresses = tuple(f"127.0.0.1:{free_port()}" for _ in range(2))
    watching = tmp_path / "watching"
    watching.mkdir()
    async with (
        open_cluster(tmp_path, *DEFINITION_FOLDERS) as cluster,
        bed_around(cluster, tmp_path, [f"--metrics-address={first}", *LEADING]) as bed,
        Prometheus(watching, addresses, scrape_seconds=SCRAPE_SECONDS) as prometheus,
    ):
        await prometheus.wait_for("sum(canary_operator_leader)", lambda leaders: leaders == 1)
        async with OperatorProcess(
            tmp_path / "operator.kubeconfig",
            bed.prometheus.url,
            tmp_path / "second.log",
            [f"--metrics-address={second}", *LEADING],
        ):
            yield Pair(bed, (first, second), prometheus)


async def under_way(bed: Bed) -> Release:
    strategy = {"steps": [{"weight": 20, "hold": "10m"}], "progressDeadline": "10m"}
    release = await bed.release(strategy=strategy)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    return release


async def test_only_the_leader_tells_of_rollouts(pair: Pair) -> None:
    first, second = pair.addresses
    await under_way(pair.bed)
    await Probed(pair.bed, second).until_ready()

    async def both_scraped() -> bool:
        return await pair.leaders() == {first: 1, second: 0}

    await eventually(both_scraped)

    async def told() -> bool:
        return await pair.who_tells() == {first: "Progressing"}

    await eventually(told)
    await pair.bed.operator.kill()

    async def taken_over() -> bool:
        return await pair.who_tells() == {second: "Progressing"}

    await eventually(taken_over, 40)
    assert await pair.leaders() == {second: 1}
    followed = 'canary_operator_api_requests_total{verb="watch",resource=~"leases.*",code="200"}'
    assert (await pair.prometheus.value(f"max({followed})") or 0) >= 1
    alive = await Probed(pair.bed, second).get("/healthz")
    assert alive == (200, "ok\n")
