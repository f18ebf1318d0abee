"""Writes that fail, are lost or slow: decisions are made again, traffic is taken away first."""

from typing import Any

import pytest

from canary_operator.playground.api.faults import Fault
from canary_operator.playground.client import MERGE
from tests.faults.scenes import LONG, QUICK, ROUTES, STATUS, Gated, check_ends
from tests.support.bed import VIRTUAL_SERVICES, Release, condition, stays, template
from tests.support.clusters import eventually
from tests.support.counting import OPERATOR

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXHAUSTIVE = pytest.mark.exhaustive

REFUSED_SECONDS = 5.0
MOST_WHILE_REFUSED = 40


def denied(verb: str, resource: str, group: str) -> dict[str, Any]:
    """Return a refusal in the words of the API server's RBAC."""
    sentence = (
        f'{resource} "web" is forbidden: User "op" cannot {verb} resource "{resource}" '
        f'in API group "{group}" in the namespace "test"'
    )
    return {"verb": verb, "resource": resource, "status": 403, "message": sentence}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({**STATUS, "status": 409, "times": 4}, id="status writes conflict"),
        pytest.param(
            {"status": 429, "retry_after": 1, "times": 3}, id="too many requests", marks=EXHAUSTIVE
        ),
        pytest.param({"status": 500, "times": 5}, id="500 for some seconds", marks=EXHAUSTIVE),
        pytest.param(
            {"status": 401, "times": 3}, id="credentials refused for a moment", marks=EXHAUSTIVE
        ),
        pytest.param({"delay": 1.0, "times": 4}, id="slow answers", marks=EXHAUSTIVE),
        pytest.param(
            {**STATUS, "delay": 2.0, "times": 4}, id="slow status writes", marks=EXHAUSTIVE
        ),
        pytest.param(
            {**STATUS, "delay": 10.5, "times": 1}, id="a frozen status write", marks=EXHAUSTIVE
        ),
        pytest.param({"reset": True, "times": 8}, id="connections break"),
        pytest.param(
            {**STATUS, "after": True, "reset": True, "times": 4}, id="answers of status are lost"
        ),
        pytest.param(
            {**ROUTES, "after": True, "reset": True, "times": 4},
            id="answers of routes are lost",
            marks=EXHAUSTIVE,
        ),
        pytest.param(
            {"verb": "patch", "resource": "deployments", "after": True, "status": 500, "times": 4},
            id="answers of Deployments are lost",
            marks=EXHAUSTIVE,
        ),
        pytest.param(
            {"verb": "create", "after": True, "status": 504, "times": 3},
            id="of creates",
            marks=EXHAUSTIVE,
        ),
        pytest.param(
            {"after": True, "reset": True, "times": 8}, id="all answers are lost", marks=EXHAUSTIVE
        ),
    ],
)
async def test_writes_in_trouble_lose_no_decision(gated: Gated, fault: dict[str, Any]) -> None:
    good, bad = await gated.good_and_bad()
    faults = gated.gate.faults
    numbers = [
        faults.add(Fault(user_agent=OPERATOR, namespace=release.namespace, **fault))
        for release in (good, bad)
    ]
    await check_ends(gated, good, bad)
    assert [faults.hits(number) for number in numbers] == [fault["times"]] * 2


async def test_a_missing_right_is_named_and_heals(gated: Gated) -> None:
    faults = gated.gate.faults
    number = faults.add(Fault(user_agent=OPERATOR, **denied("patch", "services", "")))
    release = await gated.bed.release(wait=False, **QUICK)
    status = await release.until(lambda s: condition(s, "Ready")["reason"] == "Forbidden")
    assert "patch services" in condition(status, "Ready")["message"]
    assert condition(status, "Reconciling")["status"] == "True"
    assert await release.image("stable") == "app:v1"
    await release.until_event("Forbidden")
    faults.remove(number)
    await release.until(lambda s: condition(s, "Ready")["status"] == "True")


