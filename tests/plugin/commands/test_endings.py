"""What ends a watch, where the end is another than the one that was hoped for."""

import asyncio

import pytest

from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.live.access import Cluster, connect
from canary_operator.plugin.live.records import records_of
from canary_operator.plugin.live.rollouts import find
from canary_operator.plugin.live.undoing import go_back, undo_target
from canary_operator.plugin.live.watching import scenes
from canary_operator.plugin.target import Target
from tests.plugin.running import Plugin
from tests.support.bed import Bed, Release, quick_spec, template

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("plugin")]

LONG = {**quick_spec()["strategy"], "steps": [{"weight": 20, "hold": "10m"}]}


def target_of(release: Release) -> Target:
    return Target(kubeconfig=release.bed.cluster.kubeconfig, namespace=release.namespace)


async def test_a_revert_is_no_success_of_what_was_watched(bed: Bed) -> None:
    release = await bed.release(strategy=LONG)
    await release.apply(template=template("v2"))
    status = await release.until_weight(20)
    async with Plugin.of(release).process("watch", "web") as process:
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readline(), 30)
        await release.apply(template=template("v1"))
        _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == Exit.FAILED
    assert f"revision {status['canaryRevision']} was reverted" in err.decode()
    assert len(err.decode().splitlines()) == 1


async def test_a_retry_that_waits_is_no_end(bed: Bed) -> None:
    release = await bed.release()
    release.traffic.canary.error_rate = 0.5
    await release.apply(template=template("v2"))
    await release.until_phase("RolledBack")
    release.traffic.canary.error_rate = 0.0
    plugin = Plugin.of(release)
    await bed.operator.stop()
    try:
        assert (await plugin("retry", "web", "--no-wait")).code == Exit.DONE
        waiting = asyncio.create_task(plugin.alone("status", "web", "--timeout", "60s"))
    finally:
        await bed.operator.start()
    said = await waiting
    assert said.code == Exit.DONE, said


async def look_at(cluster: Cluster, name: str) -> None:
    async with scenes(cluster, name) as seen:
        async for _ in seen:
            pass


async def test_one_that_is_gone_before_anybody_looks_is_told(bed: Bed) -> None:
    namespace = await bed.cluster.namespace()
    target = Target(kubeconfig=bed.cluster.kubeconfig, namespace=namespace)
    async with connect(target) as cluster:
        with pytest.raises(PluginError, match="was deleted while it was watched"):
            await look_at(cluster, "ghost")


async def test_undo_rests_on_what_was_stable(bed: Bed) -> None:
    """A promotion that ends between the look and the write would make another thing of it."""
    release = await bed.release()
    await release.apply(template=template("v2"), strategy=LONG)
    await release.until_weight(20)
    async with connect(target_of(release)) as cluster:
        before = await find(cluster, "web")
        undo = undo_target(before, await records_of(cluster, before), None)
        await release.ask("promote")
        await release.until(lambda status: status["stableRevision"] == before.wanted_revision)
        with pytest.raises(PluginError, match="became stable meanwhile"):
            await go_back(cluster, before, undo)
    await release.until_phase("Stable")
    assert await release.image("stable") == "app:v2"
