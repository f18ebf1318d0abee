"""Watches that end, break, lag, repeat themselves or leave something out."""

import asyncio
from collections import defaultdict
from typing import Any

import pytest

from canary_operator.controller.relisting import CONFIRMED_WITHIN_SECONDS
from canary_operator.controller.settings import RECONNECT_SECONDS
from canary_operator.playground.api.faults import Fault
from canary_operator.playground.api.requests import Request
from canary_operator.playground.client import (
    DEPLOYMENTS,
    SERVICES,
    Manifest,
    NotFoundError,
)
from canary_operator.playground.synthetic import canary_weight
from tests.faults.scenes import LONG, PATIENT, QUICK, Gated, check_ended, check_ends, release_both
from tests.support.bed import VIRTUAL_SERVICES, stays, template
from tests.support.clusters import eventually
from tests.support.counting import WATCHES
from tests.support.gate import Write

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXHAUSTIVE = pytest.mark.exhaustive

WATCHED = 8
"""Kinds of objects that the operator watches, CustomResourceDefinitions among them."""
EXPIRED = Fault(user_agent=WATCHES, verb="watch", expire_watch=True, times=2 * WATCHED)
LAG_SECONDS = 5.0


def is_watch(request: Request) -> bool:
    return request.verb == "watch"


async def refused(gated: Gated) -> int:
    """End all watches and keep them from beginning again; return the number of that fault."""
    faults = gated.gate.faults
    number = faults.add(Fault(user_agent=WATCHES, status=503))
    gated.gate.end_watches()

    async def tried() -> bool:
        return faults.hits(number) > 3

    await eventually(tried)
    return number


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({}, id="end"),
        pytest.param(
            {"status": 503, "times": 12}, id="cannot be opened for a while", marks=EXHAUSTIVE
        ),
        pytest.param(
            {"status": 429, "retry_after": 1, "times": 12}, id="are too many", marks=EXHAUSTIVE
        ),
        pytest.param(
            {"status": 401, "times": 12}, id="are refused our credentials", marks=EXHAUSTIVE
        ),
        pytest.param({"expire_watch": True, "times": 12}, id="expired", marks=EXHAUSTIVE),
        pytest.param({"drop_watch_after": 0.5, "times": 40}, id="break again and again"),
        pytest.param({"reset": True, "times": 12}, id="break at once", marks=EXHAUSTIVE),
    ],
)
async def test_watches_in_trouble_lose_no_decision(gated: Gated, fault: dict[str, Any]) -> None:
    good, bad = await gated.good_and_bad()
    if fault:
        gated.gate.faults.add(Fault(user_agent=WATCHES, verb="watch", **fault))
    gated.gate.end_watches()
    await check_ends(gated, good, bad)


@EXHAUSTIVE
async def test_an_outage_outlasts_no_watch(gated: Gated) -> None:
    good, bad = await gated.good_and_bad()
    faults = gated.gate.faults
    number = faults.add(Fault(user_agent=WATCHES, status=503))
    gated.gate.end_watches()

    async def every_pause_was_used() -> bool:
        gated.bed.operator.check()
        return faults.hits(number) > WATCHED * (len(RECONNECT_SECONDS) + 1)

    await eventually(every_pause_was_used, 60.0)
    faults.remove(number)
    await check_ends(gated, good, bad)


async def test_a_compacted_history_is_listed_anew(gated: Gated) -> None:
    good, bad = await gated.good_and_bad()
    number = await refused(gated)
    gated.gate.faults.add(EXPIRED)
    gated.gate.faults.remove(number)
    await check_ends(gated, good, bad)


async def test_what_is_deleted_in_a_gap_of_the_watches_comes_back(gated: Gated) -> None:
    release = await gated.bed.release(**QUICK)
    await release.until_weight(0)
    number = await refused(gated)
    gone = [(SERVICES, "web-canary"), (VIRTUAL_SERVICES, "web"), (DEPLOYMENTS, "web-canary")]
    for resource, name in gone:
        await gated.bed.client.delete(resource, name, release.namespace)
    gated.gate.faults.add(EXPIRED)
    gated.gate.faults.remove(number)

    async def back() -> bool:
        for resource, name in gone:
            try:
                await gated.bed.client.get(resource, name, release.namespace)
            except NotFoundError:
                return False
        return True

    await eventually(back, 30.0)


