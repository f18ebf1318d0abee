"""The manifests of `examples/autoscaling`, with real Envoy, real servers and a changing load."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary_operator.playground.client import APPLY, DEPLOYMENTS
from canary_operator.playground.loadgen import LoadGenerator
from canary_operator.playground.local import ROLLOUTS, LocalCluster
from canary_operator.playground.mesh.catalog import Catalog
from tests.playground.mesh.conftest import needs_envoy  # noqa: F401 - a fixture
from tests.support.clusters import eventually

pytestmark = [
    pytest.mark.usefixtures("needs_envoy"),
    pytest.mark.xdist_group("autoscaling"),
    pytest.mark.timeout(300),
]

FOLDER = Path(__file__).parents[2] / "examples" / "autoscaling"
FIRST, SECOND = (
    yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("[0-9]-*.yaml"))
)
NAMESPACE, NAME = "demo", "hello"
PATIENCE_SECONDS = 90.0
QUIET, BUSY = 10, 45
"""Requests per second: for two pods, and for five."""


def shortened(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Take the waiting out of a manifest, and wait for a person at 50 %."""
    quick = deepcopy(dict(manifest))
    spec = quick["spec"]
    spec["strategy"]["steps"] = [
        {"weight": 10, "hold": "1s"},
        {"weight": 50, "hold": "1s", "approval": True},
    ]
    spec["strategy"]["scaleDownDelay"] = "3s"
    spec["autoscaling"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] = 3
    spec["analysis"] |= {"interval": "5s", "window": "4s", "minRequests": 5}
    return quick


class Hello:
    """The rollout, and its callers."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster = cluster
        self.failed: Counter[str] = Counter()

    async def apply(self, manifest: Mapping[str, Any]) -> None:
        await self.cluster.client.patch(
            ROLLOUTS, NAME, manifest, NAMESPACE, ctype=APPLY, fieldManager="kubectl"
        )

    async def status(self) -> dict[str, Any]:
        found = await self.cluster.client.get(ROLLOUTS, NAME, NAMESPACE)
        return found.get("status") or {}

    async def until(self, phase: str, weight: int = 0) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            status = await self.status()
            met = (status.get("phase"), status.get("weight")) == (phase, weight)
            return status if met else None

        return await eventually(look, PATIENCE_SECONDS)

    async def ask(self, verb: str) -> None:
        body = {"metadata": {"annotations": {"canary-operator.dev/request": verb}}}
        await self.cluster.client.patch(ROLLOUTS, NAME, body, NAMESPACE)

    async def pods(self) -> tuple[int, int]:
        """Return the available pods of stable and of the canary."""
        found = [
            await self.cluster.client.get(DEPLOYMENTS, f"{NAME}-{track}", NAMESPACE)
            for track in ("stable", "canary")
        ]
        stable, canary = (one.get("status", {}).get("availableReplicas", 0) for one in found)
        return stable, canary

    async def until_pods(self, met: Callable[[int, int], bool]) -> tuple[int, int]:
        pods = (0, 0)

        async def look() -> bool:
            nonlocal pods
            pods = await self.pods()
            return met(*pods)

        try:
            await eventually(look, PATIENCE_SECONDS)
        except TimeoutError:
            raise AssertionError(f"never met: {pods}, {await self.status()}") from None
        return pods

    @asynccontextmanager
    async def load(self, rate: float) -> AsyncIterator[LoadGenerator]:
        """Send requests until the end, and count those that failed."""
        mesh = self.cluster.mesh
        host = mesh.host_of(NAME, NAMESPACE)
        async with LoadGenerator(mesh.url, host=host, rate=rate) as load:
            yield load
            await load.stop()
        self.failed += Counter({str(kind): count for kind, count in load.counts.failures.items()})
        self.failed += load.counts.failed_by_version


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Hello]:
    """Run the first version."""
    async with LocalCluster(folder, NAMESPACE) as cluster:
        hello = Hello(cluster)
        await hello.apply(shortened(FIRST))
        await hello.until("Stable")
        await cluster.mesh.control.wait_until(reaches_stable, PATIENCE_SECONDS)
        yield hello


def reaches_stable(mesh: Catalog) -> bool:
    """Return whether the route is in force, and leads to somebody."""
    stable = mesh.services.get(mesh.host(f"{NAME}-stable", NAMESPACE))
    port = stable.port(None) if stable else None
    return bool(mesh.virtual_services and port and port.endpoints)


def test_only_the_image_differs() -> None:
    first, second = deepcopy(FIRST), deepcopy(SECOND)
    for manifest in (first, second):
        manifest["spec"]["template"]["spec"]["containers"][0]["image"] = "the same"
    assert first == second


@pytest.mark.asyncio(loop_scope="function")
async def test_both_versions_follow_the_load_whatever_the_weight(tmp_path: Path) -> None:
    async with served(tmp_path) as hello, hello.load(QUIET):
        assert await hello.until_pods(lambda stable, _: stable == 2) == (2, 0)
        await hello.apply(shortened(SECOND))
        status = await hello.until("Paused", 50)
        assert status["fullLoad"] == 2
        assert await hello.pods() == (2, 1), "half of the full load, before its traffic"
        async with hello.load(BUSY):
            await hello.until_pods(lambda stable, canary: stable > 2 and canary > 1)
        await hello.until_pods(lambda stable, canary: (stable, canary) == (2, 1))
        assert (await hello.status())["weight"] == 50
        await hello.ask("resume")
        status = await hello.until("Stable")
        assert status["history"][0]["outcome"] == "Promoted"
        await hello.until_pods(lambda stable, canary: (stable, canary) == (2, 0))
    assert not hello.failed


@pytest.mark.exhaustive
@pytest.mark.asyncio(loop_scope="function")
async def test_what_came_under_load_may_go_back_at_once(tmp_path: Path) -> None:
    async with served(tmp_path) as hello, hello.load(QUIET):
        async with hello.load(BUSY):
            stable, _ = await hello.until_pods(lambda stable, _: stable >= 5)
            await hello.apply(shortened(SECOND))
            status = await hello.until("Paused", 50)
            assert status["fullLoad"] >= stable
            whole = await hello.pods()
            assert whole[0] >= stable, "although half of the requests go elsewhere"
            assert whole[1] >= stable / 2
            await hello.ask("abort")
            await hello.until("RolledBack")
            assert (await hello.pods())[0] >= stable
        await hello.until_pods(lambda stable, canary: (stable, canary) == (2, 0))
    assert not hello.failed
