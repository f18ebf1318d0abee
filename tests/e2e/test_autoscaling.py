"""Autoscalers end to end: their decisions move up and down in every phase, also on a real plane.

Nobody measures anything there, so a hand stands for the autoscalers: it scales Deployments as they
do, within their bounds and never from nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from canary_operator.playground.client import DEPLOYMENTS, MERGE, ApiError, Resource
from canary_operator.playground.local import ROLLOUTS
from tests.support.bed import Bed, Release, template
from tests.support.clusters import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

AUTOSCALERS = Resource("horizontalpodautoscalers", "autoscaling", "v2")
TRACKS = ("stable", "canary")
BOUNDS: dict[str, Any] = {
    "minReplicas": 2,
    "maxReplicas": 8,
    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 2}},
}
LOOK_SECONDS = 0.1
STEPS: dict[str, Any] = {
    "steps": [{"weight": 20, "hold": "1s"}, {"weight": 50, "hold": "1s", "approval": True}],
    "progressDeadline": "60s",
    "scaleDownDelay": "2s",
}


class Hand:
    """Wants so many pods of each version, and scales as far as the autoscalers' bounds allow."""

    def __init__(self, release: Release) -> None:
        self._release = release
        self._client = release.bed.client
        self._wishes = {"web-stable": 0, "web-canary": 0}

    def want(self, stable: int, canary: int = 0) -> None:
        """Take note of how many pods the load of each version asks for."""
        self._wishes = {"web-stable": stable, "web-canary": canary}

    async def run(self) -> None:
        while True:
            for scaler in await self.scalers():
                with suppress(ApiError):  # looked at again
                    await self._scale(scaler)
            await asyncio.sleep(LOOK_SECONDS)

    async def scalers(self) -> list[dict[str, Any]]:
        found = await self._client.list(AUTOSCALERS, self._release.namespace)
        items: list[dict[str, Any]] = found["items"]
        return items

    async def floors(self) -> dict[str, int]:
        return {one["metadata"]["name"]: one["spec"]["minReplicas"] for one in await self.scalers()}

    async def _scale(self, scaler: dict[str, Any]) -> None:
        name, bounds = scaler["spec"]["scaleTargetRef"]["name"], scaler["spec"]
        scale = await self._client.get(DEPLOYMENTS, name, self._release.namespace, "scale")
        present = scale["spec"].get("replicas", 0)
        wish = min(max(self._wishes[name], bounds["minReplicas"]), bounds["maxReplicas"])
        if present not in {0, wish}:
            await self._client.patch(
                DEPLOYMENTS,
                name,
                {"spec": {"replicas": wish}},
                self._release.namespace,
                subresource="scale",
                fieldManager="kube-controller-manager",
            )

    async def sizes(self) -> tuple[int, int]:
        """Return how many pods are asked for: of stable and of the canary."""
        stable, canary = [
            (await self._client.get(DEPLOYMENTS, f"web-{track}", self._release.namespace))["spec"]
            for track in TRACKS
        ]
        return stable["replicas"], canary["replicas"]

    async def until_sizes(self, stable: int, canary: int) -> None:
        async def there() -> bool:
            return await self.sizes() == (stable, canary)

        await eventually(there, 60)


@asynccontextmanager
async def scaled(bed: Bed, **changes: Any) -> AsyncIterator[tuple[Release, Hand]]:
    """Bring up a rollout whose pods are autoscaled."""
    spec = {"autoscaling": BOUNDS, "strategy": STEPS, **changes}
    release = await bed.release(**spec)
    hand = Hand(release)
    acting = asyncio.create_task(hand.run())
    try:
        yield release, hand
    finally:
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)


async def test_autoscalers_go_up_and_down_in_every_phase_and_nothing_is_lost(bed: Bed) -> None:
    async with scaled(bed) as (release, hand):
        await hand.until_sizes(2, 0)
        assert await hand.floors() == {"web-stable": 2}
        hand.want(stable=6)
        await hand.until_sizes(6, 0)

        await release.apply(template=template("v2"))
        await release.until(lambda status: status.get("weight") == 50)
        assert (await release.status())["fullLoad"] == 6
        assert await hand.floors() == {"web-stable": 6, "web-canary": 3}
        hand.want(stable=8, canary=8)
        await hand.until_sizes(8, 8)
        hand.want(stable=1, canary=1)
        await hand.until_sizes(6, 3)  # the load ends: each goes to its floor, whatever the weight

        await release.until_phase("Paused")
        await release.ask("resume")
        status = await release.until_phase("Stable")
        assert status["history"][0]["outcome"] == "Promoted"
        await hand.until_sizes(2, 0)
        assert await hand.floors() == {"web-stable": 2}


async def test_a_rollback_gets_its_pods_back_although_stable_was_left_to_itself(bed: Bed) -> None:
    left = {**BOUNDS, "capacity": {"stableFloor": "HPA"}}
    async with scaled(bed, autoscaling=left) as (release, hand):
        hand.want(stable=6)
        await hand.until_sizes(6, 0)
        await release.apply(template=template("v2"))
        await release.until(lambda status: status.get("weight") == 50)
        hand.want(stable=3)
        await hand.until_sizes(3, 3)
        await release.ask("abort")
        await hand.until_sizes(6, 3)
        await release.until_phase("RolledBack")
        await hand.until_sizes(3, 0)
        assert await hand.floors() == {"web-stable": 2}


async def test_a_running_deployment_keeps_its_pods_when_autoscalers_come_and_go(bed: Bed) -> None:
    release = await bed.release(replicas=5)
    hand, seen = Hand(release), set()

    async def look() -> None:
        while True:
            seen.add((await hand.sizes())[0])
            await asyncio.sleep(0.02)

    hand.want(stable=5)
    tasks = [asyncio.create_task(work) for work in (look(), hand.run())]
    try:
        del release.spec["replicas"]
        await release.apply(autoscaling=BOUNDS)
        await eventually(lambda: has_floor(hand, 2))
        await release.apply(template=template("v2"))
        await release.until(lambda status: status.get("weight") == 50)
        await release.ask("promote")
        await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
        del release.spec["autoscaling"]
        await release.apply(replicas=5)
        await eventually(lambda: has_floor(hand, None))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert seen == {5}


async def has_floor(hand: Hand, floor: int | None) -> bool:
    return (await hand.floors()).get("web-stable") == floor


async def test_an_autoscaler_of_somebody_elses_scales_the_rollout(bed: Bed) -> None:
    release = await bed.release(replicas=4, strategy=STEPS)
    hand = Hand(release)
    await release.apply(template=template("v2"))
    await release.until(lambda status: status.get("weight") == 50)
    for size, canary in ((8, 4), (2, 1), (6, 3)):
        scale = await release.bed.client.patch(
            ROLLOUTS,
            release.name,
            {"spec": {"replicas": size}},
            release.namespace,
            ctype=MERGE,
            subresource="scale",
        )
        assert scale["status"]["selector"] == "canary-operator.dev/rollout=web"
        await hand.until_sizes(size, canary)
        assert (await release.status())["weight"] == 50
