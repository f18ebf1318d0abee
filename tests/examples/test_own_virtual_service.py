"""The manifests of `examples/own-virtual-service`: two weights move, in real Envoy, and no more."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from canary_operator.playground.client import APPLY, MERGE, NotFoundError
from canary_operator.playground.local import ROLLOUTS, LocalCluster
from canary_operator.playground.mesh.control import VIRTUAL_SERVICES
from tests.playground.mesh.conftest import needs_envoy  # noqa: F401 - a fixture
from tests.support.bed import REQUEST
from tests.support.clusters import eventually

pytestmark = [
    pytest.mark.usefixtures("needs_envoy"),
    pytest.mark.xdist_group("own-virtual-service"),
    pytest.mark.timeout(300),
]

FOLDER = Path(__file__).parents[2] / "examples" / "own-virtual-service"
FIRST, SECOND = (
    yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("[0-9]-*.yaml"))
)
ROUTE = yaml.safe_load((FOLDER / "virtual-service.yaml").read_text(encoding="utf-8"))
NAMESPACE, NAME, SPLIT = "demo", "store", "pages"
PATIENCE_SECONDS = 90.0
ASKED = 400
"""Requests that are counted; with half of them on the canary, one standard deviation is 10."""


def shortened(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Take the waiting out of a manifest, and let each step last until it was looked at."""
    quick = deepcopy(dict(manifest))
    for step in quick["spec"]["strategy"]["steps"]:
        step |= {"hold": "1s", "approval": True}
    quick["spec"]["strategy"]["scaleDownDelay"] = "2s"
    quick["spec"]["analysis"] |= {"interval": "5s", "window": "4s", "minRequests": 5}
    return quick


