"""Pods as the split, with no Istio anywhere: real requests, real Prometheus, real processes.

Envoy stands in for kube-proxy: it balances the Service over its pods and knows no route.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from canary_operator.playground.client import SERVICES
from canary_operator.playground.local import LocalCluster
from tests.support.clusters import eventually
from tests.support.load import NAMESPACE, Scene, load_on, lost
from tests.support.load_on_pods import PodScene

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("load")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalCluster]:
    folder = tmp_path_factory.mktemp("without-a-mesh")
    async with LocalCluster(folder, NAMESPACE, istio=False) as cluster:
        yield cluster


async def selector(cluster: LocalCluster, name: str) -> dict[str, str]:
    found = await cluster.client.get(SERVICES, name, NAMESPACE)
    chosen: dict[str, str] = found["spec"]["selector"]
    return chosen


async def answers_only_from(scene: Scene, version: str) -> None:
    """Check that nobody but `version` answers any more, but what is under way."""
    await scene.until_answers(20)
    before = scene.by_version
    await scene.until_answers(30)
    assert (scene.by_version - before).keys() == {version}


async def share_of_next(scene: Scene, version: str, requests: int) -> float:
    """Return a version's share of further requests, in percent."""
    before = scene.by_version
    await scene.until_answers(requests)
    answers = scene.by_version - before
    return 100 * answers[version] / answers.total()


async def test_the_share_is_that_of_the_pods_and_nobody_notices(cluster: LocalCluster) -> None:
    async with load_on(cluster, "promoted", 20, kind=PodScene) as scene:
        await answers_only_from(scene, "v1")
        await scene.apply("v2")
        await scene.until_on_trial("v2", 25)
        assert await share_of_next(scene, "v2", 60) == pytest.approx(25, abs=15)
        await scene.until_on_trial("v2", 50)
        assert await share_of_next(scene, "v2", 60) == pytest.approx(50, abs=20)
        status = await scene.until_phase("Stable", histories=1)
        assert status["history"][0]["outcome"] == "Promoted"
        await scene.until_pods(0, "canary")
        await answers_only_from(scene, "v2")
    assert not lost(scene)
    assert not scene.failed_by_version.total()


@pytest.mark.parametrize("phase", ["Progressing", "Promoting"])
async def test_an_abort_fails_no_request(cluster: LocalCluster, phase: str) -> None:
    name = f"aborted-while-{phase.lower()}"
    async with load_on(cluster, name, kind=PodScene) as scene:
        await scene.apply("v2")
        await scene.until_on_trial("v2", 25)
        if phase == "Promoting":
            await scene.ask("promote")
            await scene.until_phase("Promoting")
        await scene.ask("abort")
        await scene.until_phase("RolledBack")
        chosen = await selector(cluster, name)
        assert chosen["canary-operator.dev/track"] == "stable"
        await scene.until_pods(3)
        await answers_only_from(scene, "v1")
    assert not lost(scene)
    assert not scene.failed_by_version.total()


async def test_metrics_of_the_application_roll_a_faulty_version_back(cluster: LocalCluster) -> None:
    async with load_on(cluster, "faulty", 20, kind=PodScene) as scene:
        await scene.apply("v2", ERROR_RATE="0.5")
        status = await scene.until_phase("RolledBack")
        assert status["history"][0]["reason"] == "AnalysisFailed"
        assert status["history"][0]["maxWeight"] == 25
        await answers_only_from(scene, "v1")
    assert not lost(scene)
    assert {version for version, count in scene.failed_by_version.items() if count} == {"v2"}


async def test_a_service_that_somebody_opens_is_closed(cluster: LocalCluster) -> None:
    async with load_on(cluster, "opened", kind=PodScene) as scene:
        patch = {"spec": {"selector": {"canary-operator.dev/track": None}}}
        await cluster.client.patch(
            SERVICES, "opened", patch, NAMESPACE, ctype="application/merge-patch+json"
        )

        async def closed() -> bool:
            return "canary-operator.dev/track" in await selector(cluster, "opened")

        await eventually(closed)
        await answers_only_from(scene, "v1")


async def test_the_operator_says_once_that_there_are_no_routes(cluster: LocalCluster) -> None:
    told = cluster.operator.log.read_text()
    assert told.count("virtualservices") == 1, "one line at the start"
    assert "Traceback" not in told
