"""How many requests the operator costs the API server."""

import asyncio
from itertools import pairwise

import pytest

from canary_operator.playground.api.requests import Request
from tests.support.bed import Bed, quick_spec, template
from tests.support.counting import asked, breakdown, writes

pytestmark = pytest.mark.asyncio(loop_scope="session")

IDLE_SECONDS = 35.0
"""Longer than the longest pause between two tries of anything, which is 30 s."""
STEPS = 5
MOST_REQUESTS = 40
MOST_WRITES_PER_STEP = 4

FIVE_STEPS = {
    **quick_spec()["strategy"],
    "steps": [{"weight": weight, "hold": "1s"} for weight in (5, 20, 40, 60, 80)],
    "progressDeadline": "10m",
}
ONE_CHECK_PER_STEP = {"interval": "5s", "window": "3s", "failureLimit": 0, "minRequests": 5}


def raises_of(requests: list[Request]) -> list[list[Request]]:
    """Cut the writes of a rollout where a raise, or the promotion, is recorded.

    Returns:
        What comes before the first raise, what belongs to each step, what follows.
    """
    told = [at for at, r in enumerate(requests) if r.resource == "virtualservices"][:STEPS]
    promoted = [at for at, r in enumerate(requests) if r.name == "web-stable"][:1]
    recorded = [at for at, r in enumerate(requests) if r.subresource == "status"]
    cuts = [max(at for at in recorded if at < done) for done in (*told, *promoted)]
    return [requests[first:end] for first, end in pairwise((0, *cuts, len(requests)))]


async def test_a_quiet_rollout_costs_nothing(bed: Bed) -> None:
    stable = await bed.release()
    rolled_back = await bed.release()
    rolled_back.traffic.canary.error_rate = 1.0
    await rolled_back.apply(template=template("v2"))
    await rolled_back.until_phase("RolledBack")
    for release in (stable, rolled_back):
        await release.until(lambda s: s["replicas"] == s["readyReplicas"] == 2)
    await asyncio.sleep(3.0)  # Events are sent in the background
    bed.cluster.forget_requests()
    await asyncio.sleep(IDLE_SECONDS)
    for release in (stable, rolled_back):
        requests = asked(bed.cluster, release.namespace)
        assert not requests, breakdown(requests)


async def test_five_steps_cost_at_most_forty_requests(bed: Bed) -> None:
    release = await bed.release(
        replicas=4, strategy=FIVE_STEPS, analysis=ONE_CHECK_PER_STEP, rps=200.0
    )
    await release.until_weight(0)
    bed.cluster.forget_requests()
    await release.apply(template=template("v2"))
    await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    await release.until_event("Promoted")
    await release.until(lambda s: s["replicas"] == s["readyReplicas"] == 4)
    requests = asked(bed.cluster, release.namespace)
    told = breakdown(requests)
    assert {s.get("weight") for s in release.seen} >= {5, 20, 40, 60, 80}
    checks = {m["measuredAt"] for s in release.seen for m in s.get("metrics", ())}
    further = max(0, len(checks) - STEPS)  # a slow machine; each costs a write and an Event
    assert len(requests) <= MOST_REQUESTS + 2 * further, told
    _, *steps, _ = raises_of(writes(requests))
    assert len(steps) == STEPS, told
    for number, step in enumerate(steps, 1):
        limit = MOST_WRITES_PER_STEP + further
        assert len(step) <= limit, f"step {number}: {breakdown(step)}\n{told}"


async def test_a_further_check_costs_one_status_write(bed: Bed) -> None:
    steps = [{"weight": 20, "hold": "10m"}]
    release = await bed.release(
        strategy={**quick_spec()["strategy"], "steps": steps},
        analysis={"interval": "5s", "window": "2s", "failureLimit": 0, "minRequests": 5},
    )
    await release.apply(template=template("v2"))
    first = await release.until(lambda s: s.get("metrics"))
    bed.cluster.forget_requests()
    before = first["metrics"][0]["measuredAt"]
    await release.until(lambda s: s["metrics"][0]["measuredAt"] != before)
    requests = asked(bed.cluster, release.namespace)
    assert [(r.verb, r.resource, r.subresource) for r in requests] == [
        ("patch", "canaryrollouts", "status")
    ], breakdown(requests)
