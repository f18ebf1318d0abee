"""The manifests of `examples/focused`, with real Envoy and real server processes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from canary_operator.playground.client import APPLY, MERGE
from canary_operator.playground.client import SERVICES as SERVICE
from canary_operator.playground.local import ROLLOUTS, LocalCluster
from canary_operator.playground.mesh.control import VIRTUAL_SERVICES
from tests.playground.mesh.conftest import needs_envoy  # noqa: F401 - a fixture
from tests.support.bed import REQUEST
from tests.support.clusters import eventually

pytestmark = [
    pytest.mark.usefixtures("needs_envoy"),
    pytest.mark.xdist_group("focused"),
    pytest.mark.timeout(300),
]

FOLDER = Path(__file__).parents[2] / "examples" / "focused"
FIRST, SECOND = (
    yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("[0-9]-*.yaml"))
)
NAMESPACE, NAME = "demo", "shop"
PATIENCE_SECONDS = 90.0

ACME = ("company=acme", "theme=dark; company=acme", "company=acme; theme=dark")
OTHERS = (None, "company=other", "company=acmes", "mycompany=acme", "theme=company=acme")
ASKED = 400
"""Requests that are counted; with half of them on the canary, one standard deviation is 10."""


def shortened(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Take the waiting out of a manifest, and nothing else."""
    quick = deepcopy(dict(manifest))
    for step in quick["spec"]["strategy"]["steps"]:
        step["hold"] = "1s"
    quick["spec"]["strategy"]["scaleDownDelay"] = "2s"
    quick["spec"]["analysis"] |= {"interval": "5s", "window": "4s", "minRequests": 5}
    return quick


class Shop:
    """The rollout, and people who call it."""

    def __init__(self, cluster: LocalCluster, session: aiohttp.ClientSession) -> None:
        self.cluster = cluster
        self._session = session
        self.failed = 0

    async def apply(self, manifest: Mapping[str, Any]) -> None:
        await self.cluster.client.patch(
            ROLLOUTS, NAME, manifest, NAMESPACE, ctype=APPLY, fieldManager="kubectl"
        )

    async def until(self, phase: str, weight: int) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            found = await self.cluster.client.get(ROLLOUTS, NAME, NAMESPACE)
            status: dict[str, Any] = found.get("status") or {}
            met = (status.get("phase"), status.get("weight")) == (phase, weight)
            return status if met else None

        return await eventually(look, PATIENCE_SECONDS)

    async def ask(self, request: str) -> None:
        body = {"metadata": {"annotations": {REQUEST: request}}}
        await self.cluster.client.patch(ROLLOUTS, NAME, body, NAMESPACE, ctype=MERGE)

    async def version(self, cookie: str | None) -> str:
        """Call once, and return which version answered."""
        headers = {"Host": self.cluster.mesh.host_of(NAME, NAMESPACE)}
        if cookie is not None:
            headers["Cookie"] = cookie
        async with self._session.get(self.cluster.mesh.url, headers=headers) as answer:
            self.failed += answer.status != 200
            return answer.headers.get("x-version", "none")

    async def versions(self, *cookies: str | None, asked: int = ASKED) -> Counter[str]:
        return Counter([await self.version(cookies[i % len(cookies)]) for i in range(asked)])

    async def served(self) -> None:
        """Wait until callers get answers."""

        async def answers() -> bool:
            return await self.version(None) == "v1"

        await eventually(answers, PATIENCE_SECONDS)
        self.failed = 0

    async def services(self) -> set[str]:
        listed = await self.cluster.client.list(SERVICE, NAMESPACE)
        return {one["metadata"]["name"] for one in listed["items"]}

    async def destinations(self) -> set[str]:
        """Return the Services that the route names."""
        listed = await self.cluster.client.list(VIRTUAL_SERVICES, NAMESPACE)
        return {
            entry["destination"]["host"].partition(".")[0]
            for found in listed["items"]
            for route in found["spec"]["http"]
            for entry in route["route"]
        }


@asynccontextmanager
async def shop_in(folder: Path) -> AsyncIterator[Shop]:
    """Run the first version, with people of both kinds who call all the time."""
    async with LocalCluster(folder, NAMESPACE) as cluster, aiohttp.ClientSession() as session:
        shop = Shop(cluster, session)
        await shop.apply(shortened(FIRST))
        await shop.until("Stable", 0)
        await shop.served()

        async def call() -> None:
            while True:
                for cookie in (*ACME, *OTHERS):
                    await shop.version(cookie)
                    await asyncio.sleep(0.005)

        async with asyncio.TaskGroup() as group:
            calling = group.create_task(call())
            yield shop
            calling.cancel()


def test_only_the_image_differs() -> None:
    first, second = deepcopy(FIRST), deepcopy(SECOND)
    for manifest in (first, second):
        manifest["spec"]["template"]["spec"]["containers"][0]["image"] = "the same"
    assert first == second


@pytest.mark.asyncio(loop_scope="function")
async def test_half_of_one_company_meets_the_canary_and_nobody_else(tmp_path: Path) -> None:
    async with shop_in(tmp_path) as shop:
        await shop.apply(shortened(SECOND))
        status = await shop.until("Paused", 50)
        assert "every step passed" in status["message"]
        assert status["metrics"][0]["verdict"] == "Pass"

        of_company = await shop.versions(*ACME)
        assert set(of_company) == {"v1", "v2"}
        assert 0.3 * ASKED < of_company["v2"] < 0.7 * ASKED
        assert await shop.versions(*OTHERS) == {"v1": ASKED}

        counted = (await shop.until("Paused", 50))["metrics"][0]
        group = counted["canary"]["requests"] + counted["stable"]["requests"]
        assert counted["canary"]["requests"] > group / 4, "others must not count for stable"

        await shop.ask("promote")
        await shop.until("Stable", 0)

        async def nobody_meets_the_first() -> bool:
            return await shop.versions(*ACME, *OTHERS) == {"v2": ASKED}

        # The last pod of the first version answers until the proxies know that it ends.
        await eventually(nobody_meets_the_first, PATIENCE_SECONDS)
        assert shop.failed == 0


@pytest.mark.asyncio(loop_scope="function")
async def test_a_canary_for_everybody_needs_no_service_of_its_own(tmp_path: Path) -> None:
    async with shop_in(tmp_path) as shop:

        async def named() -> bool:
            return "shop-match" in await shop.destinations()

        await eventually(named, PATIENCE_SECONDS)
        everybody = shortened(FIRST)
        del everybody["spec"]["strategy"]["match"]
        await shop.apply(everybody)

        async def gone() -> bool:
            return "shop-match" not in await shop.services()

        await eventually(gone, PATIENCE_SECONDS)
        assert await shop.versions(*ACME, *OTHERS) == {"v1": ASKED}
        assert shop.failed == 0
