"""What users break in their VirtualServices while a canary has requests."""

from typing import Any

import pytest

from canary_operator.playground.client import MERGE, Manifest
from canary_operator.playground.local import ROLLOUTS
from tests.e2e.test_own_virtual_service import (
    LONG,
    MARK,
    VIRTUAL_SERVICES,
    apply,
    damage,
    get,
    serving,
    shop,
    split,
    until_gone,
    until_split,
)
from tests.support.bed import Bed, Release, condition, template
from tests.support.clusters import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

STUCK = "leaves nobody to take the 100 % of web-canary"


async def on_trial(bed: Bed) -> Release:
    """Return a rollout whose canary v2 has 20 %."""
    release = await serving(bed, **LONG)
    await release.apply(template=template("v2"))
    await until_split(release, 80, 20)
    await release.until(lambda status: status["weight"] == 20)
    return release


async def leave_the_canary_alone(release: Release) -> None:
    await damage(release, lambda route: route["route"].pop(0))
    await release.until(lambda status: STUCK in status["message"])


def is_of(image: str, deployment: Manifest) -> bool:
    spec = deployment["spec"]
    return bool(spec["replicas"] and spec["template"]["spec"]["containers"][0]["image"] == image)


def image_of(version: str) -> str:
    image: str = template(version)["spec"]["containers"][0]["image"]
    return image


async def test_pods_outlive_a_revert_and_a_restart_and_no_newer_version_takes_their_place(
    bed: Bed,
) -> None:
    release = await on_trial(bed)
    serves = await release.deployment("canary")
    await leave_the_canary_alone(release)
    await release.apply(template=template("v1"))
    status = await release.until(lambda status: status["phase"] == "Stable")
    assert status["weight"] == 20, "nothing was taken"
    await bed.operator.kill()
    await bed.operator.start()
    await release.apply(template=template("v3"))
    await release.until(
        lambda status: "goes on trial when the route is mended" in status["message"]
    )
    kept = await release.deployment("canary")
    assert kept["spec"] == serves["spec"]
    await apply(release)
    await until_split(release, 80, 20)
    status = await release.until(lambda status: status.get("weight") == 20)
    assert is_of(image_of("v3"), await release.deployment("canary"))
    assert [entry["outcome"] for entry in status["history"]] == ["Reverted"]


async def test_pods_go_only_after_a_route_that_was_mended_late(bed: Bed) -> None:
    release = await on_trial(bed)
    await leave_the_canary_alone(release)
    await release.ask("abort")
    status = await release.until(
        lambda status: status["phase"] == "RollingBack" and STUCK in status["message"]
    )
    assert "trafficOffAt" not in status
    assert (await release.deployment("canary"))["spec"]["replicas"] > 0
    await apply(release)
    await release.until(lambda status: status["phase"] == "RolledBack")
    assert split(await get(release)) == (100, 0)
    assert any("trafficOffAt" in seen and seen["weight"] == 0 for seen in release.seen)

    async def gone() -> bool:
        return (await release.deployment("canary"))["spec"]["replicas"] == 0

    await eventually(gone)


async def test_a_rollout_is_deleted_although_nobody_takes_its_share_and_tells_of_it(
    bed: Bed,
) -> None:
    release = await on_trial(bed)
    await leave_the_canary_alone(release)
    await release.bed.client.delete(ROLLOUTS, release.name, release.namespace)
    await until_gone(release)
    left = (await get(release))["spec"]["http"][1]["route"]
    assert [entry["destination"]["host"] for entry in left] == ["web-canary"]
    assert MARK not in (await get(release))["metadata"].get("annotations", {})


async def rename(release: Release, name: str) -> None:
    """Give the route that is split another name, as a file in Git has it: with 100 and 0."""
    body = shop(release.namespace)
    body["spec"]["http"][1]["name"] = name
    await release.bed.client.patch(
        VIRTUAL_SERVICES,
        "shop",
        {"spec": body["spec"]},
        release.namespace,
        ctype=MERGE,
        fieldManager="by-hand",
    )


def naming(route: str) -> dict[str, Any]:
    return {"istio": {"virtualService": {"name": "shop", "routes": [route]}}}


async def until_renamed(release: Release, *wanted: int) -> None:
    async def told() -> bool:
        route = (await get(release))["spec"]["http"][1]
        weights = tuple(entry.get("weight", 0) for entry in route["route"])
        return bool(route["name"] == "pages-v2" and weights == wanted)

    await eventually(told)


@pytest.mark.parametrize("first", ["route", "spec"])
async def test_a_route_renamed_in_both_places_ends_no_trial_but_waits_for_a_person(
    bed: Bed, first: str
) -> None:
    release = await on_trial(bed)
    if first == "route":
        await rename(release, "pages-v2")
    await release.apply(traffic=naming("pages-v2"))
    await release.until(
        lambda status: "may not change while a canary is on trial" in status["message"]
    )
    if first == "spec":
        await rename(release, "pages-v2")
    status = await release.until(lambda status: status["weight"] == 0)
    await until_renamed(release, 100, 0)
    assert status["phase"] == "Progressing"
    await release.ask("abort")
    status = await release.until(
        lambda status: [one["part"] for one in status.get("borrowed", ())] == ["pages-v2"]
    )
    await release.until(lambda status: status["phase"] == "RolledBack")
    await release.ask("retry")
    await until_renamed(release, 80, 20)


@pytest.mark.parametrize("version", ["v1", "v3"])
async def test_a_route_renamed_with_the_version_in_one_commit_is_followed(
    bed: Bed, version: str
) -> None:
    release = await on_trial(bed)
    await release.apply(template=template(version), traffic=naming("pages-v2"))
    await rename(release, "pages-v2")
    await release.until(
        lambda status: [one["part"] for one in status.get("borrowed", ())] == ["pages-v2"]
    )
    await until_renamed(release, *((100, 0) if version == "v1" else (80, 20)))
    status = await release.until(lambda status: condition(status, "Stalled")["status"] != "True")
    assert status["history"][0]["outcome"] == ("Reverted" if version == "v1" else "Superseded")


async def test_a_revert_to_a_virtual_service_that_is_not_there_ends_the_trial_where_it_is(
    bed: Bed,
) -> None:
    release = await on_trial(bed)
    elsewhere = {"istio": {"virtualService": {"name": "new", "routes": ["pages"]}}}
    await release.apply(template=template("v1"), traffic=elsewhere)
    await until_split(release, 100, 0)
    status = await release.until(lambda status: "VirtualService new" in status["message"])
    assert status["history"][0]["outcome"] == "Reverted"
    assert [one["name"] for one in status["borrowed"]] == ["shop"]
    body = shop(release.namespace)
    body["metadata"]["name"] = "new"
    await release.bed.client.create(VIRTUAL_SERVICES, body, release.namespace)
    await release.until(
        lambda status: (
            condition(status, "Ready")["status"] == "True"
            and [one["name"] for one in status["borrowed"]] == ["new"]
        )
    )


async def test_a_revert_that_adds_a_virtual_service_ends_the_trial_in_the_operators_own(
    bed: Bed,
) -> None:
    release = await bed.release(**LONG)
    await apply(release)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    await release.apply(template=template("v1"), traffic=naming("pages"))
    status = await release.until(lambda status: "may not be added" in status["message"])
    status = await release.until(lambda status: bool(status.get("history")))
    assert status["history"][0]["outcome"] == "Reverted"
    assert await release.route_weight() == 0
    assert split(await get(release)) == (100, 0)
    assert "borrowed" not in status
    del release.spec["traffic"]
    await release.apply()
    await release.until(lambda status: condition(status, "Ready")["status"] == "True")
