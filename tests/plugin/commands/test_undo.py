"""`undo` against the real operator, from its own records."""

import re

import pytest

from canary_operator.domain.revision import revision_of
from canary_operator.playground.client import MERGE
from canary_operator.playground.local import ROLLOUTS
from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.live.access import connect
from canary_operator.plugin.live.records import records_of
from canary_operator.plugin.live.rollouts import find
from canary_operator.plugin.live.undoing import go_back, undo_target
from canary_operator.plugin.target import Target
from tests.plugin.running import Plugin
from tests.support.bed import Bed, Release, quick_spec, template

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("plugin")]

LONG = {**quick_spec()["strategy"], "steps": [{"weight": 20, "hold": "10m"}]}
V1, V2, V3 = (revision_of(template(version)) for version in ("v1", "v2", "v3"))


async def wanted(release: Release) -> str:
    return revision_of((await release.get())["spec"]["template"])


async def test_back_to_stable_while_a_canary_is_on_trial(bed: Bed) -> None:
    release = await bed.release(strategy=LONG)
    plugin = Plugin.of(release)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    expected = (
        f"web: {V2} (app:v2) → {V1} (app:v1)\n"
        f"Revision {V1} is stable: all traffic goes back to it at once, and canary {V2} is given "
        "up.\n"
    )
    said = await plugin("undo", "web", "--dry-run")
    assert said.out.startswith(expected)
    assert re.search(r"^-\s+-? ?image: app:v2$", said.out, re.MULTILINE)
    assert said.out.endswith("Nothing was changed: this is a dry run.\n")
    assert await wanted(release) == V2

    said = await plugin("undo", "web")
    assert (said.code, said.out, said.err) == (0, expected, "")
    status = await release.until_phase("Stable")
    assert status["history"][0]["outcome"] == "Reverted"
    assert await release.route_weight() == 0
    assert "rejectedRevision" not in status


async def test_to_and_fro_between_promoted_revisions(bed: Bed) -> None:
    release = await bed.release()
    plugin = Plugin.of(release)
    said = await plugin("undo", "web")
    assert (said.code, said.out) == (Exit.FAILED, "")
    expected = "error: web has nothing to go back to: there is no other revision\n"
    assert said.err == expected

    await release.apply(template=template("v2"))
    await release.until(lambda s: s["phase"] == "Stable" and s["stableRevision"] == V2)
    said = await plugin("undo", "web", "--watch")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[:2] == [
        f"web: {V2} (app:v2) → {V1} (app:v1)",
        f"Revision {V1} goes on trial against {V2}, first with 20 %.",
    ]
    assert (await release.status())["stableRevision"] == V1

    said = await plugin("undo", "web", "--dry-run")
    assert said.out.startswith(f"web: {V1} (app:v1) → {V2} (app:v2)\n")


async def test_after_a_roll_back(bed: Bed) -> None:
    release = await bed.release(strategy=LONG)
    plugin = Plugin.of(release)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    assert (await plugin("abort", "web")).code == 0
    await release.until_phase("RolledBack")

    said = await plugin("undo", "web", "--to", V2)
    assert said.code == 0
    assert said.out == (
        f"web asks for revision {V2} (app:v2) already: nothing to undo.\n"
        "It was rolled back; try it again with: kubectl canary retry web\n"
    )
    said = await plugin("undo", "web")
    assert said.out == (
        f"web: {V2} (app:v2) → {V1} (app:v1)\n"
        f"Revision {V1} is stable: it serves everything, and nothing moves.\n"
    )
    await release.until_phase("Stable")

    said = await plugin("undo", "web", "--to", V2[:6])
    assert said.out.splitlines()[:2] == [
        f"web: {V1} (app:v1) → {V2} (app:v2)",
        f"Revision {V2} goes on trial against {V1}, first with 20 %.",
    ]
    assert said.out.splitlines()[2].startswith(f"Warning: {V2} was rolled back ")
    status = await release.until_weight(20)
    assert status["canaryRevision"] == V2


async def test_a_revision_without_a_record_lists_the_others(bed: Bed) -> None:
    release = await bed.release(strategy=LONG)
    said = await Plugin.of(release)("undo", "web", "--to", "ffffffffff")
    assert (said.code, said.out) == (Exit.FAILED, "")
    first, second = said.err.splitlines()
    assert first == "error: web has no record of revision ffffffffff; there are:"
    assert re.fullmatch(rf"  {V1}  app:v1 +\d+s  stable", second)


async def test_a_template_that_changed_meanwhile_is_not_overwritten(bed: Bed) -> None:
    release = await bed.release(strategy=LONG)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    target = Target(bed.cluster.kubeconfig, namespace=release.namespace)
    async with connect(target) as live:
        sight = await find(live, "web")
        undo = undo_target(sight, await records_of(live, sight))
        await release.apply(template=template("v3"))
        with pytest.raises(PluginError, match="was changed by somebody else meanwhile"):
            await go_back(live, sight, undo)
    assert await wanted(release) == V3


async def test_other_edits_are_no_reason_to_fail(bed: Bed) -> None:
    release = await bed.release(strategy=LONG)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    target = Target(bed.cluster.kubeconfig, namespace=release.namespace)
    async with connect(target) as live:
        sight = await find(live, "web")
        undo = undo_target(sight, await records_of(live, sight))
        patch = {"spec": {"replicas": 3}}
        await bed.client.patch(ROLLOUTS, "web", patch, release.namespace, ctype=MERGE)
        await go_back(live, sight, undo)
    assert await wanted(release) == V1
    assert (await release.get())["spec"]["replicas"] == 3
