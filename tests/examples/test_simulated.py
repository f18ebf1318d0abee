"""`simulate` of the faulty example says what a real rollout of it then does.

The same manifest, unshortened, with real Envoy, Prometheus and server processes: about two minutes.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary_operator.domain.status import Verdict, verdict_of
from canary_operator.playground.client import APPLY
from canary_operator.playground.loadgen import LoadGenerator
from canary_operator.playground.local import ROLLOUTS, LocalCluster
from canary_operator.plugin.offline.simulation.asked import Asked, setup_of
from canary_operator.plugin.offline.simulation.play import play
from canary_operator.plugin.offline.simulation.timeline import Ending
from canary_operator.plugin.sight import Sight

pytestmark = [
    pytest.mark.asyncio(loop_scope="function"),
    pytest.mark.xdist_group("simulated"),
    pytest.mark.timeout(400),
    pytest.mark.exhaustive,
]

FOLDER = Path(__file__).parents[2] / "examples" / "helloworld"
FIRST, FAULTY = "1-helloworld-v1.yaml", "3-helloworld-v3-faulty.yaml"
NAMESPACE, NAME = "demo", "helloworld"
PATIENCE_SECONDS = 240.0
REQUESTS_PER_SECOND = 300
"""So many that 8 % of failures fail every check: a minute at 1 % has some 180 requests."""


def manifest(file: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / file).read_text(encoding="utf-8"))
    return found


class Seen:
    """Every look at the rollout, from the first on."""

    def __init__(self) -> None:
        self.looks: list[Sight] = []
        self._changed = asyncio.Event()

    async def follow(self, cluster: LocalCluster) -> None:
        async for change in cluster.client.watch(ROLLOUTS, NAMESPACE):
            if change.object:
                self.looks.append(Sight.of(change.object))
                self._changed.set()

    async def until(self, cluster: LocalCluster, phase: str) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (self.looks and self.looks[-1].status.phase == phase):
                cluster.operator.check()
                self._changed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 1)

    @property
    def weights(self) -> list[int]:
        """The weights, without repetitions."""
        return [weight for weight, _ in groupby(one.weight for one in self.looks)]

    @property
    def verdicts(self) -> list[tuple[int, Verdict]]:
        """The weight and the verdict of each check, in their order."""
        return [*self._verdicts()]

    def _verdicts(self) -> Iterator[tuple[int, Verdict]]:
        weight, measured_at = 0, None
        for one in self.looks:
            judged = one.status.metrics
            if judged and judged[0].measured_at != measured_at:
                measured_at = judged[0].measured_at
                yield weight or one.weight, verdict_of(judged)
            weight = one.weight


async def apply(cluster: LocalCluster, body: Mapping[str, Any]) -> None:
    await cluster.client.patch(
        ROLLOUTS, NAME, dict(body), NAMESPACE, ctype=APPLY, fieldManager="kubectl"
    )


async def test_the_faulty_example_goes_as_simulated(tmp_path: Path) -> None:
    seen = Seen()
    async with LocalCluster(tmp_path, NAMESPACE) as cluster:
        mesh = cluster.mesh
        host = mesh.host_of(NAME, NAMESPACE)
        following = asyncio.create_task(seen.follow(cluster))
        await apply(cluster, manifest(FIRST))
        await seen.until(cluster, "Stable")
        async with LoadGenerator(mesh.url, host=host, rate=REQUESTS_PER_SECOND):
            await apply(cluster, manifest(FAULTY))
            await seen.until(cluster, "RolledBack")
        following.cancel()
    asked = Asked([str(FOLDER / FAULTY)], scenario="errors=8%", rps=str(REQUESTS_PER_SECOND))
    played = await play(*setup_of(asked))
    assert seen.verdicts == [*played.verdicts] == [(1, Verdict.FAIL), (1, Verdict.FAIL)]
    assert seen.weights == [weight for _, weight in played.weights] == [0, 1, 0]
    assert played.end.ending is Ending.ROLLED_BACK
    assert seen.looks[-1].status.history[0].reason == played.end.reason == "AnalysisFailed"
