"""Under load, with real Envoy, real Prometheus and real server processes: nobody notices."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from canary_operator.playground.local import LocalCluster
from tests.support.load import (
    NAMESPACE,
    PRE_STOP_SECONDS,
    REQUESTS_PER_SECOND,
    Scene,
    load_on,
    lost,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("load")]


BUSY = 40
"""Requests per second of each kind where an error rate is to be measured."""


async def promotion(scene: Scene) -> None:
    await scene.apply("v2")
    await scene.until_phase("Stable", histories=1)
    await check_is_over(scene, "v1")


async def promotion_by_request(scene: Scene) -> None:
    await scene.apply("v2")
    await scene.until_on_trial("v2")
    await scene.ask("promote")
    await scene.until_phase("Stable", histories=1)
    await check_is_over(scene, "v1")


async def abort(scene: Scene) -> None:
    await scene.apply("v2")
    await scene.until_on_trial("v2")
    await scene.ask("abort")
    await scene.until_phase("RolledBack")
    await check_is_over(scene, "v2")


async def abort_while_promoting(scene: Scene) -> None:
    await scene.apply("v2", replicas=4)
    await scene.until_on_trial("v2")
    await scene.ask("promote")
    await scene.until_phase("Promoting")
    await scene.ask("abort")
    await scene.until_phase("RolledBack")
    await scene.until_pods(4)  # those of stable that had the new version already are gone
    await check_is_over(scene, "v2")


async def newer_version(scene: Scene) -> None:
    await scene.apply("v2")
    await scene.until_on_trial("v2")
    await scene.apply("v3")
    status = await scene.until_phase("Stable", histories=2)
    assert [one["outcome"] for one in status["history"]] == ["Promoted", "Superseded"]
    await check_is_over(scene, "v2")


async def revert(scene: Scene) -> None:
    await scene.apply("v2")
    await scene.until_on_trial("v2")
    await scene.apply("v1")
    await scene.until_phase("Stable", histories=1)
    await scene.until_pods(0, "canary")
    await check_is_over(scene, "v2")


async def scaling(scene: Scene) -> None:
    await scene.apply("v2")
    await scene.until_on_trial("v2")
    for replicas in (4, 1):
        await scene.apply("v2", replicas=replicas)
        await scene.until_pods(replicas)
        await scene.until_answers(30)
    await scene.until_phase("Stable", histories=1)
    await check_is_over(scene, "v1")


async def faulty_version(scene: Scene) -> None:
    await scene.apply("v2", ERROR_RATE="0.3")
    status = await scene.until_phase("RolledBack", histories=1)
    assert status["history"][0]["reason"] == "AnalysisFailed"
    true_rate = 100 * (1 - scene.failed_by_version["v2"] / scene.by_version["v2"])
    (metric,) = status["metrics"]
    found = re.match(r"[\d.]+", metric["value"])
    assert found is not None
    assert float(found[0]) == pytest.approx(true_rate, abs=15)
    await check_is_over(scene, "v2")


async def promotion_of_abrupt_pods(scene: Scene) -> None:
    await scene.apply("v2")
    await scene.until_on_trial("v2")
    await scene.ask("promote")
    await scene.until_phase("Stable", histories=1)
    await scene.until_pods(2)
    await scene.until_pods(0, "canary")


async def check_is_over(scene: Scene, version: str) -> None:
    """Check that a version gets no request any more, but those that are under way."""
    await scene.until_told(0)
    await scene.until_answers(20)
    before = scene.by_version[version]
    await scene.until_answers(30)
    assert scene.by_version[version] == before


@dataclass(frozen=True)
class Story:
    """What happens to a rollout, and to whom."""

    happens: Callable[[Scene], Awaitable[None]]
    rate: float = REQUESTS_PER_SECOND
    pre_stop_seconds: int = PRE_STOP_SECONDS
    environment: Mapping[str, str] = field(default_factory=dict)


ABRUPT = {"ABRUPT_END": "1", "LATENCY": "200ms"}
STORIES: dict[str, Story] = {
    "a promotion": Story(promotion),
    "a promotion by request": Story(promotion_by_request),
    "an abort": Story(abort),
    "an abort while promoting": Story(abort_while_promoting),
    "a newer version in the middle": Story(newer_version),
    "a revert in the middle": Story(revert),
    "more and fewer replicas in the middle": Story(scaling),
    "a faulty version": Story(faulty_version, rate=BUSY),
    "pods that end abruptly after a while": Story(
        promotion_of_abrupt_pods, pre_stop_seconds=2 * PRE_STOP_SECONDS, environment=ABRUPT
    ),
    "pods that end abruptly at once": Story(
        promotion_of_abrupt_pods, pre_stop_seconds=0, environment=ABRUPT
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalCluster]:
    async with LocalCluster(tmp_path_factory.mktemp("load"), NAMESPACE) as cluster:
        yield cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(
    cluster: LocalCluster, request: pytest.FixtureRequest
) -> AsyncIterator[dict[str, "asyncio.Task[Scene]"]]:
    """The stories that were chosen, all at the same time."""
    titles = {
        getattr(item, "callspec", None) and item.callspec.params.get("title")
        for item in request.session.items
        if item.path == request.path
    }

    async def tell(number: int, story: Story) -> Scene:
        async with load_on(
            cluster, f"story-{number}", story.rate, story.pre_stop_seconds, **story.environment
        ) as scene:
            await story.happens(scene)
        return scene

    tasks = {
        title: asyncio.create_task(tell(number, story))
        for number, (title, story) in enumerate(STORIES.items())
        if title in titles
    }
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("title", STORIES)
async def test_nobody_notices(told: dict[str, "asyncio.Task[Scene]"], title: str) -> None:
    scene = await told[title]
    if title == "pods that end abruptly at once":
        assert lost(scene), "what a preStop hook is for"
        return
    assert not lost(scene)
    failed = {version for version, count in scene.failed_by_version.items() if count}
    assert failed == ({"v2"} if title == "a faulty version" else set())


async def test_nobody_notices_that_the_operator_is_restarted(cluster: LocalCluster) -> None:
    async with load_on(cluster, "restarted") as scene:
        await scene.apply("v2")
        await scene.until_on_trial("v2")
        await cluster.operator.stop()
        await scene.until_answers(30)
        await cluster.operator.start()
        await scene.until_on_trial("v2", 50)
        await cluster.operator.kill()
        await scene.until_answers(30)
        await cluster.operator.start()
        await scene.until_phase("Stable", histories=1)
        await check_is_over(scene, "v1")
    for weight in (20, 50):
        assert scene.share_at(weight, "v2") == pytest.approx(weight, abs=15)
    assert not lost(scene)
    assert not scene.failed_by_version.total()
