"""Canary and stable compared, with real Envoy, real Prometheus and real server processes.

The stories take minutes, so they are lived through side by side: each test waits for its own.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from canary_operator.playground.client import APPLY
from canary_operator.playground.loadgen import LoadGenerator
from canary_operator.playground.local import ROLLOUTS, LocalCluster
from tests.support.clusters import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("comparison"),
    pytest.mark.timeout(400),
]

NAMESPACE = "demo"
REQUESTS_PER_SECOND = 60
OUTAGE_SECONDS = 60
SILENCE_SECONDS = 120
PATIENCE_SECONDS = 300.0


def manifest(name: str, version: str, **env: str) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "app",
        "image": f"{name}:{version}",
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [
            {"name": key, "value": value} for key, value in (env | {"VERSION": version}).items()
        ],
    }
    if "REFUSE_AFTER" not in env:  # or the pod would not stay ready
        container["readinessProbe"] = {"httpGet": {"path": "/healthz", "port": "http"}}
    return {
        "apiVersion": "canary-operator.dev/v1alpha1",
        "kind": "CanaryRollout",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": 2,
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container]},
            },
            "service": {"port": 80, "targetPort": "http"},
            "strategy": {
                "steps": [{"weight": 20, "hold": "30s"}, {"weight": 50, "hold": "30s"}],
                "scaleDownDelay": "2s",
            },
            "analysis": {"interval": "5s", "comparison": {}},
        },
    }


@dataclass
class Story:
    """One rollout, the load on it, and every status that was seen."""

    cluster: LocalCluster
    name: str
    load: LoadGenerator
    seen: list[tuple[float, Mapping[str, Any]]] = field(default_factory=list)
    """Seconds of the event loop, status."""

    async def apply(self, version: str, **env: str) -> float:
        """Apply a version; return when."""
        body = manifest(self.name, version, **env)
        await self.cluster.client.patch(
            ROLLOUTS, self.name, body, NAMESPACE, ctype=APPLY, fieldManager="kubectl"
        )
        return asyncio.get_running_loop().time()

    async def status(self) -> dict[str, Any]:
        self.cluster.operator.check()
        found = await self.cluster.client.get(ROLLOUTS, self.name, NAMESPACE)
        status: dict[str, Any] = found.get("status") or {}
        if not self.seen or self.seen[-1][1] != status:
            self.seen.append((asyncio.get_running_loop().time(), status))
        return status

    async def until(self, met: Callable[[Mapping[str, Any]], Any]) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            status = await self.status()
            return status if met(status) else None

        try:
            return await eventually(look, PATIENCE_SECONDS)
        except TimeoutError:
            raise AssertionError(f"never met; last status {self.seen[-1]}") from None

    async def watch(self, seconds: float) -> None:
        """Look at the status for some time."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            await self.status()
            await asyncio.sleep(0.2)

    def reasons(self) -> set[str]:
        """Return the reasons of all judgements that were seen."""
        return {m.get("reason") for _, status in self.seen for m in status.get("metrics", ())}

    def weight_zero_after(self, start: float) -> float:
        """Return the seconds from the first weight above 0 to the loss of it."""
        raised = next(at for at, s in self.seen if at > start and s.get("weight"))
        lost = next(at for at, s in self.seen if at > raised and not s.get("weight"))
        return lost - raised


@asynccontextmanager
async def story_on(cluster: LocalCluster, name: str, **env: str) -> AsyncIterator[Story]:
    host = cluster.mesh.host_of(name, NAMESPACE)
    async with LoadGenerator(cluster.mesh.url, host=host, rate=0, timeout_seconds=30) as load:
        story = Story(cluster, name, load)
        await story.apply("v1", **env)
        await story.until(lambda s: s.get("phase") == "Stable")
        load.rate = REQUESTS_PER_SECOND
        yield story
        await load.stop()


async def five_percent_errors(cluster: LocalCluster, _: Path) -> Story:
    async with story_on(cluster, "errors") as story:
        start = await story.apply("v2", ERROR_RATE="0.05")
        await story.until(lambda s: s.get("phase") == "RolledBack")
        assert story.weight_zero_after(start) <= 45
    return story


async def refused_connections(cluster: LocalCluster, _: Path) -> Story:
    async with story_on(cluster, "refusing") as story:
        start = await story.apply("v2", REFUSE_AFTER="1s")
        await story.until(lambda s: s.get("phase") == "RolledBack")
        assert story.weight_zero_after(start) <= 45
    return story


async def shared_outage(cluster: LocalCluster, folder: Path) -> Story:
    dependency = folder / "dependency"
    dependency.touch()
    async with story_on(cluster, "outage", DEPENDENCY=str(dependency)) as story:
        await story.apply("v2", DEPENDENCY=str(dependency))
        await story.until(lambda s: s.get("weight") == 20 and s.get("metrics"))
        dependency.unlink()
        await story.watch(OUTAGE_SECONDS)
        assert (await story.status())["weight"] == 20
        dependency.touch()
        await story.until(lambda s: s.get("history"))
    return story


async def no_traffic(cluster: LocalCluster, _: Path) -> Story:
    async with story_on(cluster, "quiet") as story:
        story.load.rate = 0
        await story.apply("v2")
        await story.until(lambda s: s.get("weight") == 20)
        await story.watch(SILENCE_SECONDS)
    return story


STORIES: tuple[Callable[[LocalCluster, Path], Awaitable[Story]], ...] = (
    five_percent_errors,
    refused_connections,
    shared_outage,
    no_traffic,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stories(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Mapping[str, asyncio.Task[Story]]]:
    folder = tmp_path_factory.mktemp("comparison")
    async with LocalCluster(folder, NAMESPACE) as cluster:
        tasks = {tell.__name__: asyncio.ensure_future(tell(cluster, folder)) for tell in STORIES}
        yield tasks
        await asyncio.gather(*tasks.values(), return_exceptions=True)


Stories = Mapping[str, asyncio.Task[Story]]


async def test_five_percent_errors_are_rolled_back_within_45_seconds(stories: Stories) -> None:
    story = await stories["five_percent_errors"]
    entry = (last_of(story))["history"][0]
    assert entry["reason"] == "WorseThanStable"
    assert "that the canary is worse; rolled back at 100:1" in entry["message"]
    assert entry["requestsHurt"] > 0
    assert story.load.counts.failed_by_version["v1"] == 0


async def test_a_canary_that_refuses_connections_is_rolled_back_by_the_callers_view(
    stories: Stories,
) -> None:
    story = await stories["refused_connections"]
    entry = (last_of(story))["history"][0]
    assert entry["reason"] == "WorseThanStable"
    assert entry["message"].endswith("seen by the callers.")


@pytest.mark.exhaustive
async def test_a_shared_outage_of_a_minute_rolls_nothing_back(stories: Stories) -> None:
    story = await stories["shared_outage"]
    assert "SharedCauseSuspected" in story.reasons()
    assert (last_of(story))["history"][0]["outcome"] == "Promoted"


async def test_no_traffic_for_two_minutes_rolls_nothing_back_and_says_so(stories: Stories) -> None:
    story = await stories["no_traffic"]
    status = last_of(story)
    assert (status["phase"], status["weight"], status["history"]) == ("Progressing", 20, [])
    (metric,) = status["metrics"]
    assert (metric["verdict"], metric["reason"]) == ("Inconclusive", "TooFewRequests")
    assert "0 canary requests in" in metric["message"]


def last_of(story: Story) -> Mapping[str, Any]:
    """Return the last status that was seen."""
    return story.seen[-1][1]
