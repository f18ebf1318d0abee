"""What everything stands on is deleted under a rollout: definitions, namespaces."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from canary_operator.playground.api.requests import Request
from canary_operator.playground.client import DEPLOYMENTS, NAMESPACES, NotFoundError
from canary_operator.playground.local import ROLLOUTS
from tests.faults.scenes import LONG, PATIENT, QUICK, Gated, told
from tests.support.bed import (
    VIRTUAL_SERVICES,
    Bed,
    Release,
    bed_around,
    condition,
    open_cluster,
    template,
)
from tests.support.clusters import DEFINITION_FOLDERS, DEFINITIONS, eventually, load_definitions
from tests.support.gate import Gate

pytestmark = pytest.mark.asyncio(loop_scope="session")

OURS, ISTIOS = DEFINITION_FOLDERS
GONE_SECONDS = 8.0
GC_SECONDS = 150.0
MOST_WHILE_GONE = 150
"""Of all requests in that time: it is tried again, with pauses."""


@pytest_asyncio.fixture(loop_scope="session")
async def own(tmp_path: Path) -> AsyncIterator[Gated]:
    """A cluster whose definitions nobody else needs."""
    async with (
        open_cluster(tmp_path, *DEFINITION_FOLDERS) as cluster,
        Gate(cluster.access) as gate,
        bed_around(cluster, tmp_path, gate=gate) as bed,
    ):
        yield Gated(bed, gate)


@pytest_asyncio.fixture(loop_scope="session")
async def bed_without_istio(tmp_path: Path) -> AsyncIterator[Bed]:
    async with open_cluster(tmp_path, OURS) as cluster, bed_around(cluster, tmp_path) as bed:
        yield bed


async def under_way(gated: Gated) -> Release:
    release = await gated.bed.release(**LONG)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    return release


async def until_gone(gated: Gated, definition: str) -> None:
    async def gone() -> bool:
        try:
            await gated.bed.client.get(DEFINITIONS, definition)
        except NotFoundError:
            return True
        return False

    await eventually(gone, 60.0)


async def test_istio_may_come_later(bed_without_istio: Bed) -> None:
    bed = bed_without_istio
    release = await bed.release(wait=False, **QUICK)
    status = await release.until(lambda s: condition(s, "Ready")["reason"] == "RouterUnavailable")
    assert "Istio" in status["message"]
    assert status["readyReplicas"] == 2
    await release.apply(template=template("v2"))
    status = await release.until(lambda s: s["observedGeneration"] == 2)
    assert status["phase"] == "Progressing"
    assert condition(status, "Ready")["reason"] == "RouterUnavailable"
    assert await release.image("stable") == "app:v1"
    await load_definitions(bed.client, ISTIOS)
    status = await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    assert [entry["outcome"] for entry in status["history"]] == ["Promoted"]
    assert await bed.client.get(VIRTUAL_SERVICES, "web", release.namespace)


async def test_istio_may_go_and_come_back(own: Gated) -> None:
    release = await under_way(own)
    name = "virtualservices.networking.istio.io"
    await own.bed.client.delete(DEFINITIONS, name)
    await until_gone(own, name)
    with own.counted(MOST_WHILE_GONE):
        status = await release.until(
            lambda s: condition(s, "Ready")["reason"] == "RouterUnavailable"
        )
        await asyncio.sleep(GONE_SECONDS)
    assert status["phase"] == "Progressing"
    assert await release.image("stable") == "app:v1"
    await load_definitions(own.bed.client, ISTIOS)
    await release.until_weight(20)
    await release.ask("promote")
    status = await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    assert [entry["outcome"] for entry in status["history"]] == ["Promoted"]


@pytest.mark.timeout(300)
async def test_our_own_definition_may_go_and_come_back(own: Gated) -> None:
    release = await under_way(own)
    name = "canaryrollouts.canary-operator.dev"
    await own.bed.client.delete(DEFINITIONS, name)
    await until_gone(own, name)
    with own.counted(MOST_WHILE_GONE):
        await asyncio.sleep(GONE_SECONDS)
    own.bed.operator.check()
    await load_definitions(own.bed.client, OURS)
    await release.apply(**{**QUICK, "template": template("v3")})
    # What the rollout of before left behind goes by itself, as soon as the cluster notices.
    ready = await release.until(lambda s: condition(s, "Ready")["status"] == "True", GC_SECONDS)
    assert ready["phase"] == "Stable"
    await release.until_weight(0)
    await release.apply(template=template("v4"))
    status = await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    assert [entry["outcome"] for entry in status["history"]] == ["Promoted"]
    assert await release.image("stable") == "app:v4"


def about(release: Release, gated: Gated) -> list[Request]:
    return [each for each in gated.asked() if each.namespace == release.namespace]


async def test_a_namespace_that_goes_takes_its_rollout_along(gated: Gated) -> None:
    release, bystander = await under_way(gated), await gated.bed.release(**PATIENT)
    await bystander.until_weight(0)
    with gated.counted(MOST_WHILE_GONE):
        await bystander.apply(template=template("v2"))
        await gated.bed.client.delete(NAMESPACES, release.namespace)
        await asyncio.sleep(GONE_SECONDS)

    async def empty() -> bool:
        left = []
        for resource in (ROLLOUTS, DEPLOYMENTS, VIRTUAL_SERVICES):
            left += (await gated.bed.client.list(resource, release.namespace))["items"]
        return not left

    await eventually(empty)
    before = len(about(release, gated))
    status = await bystander.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    assert [entry["outcome"] for entry in status["history"]] == ["Promoted"]
    about_the_dead = about(release, gated)[before:]
    assert not about_the_dead, told(about_the_dead)
