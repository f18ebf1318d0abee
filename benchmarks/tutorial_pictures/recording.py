"""An example, applied as it stands, and looked at every second."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from canary_operator.playground.client import APPLY, MERGE, PODS
from canary_operator.playground.loadgen import LoadGenerator
from canary_operator.playground.local import ROLLOUTS, LocalCluster
from canary_operator.playground.mesh.background import Background

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMESPACE = "demo"
QUIET_SECONDS = 10.0
"""How long a picture shows what was before a release, and before a person's word."""
AFTER_SECONDS = 40.0
"""How long it shows what is after a release: the canary's pods go within 30 seconds."""
PATIENCE_SECONDS = 600.0
REQUEST = "canary-operator.dev/request"


@dataclass(frozen=True)
class Callers:
    """People who ask the same way."""

    label: str
    rate: float
    """Requests per second."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rush:
    """Further requests, some seconds after a weight was reached."""

    weight: int
    rate: float
    """Further requests per second, of the first callers."""
    seconds: float


@dataclass(frozen=True)
class Story:
    """What is applied, and who calls."""

    example: str
    first: str
    second: str
    title: str
    callers: Sequence[Callers]
    istio: bool = True
    rush: Rush | None = None
    warm_seconds: float = 1.0
    """How long the first version is called before the first look."""

    def manifest(self, file: str) -> dict[str, Any]:
        """Return one of its manifests, as it stands."""
        loaded: dict[str, Any] = yaml.safe_load((EXAMPLES / self.example / file).read_text("utf-8"))
        return loaded

    @property
    def name(self) -> str:
        """Of the rollout."""
        return str(self.manifest(self.first)["metadata"]["name"])


@dataclass(frozen=True)
class Look:
    """The state at one moment, and what was answered in the second before it."""

    at: float
    """Seconds since the first look."""
    weight: int
    pods: Mapping[str, int]
    """Ready ones, by version."""
    answers: Mapping[str, Mapping[str, int]]
    """By callers, then by version."""


class Recorder:
    """Looks at one rollout every second."""

    def __init__(self, cluster: LocalCluster, name: str) -> None:
        """Remember whom to look at.

        Args:
            cluster: An opened cluster.
            name: Of the rollout.
        """
        self.looks: list[Look] = []
        self.loads: dict[str, LoadGenerator] = {}
        self._cluster = cluster
        self._name = name
        self._before: dict[str, Counter[str]] = {}

    async def apply(self, body: Mapping[str, Any]) -> None:
        """Apply a manifest as `kubectl apply --server-side` does."""
        await self._cluster.client.patch(
            ROLLOUTS, self._name, dict(body), NAMESPACE, ctype=APPLY, fieldManager="kubectl"
        )

    async def promote(self) -> None:
        """Say the last word of a rollout that waits for a person."""
        body = {"metadata": {"annotations": {REQUEST: "promote"}}}
        await self._cluster.client.patch(ROLLOUTS, self._name, body, NAMESPACE, ctype=MERGE)

    async def status(self) -> dict[str, Any]:
        """Return the rollout's status."""
        found = await self._cluster.client.get(ROLLOUTS, self._name, NAMESPACE)
        return dict(found.get("status") or {})

    async def until(self, *phases: str) -> str:
        """Wait for one of some phases, and return it.

        Raises:
            TimeoutError: it did not come.
        """
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (phase := str((await self.status()).get("phase"))) not in phases:
                self._cluster.operator.check()
                await asyncio.sleep(0.2)
        return phase

    async def suffer(self, rush: Rush) -> None:
        """Let the first callers call more often for a while."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await self.status()).get("weight") != rush.weight:
                self._cluster.operator.check()
                await asyncio.sleep(0.2)
        await asyncio.sleep(QUIET_SECONDS)
        load = next(iter(self.loads.values()))
        load.rate += rush.rate
        await asyncio.sleep(rush.seconds)
        load.rate -= rush.rate

    async def record(self) -> None:
        """Look, for ever."""
        begun = asyncio.get_running_loop().time()
        while True:
            at = asyncio.get_running_loop().time() - begun
            weight = int((await self.status()).get("weight") or 0)
            self.looks.append(Look(at, weight, await self._pods(), self._answers()))
            await asyncio.sleep(1.0)

    async def _pods(self) -> Counter[str]:
        listed = await self._cluster.client.list(PODS, NAMESPACE)
        return Counter(_version(pod) for pod in listed["items"] if _serves(pod))

    def _answers(self) -> dict[str, Mapping[str, int]]:
        since = {}
        for label, load in self.loads.items():
            now = load.counts.by_version.copy()
            since[label] = now - self._before.get(label, Counter())
            self._before[label] = now
        return since


def _version(pod: Mapping[str, Any]) -> str:
    image: str = pod["spec"]["containers"][0]["image"]
    return image.partition(":")[2]


def _serves(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


async def recorded(story: Story) -> list[Look]:
    """Play a story: the first version, then the second one until it serves everybody."""
    async with _stage(story) as (recorder, background):
        await recorder.apply(story.manifest(story.first))
        await recorder.until("Stable")
        for load, callers in zip(recorder.loads.values(), story.callers, strict=True):
            load.rate = callers.rate
        await asyncio.sleep(story.warm_seconds)
        background.start(recorder.record(), "look")
        await asyncio.sleep(QUIET_SECONDS)
        await recorder.apply(story.manifest(story.second))
        await recorder.until("Progressing")
        if story.rush:
            background.start(recorder.suffer(story.rush), "rush")
        if await recorder.until("Stable", "Paused") == "Paused":
            await asyncio.sleep(QUIET_SECONDS)
            await recorder.promote()
            await recorder.until("Stable")
        await asyncio.sleep(AFTER_SECONDS)
        return recorder.looks


@asynccontextmanager
async def _stage(story: Story) -> AsyncIterator[tuple[Recorder, Background]]:
    """Start a cluster, and callers who do not call yet."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="canary-tutorial-"))
        cluster = await stack.enter_async_context(
            LocalCluster(Path(folder), NAMESPACE, istio=story.istio)
        )
        recorder = Recorder(cluster, story.name)
        for callers in story.callers:
            load = LoadGenerator(
                cluster.mesh.url,
                host=cluster.mesh.host_of(story.name, NAMESPACE),
                headers=callers.headers,
                rate=0,
            )
            recorder.loads[callers.label] = await stack.enter_async_context(load)
        yield recorder, await stack.enter_async_context(Background())
