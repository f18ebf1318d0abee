"""A real operator whose metrics a real Prometheus scrapes."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from canary_operator.playground.prometheus import Prometheus
from tests.monitoring.probing import free_port
from tests.support.bed import (
    SCRAPE_SECONDS,
    Bed,
    Release,
    bed_around,
    condition,
    open_cluster,
    template,
)
from tests.support.clusters import DEFINITION_FOLDERS


@dataclass
class Watched:
    """A bed whose operator is watched, and what it has done."""

    bed: Bed
    address: str
    prometheus: Prometheus
    """It scrapes the operator."""
    promoted: Release
    rolled_back: Release
    waiting: Release
    """For a person, at its first step."""
    refused: Release
    """With a host that nobody allowed."""

    @property
    def all(self) -> tuple[Release, ...]:
        """Return every rollout that there is."""
        return self.promoted, self.rolled_back, self.waiting, self.refused

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


@asynccontextmanager
async def watched_bed(folder: Path) -> AsyncIterator[tuple[Bed, str, Prometheus]]:
    """Start a bed, and a Prometheus of its own for the operator."""
    address = f"127.0.0.1:{free_port()}"
    flags = (f"--metrics-address={address}", "--log-format=json")
    watching = folder / "watching"
    watching.mkdir()
    async with (
        open_cluster(folder, *DEFINITION_FOLDERS) as cluster,
        bed_around(cluster, folder, flags) as bed,
        Prometheus(watching, [address], scrape_seconds=SCRAPE_SECONDS) as prometheus,
    ):
        await prometheus.wait_for("canary_operator_leader", lambda leader: leader == 1)
        yield bed, address, prometheus


async def one_of_each(bed: Bed) -> tuple[Release, Release, Release, Release]:
    """Let one rollout be promoted, one be rolled back, one wait, and one be refused."""
    releases = [await bed.release(name) for name in ("good", "bad", "waiting", "refused")]
    good, bad, waiting, refused = releases
    bad.traffic.canary.error_rate = 0.5
    steps = [{"weight": 20, "hold": "1s", "approval": True}]
    await waiting.apply(template=template("v2"), strategy={"steps": steps})
    await refused.apply(traffic={"istio": {"hosts": ["not-ours.example.com"]}})
    for release in (good, bad):
        await release.apply(template=template("v2"))
    await bad.until_phase("RolledBack")
    await good.until(lambda status: status["phase"] == "Stable" and status.get("history"))
    await waiting.until_phase("Paused")
    await refused.until(lambda status: condition(status, "Stalled")["status"] == "True")
    return good, bad, waiting, refused


AT_THE_END = """
count(canary_operator_rollout_phase{phase="RolledBack"})
+ count(canary_operator_promotions_total == 1)
+ count(canary_operator_rollout_condition{type="Paused"})
+ count(canary_operator_rollout_condition{reason="HostNotAllowed"})
"""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    async with watched_bed(tmp_path_factory.mktemp("watched")) as (bed, address, prometheus):
        found = Watched(bed, address, prometheus, *await one_of_each(bed))
        await prometheus.wait_for(AT_THE_END, lambda many: many is not None)
        yield found
