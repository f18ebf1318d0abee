"""The manifests of `examples/istio-weights`: shares other than those of the pods, in real Envoy."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from canary_operator.domain.spec import parse_spec
from canary_operator.playground.client import APPLY, MERGE, PODS
from canary_operator.playground.loadgen import VERSION_HEADER, LoadGenerator
from canary_operator.playground.local import ROLLOUTS, LocalCluster
from tests.playground.mesh.conftest import needs_envoy  # noqa: F401 - a fixture
from tests.support.bed import REQUEST
from tests.support.clusters import eventually

pytestmark = [
    pytest.mark.usefixtures("needs_envoy"),
    pytest.mark.xdist_group("load"),
    pytest.mark.timeout(300),
]

FOLDER = Path(__file__).parents[2] / "examples" / "istio-weights"
MANIFESTS = sorted(FOLDER.glob("[0-9]-*.yaml"))
NAMESPACE, NAME = "demo", "helloworld"
PATIENCE_SECONDS = 90.0
WEIGHTS = (1, 10, 25)
ASKED = 4000
"""Requests that are counted for each share."""
DEVIATIONS = 6
"""Standard deviations around a share; chance alone goes further once in some million runs."""


def manifest(number: int) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(MANIFESTS[number - 1].read_text(encoding="utf-8"))
    return loaded


def shortened(written: Mapping[str, Any]) -> dict[str, Any]:
    """Take the waiting out of a manifest, and let each step last until it was looked at."""
    quick = deepcopy(dict(written))
    for step in quick["spec"]["strategy"]["steps"]:
        step |= {"hold": "1s", "approval": True}
    quick["spec"]["strategy"]["scaleDownDelay"] = "2s"
    quick["spec"]["analysis"] |= {"interval": "5s", "window": "8s", "minRequests": 5}
    return quick


class Place:
    """A cluster, the rollout in it, and people who call it."""

    def __init__(self, cluster: LocalCluster, session: aiohttp.ClientSession) -> None:
        self.cluster = cluster
        self._session = session
        self._headers = {"Host": cluster.mesh.host_of(NAME, NAMESPACE)}

    async def apply(self, number: int) -> None:
        body = shortened(manifest(number))
        await self.cluster.client.patch(
            ROLLOUTS, NAME, body, NAMESPACE, ctype=APPLY, fieldManager="kubectl"
        )

    async def approve(self) -> None:
        body = {"metadata": {"annotations": {REQUEST: "resume"}}}
        await self.cluster.client.patch(ROLLOUTS, NAME, body, NAMESPACE, ctype=MERGE)

    async def until(self, met: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            found = await self.cluster.client.get(ROLLOUTS, NAME, NAMESPACE)
            status: dict[str, Any] = found.get("status") or {}
            return status if met(status) else None

        return await eventually(look, PATIENCE_SECONDS)

    async def until_paused_at(self, weight: int) -> None:
        """Wait until a step has passed everything but the person."""
        await self.until(lambda s: (s.get("phase"), s.get("weight")) == ("Paused", weight))

    async def tracks(self) -> Counter[str]:
        """Return how many pods each track has."""
        pods = (await self.cluster.client.list(PODS, NAMESPACE))["items"]
        return Counter(pod["metadata"]["labels"]["track"] for pod in pods)

    async def answers(self) -> Counter[tuple[str | None, int]]:
        """Call often, and return how many answers came from which version with which status."""
        seen: Counter[tuple[str | None, int]] = Counter()

        async def call(times: int) -> None:
            for _ in range(times):
                url, headers = self.cluster.mesh.url, self._headers
                async with self._session.get(url, headers=headers) as answer:
                    seen[answer.headers.get(VERSION_HEADER), answer.status] += 1

        await asyncio.gather(*[call(ASKED // 10) for _ in range(10)])
        return seen


@asynccontextmanager
async def first_version(folder: Path) -> AsyncIterator[tuple[Place, LoadGenerator]]:
    """Run the first version, with steady load."""
    async with LocalCluster(folder, NAMESPACE) as cluster, aiohttp.ClientSession() as session:
        place = Place(cluster, session)
        await place.apply(1)
        await place.until(lambda status: status.get("phase") == "Stable")
        host = cluster.mesh.host_of(NAME, NAMESPACE)
        async with LoadGenerator(cluster.mesh.url, host=host, rate=300) as load:
            yield place, load


def bounds(weight: int) -> tuple[float, float]:
    """Return between how many of `ASKED` answers the canary gives at a weight."""
    share = weight / 100
    spread = DEVIATIONS * (ASKED * share * (1 - share)) ** 0.5
    return ASKED * share - spread, ASKED * share + spread


def test_only_the_image_differs() -> None:
    specs = [manifest(number)["spec"] for number in (1, 2, 3)]
    images = [spec["template"]["spec"]["containers"][0].pop("image") for spec in specs]
    assert images == ["helloworld:v1", "helloworld:v2", "helloworld:v3"]
    assert specs[0] == specs[1] == specs[2]


def test_its_shares_lie_below_what_its_pods_would_give() -> None:
    spec = parse_spec(manifest(1)["spec"])
    assert tuple(step.weight for step in spec.strategy.resolved_steps) == WEIGHTS
    assert spec.replicas == 3
    of_the_pods = 100 / (1 + spec.replicas)
    assert max(WEIGHTS) == of_the_pods
    assert bounds(WEIGHTS[1])[1] < bounds(WEIGHTS[2])[0], "10 % must not pass for 25 %"


@pytest.mark.asyncio(loop_scope="function")
async def test_the_same_pods_give_three_shares_and_the_faulty_version_none(tmp_path: Path) -> None:
    async with first_version(tmp_path) as (place, load):
        await place.apply(2)
        for weight in WEIGHTS:
            await place.until_paused_at(weight)
            assert await place.tracks() == {"stable": 3, "canary": 1}
            seen = await place.answers()
            least, most = bounds(weight)
            assert least < seen["v2", 200] < most
            assert seen["v1", 200] + seen["v2", 200] == ASKED
            await place.approve()
        status = await place.until(lambda status: status.get("history"))
        assert status["history"][0]["outcome"] == "Promoted"
        await place.until(lambda status: status.get("phase") == "Stable")
        assert await place.answers() == {("v2", 200): ASKED}
        assert not load.counts.failed

        await place.apply(3)
        # Its pods have gone by then, as proxies have long followed.
        status = await place.until(lambda status: status.get("phase") == "RolledBack")
        assert status["history"][0]["reason"] == "AnalysisFailed"
        assert status["history"][0]["maxWeight"] == 1
        assert set(load.counts.failed_by_version) == {"v3"}
        assert await place.answers() == {("v2", 200): ASKED}