async def test_a_missing_right_to_route_is_named_and_heals(gated: Gated) -> None:
    release = await gated.bed.release(**QUICK)
    await release.until_weight(0)
    refusal = denied("patch", "virtualservices", "networking.istio.io")
    faults = gated.gate.faults
    number = faults.add(Fault(user_agent=OPERATOR, namespace=release.namespace, **refusal))
    await release.apply(template=template("v2"))
    status = await release.until(lambda s: condition(s, "Ready")["reason"] == "Forbidden")
    assert "patch virtualservices.networking.istio.io" in condition(status, "Ready")["message"]
    assert await release.route_weight() == 0
    faults.remove(number)
    status = await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    assert [entry["outcome"] for entry in status["history"]] == ["Promoted"]


@pytest.mark.parametrize("killed", [False, True], ids=["", "by a killed operator"])
async def test_a_rollback_that_the_router_missed_is_made_up_for(gated: Gated, killed: bool) -> None:
    release = await gated.bed.release(**LONG)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    faults = gated.gate.faults
    number = faults.add(
        Fault(user_agent=OPERATOR, namespace=release.namespace, **ROUTES, status=503)
    )
    release.traffic.canary.error_rate = 1.0
    status = await release.until_phase("RollingBack")
    assert status["weight"] == 20  # as the router still has it
    await release.until(lambda s: condition(s, "Ready")["reason"] == "ApiUnavailable")
    assert await release.route_weight() == 20
    hits = faults.hits(number)
    if killed:
        await gated.bed.operator.kill()
        await gated.bed.operator.start()

    async def tried_again() -> bool:
        return faults.hits(number) > hits

    await eventually(tried_again)
    faults.remove(number)
    await release.until_weight(0)
    status = await release.until_phase("RolledBack")
    assert [entry["reason"] for entry in status["history"]] == ["AnalysisFailed"]


@pytest.mark.parametrize("end", ["promotion", "revert"])
async def test_the_end_of_a_rollout_that_the_router_missed_is_made_up_for(
    gated: Gated, end: str
) -> None:
    release = await gated.bed.release(**QUICK)
    await release.until_weight(0)
    await release.apply(template=template("v2"))
    await release.until_weight(50)
    fault = Fault(user_agent=OPERATOR, namespace=release.namespace, **ROUTES, status=503)
    faults = gated.gate.faults
    number = faults.add(fault)
    if end == "revert":
        await release.apply(template=template("v1"))
    status = await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    assert (status["weight"], await release.route_weight()) == (50, 50)
    hits = faults.hits(number)

    async def tried_again() -> bool:
        return faults.hits(number) > hits

    await eventually(tried_again)
    assert (await release.deployment("canary"))["spec"]["replicas"] == 1  # it has requests
    faults.remove(number)
    await release.until_weight(0)
    await release.until(lambda s: condition(s, "Ready")["status"] == "True")


async def test_an_edited_route_that_cannot_be_set_back_is_tried_with_pauses(gated: Gated) -> None:
    release = await gated.bed.release(**LONG)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    fault = Fault(user_agent=OPERATOR, namespace=release.namespace, **ROUTES, status=503)
    number = gated.gate.faults.add(fault)
    route = await gated.bed.client.get(VIRTUAL_SERVICES, release.name, release.namespace)
    for part, weight in zip(route["spec"]["http"][0]["route"], (90, 10), strict=True):
        part["weight"] = weight
    body = {"spec": {"http": route["spec"]["http"]}}
    with gated.counted(MOST_WHILE_REFUSED):
        await gated.bed.client.patch(VIRTUAL_SERVICES, "web", body, release.namespace, ctype=MERGE)
        await stays(lambda: _is_routed(release, 10), REFUSED_SECONDS)
    gated.gate.faults.remove(number)
    await release.until_weight(20)


async def _is_routed(release: Release, weight: int) -> bool:
    return await release.route_weight() == weight


async def test_an_abort_outlives_an_api_that_takes_nothing(gated: Gated) -> None:
    release = await gated.bed.release(**LONG)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    faults = gated.gate.faults
    number = faults.add(Fault(user_agent=OPERATOR, namespace=release.namespace, status=503))
    await release.ask("abort")

    async def tried() -> bool:
        return faults.hits(number) > 1

    await eventually(tried)
    await gated.bed.operator.kill()
    faults.remove(number)
    await gated.bed.operator.start()
    await release.until_weight(0)
    status = await release.until_phase("RolledBack")
    assert [entry["reason"] for entry in status["history"]] == ["Aborted"]
    await release.until_request_answered("Accepted")
