"""A real operator whose metrics a real Prometheus scrapes."""

import json
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from canary_operator.playground.operator_process import OperatorProcess
from canary_operator.playground.prometheus import Prometheus
from canary_operator.playground.synthetic import FollowedWeights, SyntheticTelemetry
from tests.support.bed import SCRAPE_SECONDS, Bed, Release, open_cluster, template
from tests.support.clusters import DEFINITION_FOLDERS, eventually


@dataclass
class Watched:
    """A bed whose operator is watched, and two rollouts that it has carried out."""

    bed: Bed
    address: str
    promoted: Release
    rolled_back: Release

    async def get(self, path: str, accept: str = "") -> tuple[int, Mapping[str, str], str]:
        """Return status, headers and text of an answer of the operator."""
        async with aiohttp.ClientSession() as session:
            url, headers = f"http://{self.address}{path}", {"Accept": accept}
            async with session.get(url, headers=headers) as answer:
                return answer.status, answer.headers, await answer.text()

    def log(self) -> Sequence[dict[str, Any]]:
        """Return the operator's log, line by line."""
        lines = self.bed.operator.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def watched_bed(folder: Path) -> AsyncIterator[tuple[Bed, str]]:
    address = f"127.0.0.1:{free_port()}"
    flags = (f"--metrics-address={address}", "--log-format=json")
    async with (
        open_cluster(folder, *DEFINITION_FOLDERS) as cluster,
        SyntheticTelemetry() as telemetry,
        FollowedWeights(cluster.client) as weights,
        Prometheus(
            folder, [telemetry.target, address], scrape_seconds=SCRAPE_SECONDS
        ) as prometheus,
        OperatorProcess(
            cluster.kubeconfig, prometheus.url, folder / "operator.log", flags
        ) as operator,
    ):
        bed = Bed(cluster, telemetry, weights, prometheus, operator)
        await prometheus.wait_for("count(up == 1)", lambda up: up == 2)
        yield bed, address


async def one_of_each(bed: Bed) -> tuple[Release, Release]:
    """Let one rollout be promoted and one be rolled back."""
    good, bad = await bed.release("good"), await bed.release("bad")
    bad.traffic.canary.error_rate = 0.5
    for release in (good, bad):
        await release.apply(template=template("v2"))
    await bad.until_phase("RolledBack")
    await good.until(lambda status: status["phase"] == "Stable" and status.get("history"))
    return good, bad


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    async with watched_bed(tmp_path_factory.mktemp("watched")) as (bed, address):
        good, bad = await one_of_each(bed)
        found = Watched(bed, address, good, bad)

        async def scraped() -> bool:
            _, _, text = await found.get("/metrics")
            return 'phase="RolledBack"' in text

        await eventually(scraped)
        await bed.prometheus.wait_for(
            'sum(canary_operator_rollout_phase{phase=~"Stable|RolledBack"})', lambda up: up == 2
        )
        yield found