class Store:
    """The rollout, the team's VirtualService, and people who call."""

    def __init__(self, cluster: LocalCluster, session: aiohttp.ClientSession) -> None:
        self.cluster = cluster
        self._session = session
        self.failed: Counter[int] = Counter()

    async def apply(self, manifest: Mapping[str, Any]) -> None:
        await self.cluster.client.patch(
            ROLLOUTS, NAME, manifest, NAMESPACE, ctype=APPLY, fieldManager="kubectl"
        )

    async def apply_route(self) -> None:
        """Apply what is in Git, as a GitOps tool does."""
        await self.cluster.client.patch(
            VIRTUAL_SERVICES,
            NAME,
            ROUTE,
            NAMESPACE,
            ctype=APPLY,
            fieldManager="gitops",
            force="true",
        )

    async def route(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.cluster.client.get(VIRTUAL_SERVICES, NAME, NAMESPACE)
        return found

    async def until(self, phase: str, weight: int) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            found = await self.cluster.client.get(ROLLOUTS, NAME, NAMESPACE)
            status: dict[str, Any] = found.get("status") or {}
            met = (status.get("phase"), status.get("weight")) == (phase, weight)
            return status if met else None

        return await eventually(look, PATIENCE_SECONDS)

    async def until_split(self, *weights: int) -> None:
        """Wait until the team's route has these weights, of stable and of the canary."""

        async def told() -> bool:
            return weights_of(await self.route()) == weights

        await eventually(told, PATIENCE_SECONDS)

    async def approve(self) -> None:
        body = {"metadata": {"annotations": {REQUEST: "resume"}}}
        await self.cluster.client.patch(ROLLOUTS, NAME, body, NAMESPACE, ctype=MERGE)

    async def call(self, path: str) -> aiohttp.ClientResponse:
        headers = {"Host": self.cluster.mesh.host_of(NAME, NAMESPACE)}
        url = f"{self.cluster.mesh.url}{path}"
        async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
            if answer.status not in {200, 301}:
                self.failed[answer.status] += 1
            return answer

    async def versions(self, path: str, asked: int = ASKED) -> Counter[str]:
        answers = [await self.call(path) for _ in range(asked)]
        return Counter(answer.headers.get("x-version", "none") for answer in answers)

    async def until_seen(self, version: str) -> None:
        """Wait until Envoy gives some answer of a version."""

        async def answered() -> bool:
            return (await self.call("/")).headers.get("x-version") == version

        await eventually(answered, PATIENCE_SECONDS)


def weights_of(route: Mapping[str, Any]) -> tuple[int, ...]:
    found = next(one for one in route["spec"]["http"] if one["name"] == SPLIT)
    return tuple(entry.get("weight", 0) for entry in found["route"])


def without_weights(route: Mapping[str, Any]) -> str:
    """Return the bytes of everything that is the team's, but the two weights."""
    spec = deepcopy(route["spec"])
    for entry in next(one for one in spec["http"] if one["name"] == SPLIT)["route"]:
        del entry["weight"]
    return json.dumps([spec, route["metadata"]["labels"], route["metadata"].get("annotations")])


@asynccontextmanager
async def store_in(folder: Path) -> AsyncIterator[Store]:
    """Run the first version behind the team's VirtualService, with people who call all the time."""
    async with LocalCluster(folder, NAMESPACE) as cluster, aiohttp.ClientSession() as session:
        store = Store(cluster, session)
        await store.apply_route()
        await store.apply(shortened(FIRST))
        await store.until("Stable", 0)
        await store.until_seen("v1")
        store.failed.clear()

        async def browse() -> None:
            while True:
                for path in ("/", "/hats", "/checkout"):
                    await store.call(path)
                    await asyncio.sleep(0.005)

        async with asyncio.TaskGroup() as group:
            browsing = group.create_task(browse())
            yield store
            browsing.cancel()


def test_only_the_image_differs() -> None:
    first, second = deepcopy(FIRST), deepcopy(SECOND)
    for manifest in (first, second):
        manifest["spec"]["template"]["spec"]["containers"][0]["image"] = "the same"
    assert first == second


@pytest.mark.asyncio(loop_scope="function")
async def test_two_weights_follow_the_rollout_and_nothing_else_changes(tmp_path: Path) -> None:
    async with store_in(tmp_path) as store:
        before = without_weights(await store.route())
        await store.apply(shortened(SECOND))
        await store.until("Paused", 10)
        await store.until_split(90, 10)
        await store.approve()
        await store.until("Paused", 50)
        await store.until_split(50, 50)
        assert without_weights(await store.route()) == before

        seen = await store.versions("/")
        assert 140 < seen["v2"] < 260
        assert await store.versions("/checkout") == {"v1": ASKED}
        moved = await store.call("/shop/hats")
        assert (moved.status, moved.headers["location"][-1]) == (301, "/")
        assert (await store.call("/")).headers["x-team"] == "store"

        await store.apply_route()
        await store.until_split(50, 50)
        await store.until("Paused", 50)
        await store.approve()
        status = await store.until("Stable", 0)
        assert status["history"][0]["outcome"] == "Promoted"
        await store.until_split(100, 0)
        assert without_weights(await store.route()) == before
        assert await store.versions("/", 50) == {"v2": 50}
        assert await store.versions("/checkout", 50) == {"v2": 50}
        assert not store.failed


@pytest.mark.asyncio(loop_scope="function")
async def test_whoever_deletes_the_rollout_keeps_the_virtual_service(tmp_path: Path) -> None:
    async with store_in(tmp_path) as store:
        before = without_weights(await store.route())
        await store.apply(shortened(SECOND))
        await store.until("Paused", 10)
        await store.until_split(90, 10)
        await store.cluster.client.delete(ROLLOUTS, NAME, NAMESPACE)

        async def gone() -> bool:
            try:
                await store.cluster.client.get(ROLLOUTS, NAME, NAMESPACE)
            except NotFoundError:
                return True
            return False

        await eventually(gone, PATIENCE_SECONDS)
        left = await store.route()
        assert weights_of(left) == (100, 0)
        assert without_weights(left) == before
