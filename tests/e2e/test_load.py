"""Under load, with real Envoy, real Prometheus and real server processes: nobody notices."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from canary_operator.playground.client import APPLY, MERGE
from canary_operator.playground.loadgen import Failure, LoadGenerator
from canary_operator.playground.local import ROLLOUTS, LocalCluster
from tests.support.bed import REQUEST
from tests.support.clusters import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("load")]

NAMESPACE = "demo"
REQUESTS_PER_SECOND = 150
PATIENCE_SECONDS = 60.0
SETTLED_SECONDS = 1.0
"""After a change of weight, Envoy follows within this."""


def manifest(name: str, version: str, errors: str = "0") -> dict[str, Any]:
    return {
        "apiVersion": "canary-operator.dev/v1alpha1",
        "kind": "CanaryRollout",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": 2,
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [
                        {
                            "name": "app",
                            "image": f"{name}:{version}",
                            "ports": [{"name": "http", "containerPort": 8080}],
                            "env": [
                                {"name": "VERSION", "value": version},
                                {"name": "ERROR_RATE", "value": errors},
                            ],
                            "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
                        }
                    ]
                },
            },
            "service": {"port": 80, "targetPort": "http"},
            "strategy": {
                "steps": [{"weight": 20, "hold": "4s"}, {"weight": 50, "hold": "4s"}],
                "scaleDownDelay": "2s",
            },
            "analysis": {"interval": "5s", "window": "4s", "failureLimit": 0, "minRequests": 20},
        },
    }


class Scene:
    """One rollout, the load on it, and how both looked while a test watched."""

    def __init__(self, cluster: LocalCluster, name: str, load: LoadGenerator) -> None:
        self._cluster = cluster
        self._name = name
        self.load = load
        self.looks: list[tuple[float, int, Counter[str]]] = []
        """Seconds, weight in status, answers so far by version."""

    async def apply(self, version: str, errors: str = "0") -> None:
        body = manifest(self._name, version, errors)
        await self._cluster.client.patch(
            ROLLOUTS, self._name, body, NAMESPACE, ctype=APPLY, fieldManager="kubectl"
        )

    async def ask(self, request: str) -> None:
        body = {"metadata": {"annotations": {REQUEST: request}}}
        await self._cluster.client.patch(ROLLOUTS, self._name, body, NAMESPACE, ctype=MERGE)

    async def until(self, met: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            self._cluster.operator.check()
            found = await self._cluster.client.get(ROLLOUTS, self._name, NAMESPACE)
            status: dict[str, Any] = found.get("status") or {}
            answers = Counter(self.load.counts.by_version)
            self.looks.append((self.load.elapsed, status.get("weight") or 0, answers))
            return status if met(status) else None

        return await eventually(look, PATIENCE_SECONDS)

    async def until_phase(self, phase: str, histories: int = 0) -> dict[str, Any]:
        return await self.until(
            lambda s: s.get("phase") == phase and len(s.get("history", ())) >= histories
        )

    async def until_answers(self, more: int) -> None:
        """Wait until so many further requests were answered."""
        goal = self.load.counts.finished + more

        async def answered() -> bool:
            return self.load.counts.finished >= goal

        await eventually(answered, PATIENCE_SECONDS)

    def share_at(self, weight: int, version: str) -> float:
        """Return a version's share of the answers while a weight was in force, in percent."""
        during = [look for look in self.looks if look[1] == weight]
        begun = during[0][0] + SETTLED_SECONDS
        first = next(answers for at, _, answers in during if at >= begun)
        answers = during[-1][2] - first
        return 100 * answers[version] / answers.total()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalCluster]:
    async with LocalCluster(tmp_path_factory.mktemp("load"), NAMESPACE) as cluster:
        yield cluster


@asynccontextmanager
async def load_on(cluster: LocalCluster, name: str) -> AsyncIterator[Scene]:
    """Bring up the first version and send requests to it until the end."""
    host = cluster.mesh.host_of(name, NAMESPACE)
    async with LoadGenerator(cluster.mesh.url, host=host, rate=0, timeout_seconds=30) as load:
        scene = Scene(cluster, name, load)
        await scene.apply("v1")
        await scene.until_phase("Stable")
        load.rate = REQUESTS_PER_SECOND
        await scene.until_answers(50)
        yield scene
        await scene.until_answers(50)
        counts = await load.stop()
    assert counts.failures[Failure.MESH] == 0
    assert counts.failures[Failure.CONNECTION] == 0
    assert counts.finished == counts.sent


async def test_nobody_notices_a_promotion(cluster: LocalCluster) -> None:
    async with load_on(cluster, "promoted") as scene:
        await scene.apply("v2")
        await scene.until_phase("Stable", histories=1)
        for weight in (20, 50):
            assert scene.share_at(weight, "v2") == pytest.approx(weight, abs=10)
        before = scene.load.counts.by_version["v1"]
        await scene.until_answers(100)
        assert scene.load.counts.by_version["v1"] == before
        assert not scene.load.counts.failed


async def test_nobody_notices_an_abort(cluster: LocalCluster) -> None:
    async with load_on(cluster, "aborted") as scene:
        await scene.apply("v2")
        await scene.until(lambda s: s.get("weight") == 20)
        await scene.until_answers(100)
        await scene.ask("abort")
        await scene.until_phase("RolledBack")
        before = scene.load.counts.by_version["v2"]
        assert before > 0
        await scene.until_answers(100)
        assert scene.load.counts.by_version["v2"] == before
        assert not scene.load.counts.failed


async def test_a_faulty_version_is_measured_and_rolled_back(cluster: LocalCluster) -> None:
    async with load_on(cluster, "faulty") as scene:
        await scene.apply("v2", errors="0.3")
        status = await scene.until_phase("RolledBack", histories=1)
        assert status["history"][0]["reason"] == "AnalysisFailed"
        counts = scene.load.counts
        true_rate = 100 * (1 - counts.failed_by_version["v2"] / counts.by_version["v2"])
        (metric,) = status["metrics"]
        measured = float(re.match(r"[\d.]+", metric["value"])[0])  # type: ignore[index]
        assert measured == pytest.approx(true_rate, abs=12)
        assert counts.failed_by_version["v1"] == 0
        failed = counts.failed_by_version["v2"]
        await scene.until_answers(100)
        assert scene.load.counts.failed_by_version["v2"] == failed