async def test_watches_that_lag_mislead_nobody(gated: Gated) -> None:
    good, bad = await gated.good_and_bad()
    await release_both(good, bad)
    await asyncio.gather(good.until_weight(20), bad.until_weight(20))
    with gated.gate.frozen(is_watch):
        await stays(lambda: _is_at(good, {20, 50}), LAG_SECONDS)
    await check_ended(good, bad)


async def test_repeated_and_old_events_change_nothing(gated: Gated) -> None:
    good, bad = await gated.good_and_bad()
    past: dict[str, list[Manifest]] = defaultdict(list)

    def again(request: Request, event: Manifest) -> list[Manifest]:
        before = past[request.resource]
        before.append(event)
        return [*before[-20:], event]

    gated.gate.telling = again
    await check_ends(gated, good, bad)
    assert len(past) > 3


@EXHAUSTIVE
async def test_events_that_were_left_out_are_made_up_for_by_a_new_list(gated: Gated) -> None:
    release = await gated.bed.release(**PATIENT)
    await release.until_weight(0)
    left_out: list[str] = []

    def silent(request: Request, event: Manifest) -> list[Manifest]:
        if request.resource in {"pods", "deployments"}:
            left_out.append(event["type"])
            return []
        return [event]

    gated.gate.telling = silent
    await release.apply(template=template("v2"))
    status = await release.until_phase("Progressing")

    async def ready() -> bool:
        found = await release.deployment("canary")
        return found["status"].get("availableReplicas") == 1

    await eventually(ready)
    await stays(lambda: _is_at(release, {0}), 2.0)
    assert "waiting for 1 available canary pod" in status["message"]
    assert left_out
    gated.gate.telling = None
    gated.gate.faults.add(EXPIRED)
    gated.gate.end_watches()
    status = await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    assert [entry["outcome"] for entry in status["history"]] == ["Promoted"]


@pytest.mark.parametrize(
    "stale",
    [
        "everything",
        pytest.param("canaryrollouts", marks=EXHAUSTIVE),
        pytest.param("virtualservices", marks=EXHAUSTIVE),
    ],
)
async def test_old_lists_at_a_start_take_traffic_to_nobody(gated: Gated, stale: str) -> None:
    release = await gated.bed.release(**LONG)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    old = await gated.gate.lists_of_now()
    await release.ask("abort")
    await release.until_phase("RolledBack")
    await gated.bed.operator.kill()
    gated.gate.lists = {
        path: content for path, content in old.items() if stale in {"everything", path_of(path)}
    }
    assert gated.gate.lists
    written = len(gated.gate.writes)
    await gated.bed.operator.start()
    await stays(lambda: _is_at(release, {0}), 5.0)
    new = [write.body for write in gated.gate.writes[written:] if _is_route(write)]
    assert not any(canary_weight(body) for body in new), new
    gated.gate.lists = {}
    await release.apply(template=template("v3"))
    status = await release.until_weight(20)
    assert [entry["reason"] for entry in status["history"]] == ["Aborted"]


async def test_what_is_deleted_at_a_start_before_the_first_list_is_made_anew(
    gated: Gated,
) -> None:
    release = await gated.bed.release(**LONG)
    await gated.bed.operator.kill()
    held: list[Request] = []

    def is_first_list(request: Request) -> bool:
        fits = request.user_agent.startswith(WATCHES) and request.resource == "services"
        held.extend([request] if fits else [])
        return fits

    async def is_held() -> bool:
        return bool(held)

    starting = asyncio.create_task(gated.bed.operator.start())
    with gated.gate.frozen(is_first_list):
        await eventually(is_held)
        await release.bed.client.delete(SERVICES, "web-canary", release.namespace)
    await starting

    async def is_back() -> bool:
        try:
            await release.bed.client.get(SERVICES, "web-canary", release.namespace)
        except NotFoundError:
            return False
        return True

    await eventually(is_back, CONFIRMED_WITHIN_SECONDS + 10)


def _is_route(write: Write) -> bool:
    return write.request.resource == "virtualservices"


def path_of(path: str) -> str:
    """Return the resource of a path with a query."""
    return path.partition("?")[0].rpartition("/")[2]


async def _is_at(release: Any, weights: set[int]) -> bool:
    return await release.route_weight() in weights
