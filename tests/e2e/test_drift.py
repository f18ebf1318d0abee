"""What others change or delete comes back within two seconds, and is told once."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from canary_operator.playground.client import (
    APPLY,
    DEPLOYMENTS,
    STRATEGIC,
    ChangeKind,
    Manifest,
    Resource,
)
from tests.support.bed import (
    EVENTS,
    VIRTUAL_SERVICES,
    Bed,
    Release,
    condition,
    stays,
    template,
)
from tests.support.clusters import eventually
from tests.support.counting import OPERATOR
from tests.support.drift import (
    OURS,
    Edit,
    applied,
    essence,
    image,
    said,
    unlabelled,
    watching,
    weights,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVICES = Resource("services")
RECORDS = Resource("controllerrevisions", "apps")
RESTORED_WITHIN_SECONDS = 2.0
PATIENCE_SECONDS = 5.0
LONG = {
    "strategy": {
        "steps": [{"weight": 20, "hold": "10m"}],
        "progressDeadline": "30m",
        "scaleDownDelay": "10m",
    }
}


ROUTE_EDITS = (
    Edit("weights", VIRTUAL_SERVICES, "web", weights(10)),
    Edit("applied weights", VIRTUAL_SERVICES, "web", applied(weights(30), "VirtualService"), APPLY),
    Edit("hosts", VIRTUAL_SERVICES, "web", said(hosts=["web.example.com"])),
    Edit("no route", VIRTUAL_SERVICES, "web", said(http=None)),
    Edit("unlabelled route", VIRTUAL_SERVICES, "web", unlabelled),
    Edit("deleted route", VIRTUAL_SERVICES, "web"),
)
SERVICE_EDITS = (
    Edit("selector", SERVICES, "web", said(selector={f"{OURS}track": "canary"})),
    Edit("wider selector", SERVICES, "web", said(selector={f"{OURS}track": None})),
    Edit("deleted apex", SERVICES, "web"),
    Edit("port", SERVICES, "web-canary", said(ports=[{"name": "http", "port": 81}])),
    Edit("unlabelled Service", SERVICES, "web-stable", unlabelled),
    Edit("deleted canary Service", SERVICES, "web-canary"),
)
STABLE_EDITS = (
    Edit("more stable pods", DEPLOYMENTS, "web-stable", said(replicas=3)),
    Edit("fewer stable pods", DEPLOYMENTS, "web-stable", said(replicas=0)),
    Edit("stable image", DEPLOYMENTS, "web-stable", said(**image("app:v9")), STRATEGIC),
    Edit(
        "applied image and replicas",
        DEPLOYMENTS,
        "web-stable",
        applied(said(replicas=1, **image("app:v8")), "Deployment"),
        APPLY,
    ),
    Edit("unlabelled Deployment", DEPLOYMENTS, "web-stable", unlabelled),
    Edit("deleted stable", DEPLOYMENTS, "web-stable"),
)
CANARY_IMAGE = Edit("image", DEPLOYMENTS, "web-canary", said(**image("app:v7")), STRATEGIC)
MORE_CANARY_PODS = Edit("canary pods", DEPLOYMENTS, "web-canary", said(replicas=5))
DELETED_CANARY = Edit("deleted canary", DEPLOYMENTS, "web-canary")
LANES = 3
"""Rollouts that share the edits: a third one of the same object at once would be a quarrel."""


def lanes(*edits: tuple[Edit, ...]) -> list[list[Edit]]:
    """Deal edits out so that each rollout gets at most two of one object."""
    return [[edit for kind in edits for edit in kind[lane::LANES]] for lane in range(LANES)]


async def times_told(release: Release) -> int:
    """Return how often the Event was told, in one Event or several."""
    found = (await release.bed.client.list(EVENTS, release.namespace))["items"]
    return sum(event["count"] for event in found if event["reason"] == "DriftRepaired")


async def disturb(release: Release, edit: Edit) -> list[str]:
    """Do an edit; return what was not as it should be."""
    before = await times_told(release)
    async with watching(release, edit) as sight:
        wanted = sight.told[0][1]
        assert wanted is not None
        await edit.do(release)

        async def restored() -> bool:
            return sight.seconds_astray(wanted) is not None

        async def told() -> bool:
            return await times_told(release) > before

        try:
            await eventually(restored, PATIENCE_SECONDS)
            await eventually(told, PATIENCE_SECONDS)
        except TimeoutError:
            now = sight.told[-1][1]
            return [f"restored: {await restored()}, told: {await told()}, {wanted=}, {now=}"]
        seconds = sight.seconds_astray(wanted) or 0.0
        return [f"took {seconds:.1f} s"] if seconds > RESTORED_WITHIN_SECONDS else []


async def stable(bed: Bed) -> Release:
    return await bed.release(**LONG)


async def progressing(bed: Bed) -> Release:
    release = await bed.release(**LONG)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    return release


async def paused(bed: Bed) -> Release:
    release = await progressing(bed)
    await release.apply(paused=True)
    await release.until_phase("Paused")
    return release


async def rolling_back(bed: Bed) -> Release:
    release = await progressing(bed)
    await release.ask("abort")
    await release.until_phase("RollingBack")
    await release.until_request_answered("Accepted")
    return release


async def rolled_back(bed: Bed) -> Release:
    release = await progressing(bed)
    await release.ask("abort")
    await release.until_phase("RollingBack")
    await release.apply(strategy={**LONG["strategy"], "scaleDownDelay": "0s"})
    await release.until_phase("RolledBack")
    await release.until(lambda status: status["replicas"] == 2)
    return release


@pytest.mark.parametrize(
    ("begin", "canary_edits"),
    [
        pytest.param(stable, (MORE_CANARY_PODS, CANARY_IMAGE, DELETED_CANARY), id="Stable"),
        # Without its pods the canary has no weight; see the next test.
        pytest.param(progressing, (CANARY_IMAGE,), id="Progressing"),
        pytest.param(paused, (CANARY_IMAGE,), id="Paused"),
        # The canary's Deployment is left alone while it drains: it gets no requests.
        pytest.param(rolling_back, (), id="RollingBack"),
        pytest.param(rolled_back, (MORE_CANARY_PODS, CANARY_IMAGE), id="RolledBack"),
    ],
)
async def test_what_others_change_comes_back_at_once_and_is_told_once(
    bed: Bed, begin: Callable[[Bed], Awaitable[Release]], canary_edits: tuple[Edit, ...]
) -> None:
    troubles: list[str] = []

    async def disturb_all(lane: list[Edit]) -> None:
        release = await begin(bed)
        before = await release.status()
        for edit in lane:
            troubles.extend(f"{edit.title}: {what}" for what in await disturb(release, edit))
        after = await release.status()
        state = [(one["phase"], one["weight"]) for one in (before, after)]
        if state[0] != state[1]:
            troubles.append(f"another state: {state}")
        if (told := await times_told(release)) != len(lane):
            troubles.append(f"told {told} times of {len(lane)} edits")

    edits = lanes(ROUTE_EDITS, SERVICE_EDITS, STABLE_EDITS, canary_edits)
    await asyncio.gather(*(disturb_all(lane) for lane in edits))
    assert not troubles, "\n".join(troubles)


@pytest.mark.parametrize("begin", [stable, progressing, paused, rolling_back, rolled_back])
async def test_deleted_records_come_back(
    bed: Bed, begin: Callable[[Bed], Awaitable[Release]]
) -> None:
    release = await begin(bed)

    async def records() -> dict[str, Manifest]:
        found = (await bed.client.list(RECORDS, release.namespace))["items"]
        return {one["metadata"]["name"]: one["data"] for one in found}

    before = await records()
    assert len(before) == (1 if begin is stable else 2)
    for name in before:
        await bed.client.delete(RECORDS, name, release.namespace)

    async def restored() -> bool:
        return await records() == before

    await eventually(restored, RESTORED_WITHIN_SECONDS)
    await release.until_event("DriftRepaired")


@pytest.mark.parametrize("what", ["deleted", "without pods"])
async def test_a_canary_that_somebody_takes_away_loses_its_weight_until_it_is_back(
    bed: Bed, what: str
) -> None:
    release = await progressing(bed)
    wanted = essence(await release.deployment("canary"))
    patch = None if what == "deleted" else said(replicas=0)
    await Edit(what, DEPLOYMENTS, "web-canary", patch).do(release)
    await release.until_event("DriftRepaired")
    assert essence(await release.deployment("canary")) == wanted
    await release.until_weight(20)
    assert await times_told(release) == 1


async def test_who_fights_gets_a_condition_and_no_storm(bed: Bed) -> None:
    release = await progressing(bed)
    namespace = release.namespace
    bed.cluster.forget_requests()

    async def fight() -> None:
        async for change in bed.client.watch(VIRTUAL_SERVICES):
            route = change.object
            if (
                change.kind is not ChangeKind.MODIFIED
                or route["metadata"]["namespace"] != namespace
            ):
                continue
            if route["spec"]["http"][0]["route"][0]["weight"] != 10:
                await Edit("", VIRTUAL_SERVICES, "web", weights(10)).do(release)

    fighter = asyncio.create_task(fight())
    try:
        await Edit("", VIRTUAL_SERVICES, "web", weights(10)).do(release)
        status = await release.until(lambda s: condition(s, "Ready")["reason"] == "DriftConflict")
        ready = condition(status, "Ready")
        assert "somebody else writes it" in ready["message"]
        assert condition(status, "Reconciling")["status"] == "True"
        routes = {"namespace": namespace, "user_agent": OPERATOR, "resource": "virtualservices"}

        async def no_storm() -> bool:
            return bed.cluster.requests().count(verb="patch", **routes) <= 3

        await stays(no_storm, 1.0)
        assert (await release.event_reasons()).count("DriftConflict") == 1
        await release.ask("abort")  # what is wanted now is another thing, and is tried at once

        async def tried(more_often_than: int) -> bool:
            return bed.cluster.requests().count(verb="patch", **routes) > more_often_than

        await eventually(partial(tried, 3), RESTORED_WITHIN_SECONDS)
        # A canary that was aborted gets no long turn: the pause before the seventh is 5 s, not 30.
        await eventually(partial(tried, 6), 20.0)
    finally:
        fighter.cancel()
        await asyncio.gather(fighter, return_exceptions=True)
