"""An API server in trouble: the operator waits, tries again, and ends where it would have ended."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from canary_operator.controller.settings import RECONNECT_SECONDS
from canary_operator.playground.api.faults import Fault, Faults
from canary_operator.playground.client import DEPLOYMENTS, NotFoundError, Resource
from tests.support.bed import (
    VIRTUAL_SERVICES,
    Bed,
    Release,
    bed_around,
    condition,
    open_cluster,
    quick_spec,
    template,
)
from tests.support.clusters import (
    DEFINITION_FOLDERS,
    EmbeddedCluster,
    eventually,
    load_definitions,
)
from tests.support.counting import OPERATOR, WATCHES, asked, breakdown

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVICES = Resource("services")
STRATEGY = {
    **quick_spec()["strategy"],
    "steps": [{"weight": 20, "hold": "0s"}, {"weight": 50, "hold": "0s"}],
}
QUICK = {
    "strategy": STRATEGY,
    "analysis": {"interval": "5s", "window": "2s", "failureLimit": 0, "minRequests": 5},
}
LONG = {
    **QUICK,
    "strategy": {**STRATEGY, "steps": [{"weight": 20, "hold": "10m"}]},
}

MOST_REQUESTS = 70
"""For one release; without trouble it is some 25."""
MOST_WATCHES = 120
WATCHED = 7
"""Kinds of objects that the operator watches, CustomResourceDefinitions among them."""

STATUS = {"resource": "canaryrollouts", "subresource": "status"}
ROUTES = {"resource": "virtualservices", "verb": "patch"}


@pytest.fixture
def embedded(bed: Bed) -> EmbeddedCluster:
    if not isinstance(bed.cluster, EmbeddedCluster):
        pytest.skip("faults can be injected into the embedded API only")
    return bed.cluster


@pytest.fixture
def faults(bed: Bed, embedded: EmbeddedCluster) -> Iterator[Faults]:
    """The switch for faults; what they make the operator say is no surprise to it."""
    start = bed.operator.log.stat().st_size
    yield embedded.api.faults
    embedded.api.faults.clear()
    with bed.operator.log.open() as log:
        log.seek(start)
        said = log.read()
    assert not re.search("Traceback|unexpectedly", said), said


def denied(verb: str, resource: str, group: str) -> dict[str, Any]:
    """Return a refusal in the words of the API server's RBAC."""
    sentence = (
        f'{resource} "web" is forbidden: User "op" cannot {verb} resource "{resource}" '
        f'in API group "{group}" in the namespace "test"'
    )
    return {"verb": verb, "resource": resource, "status": 403, "message": sentence}


async def good_and_bad(bed: Bed) -> tuple[Release, Release]:
    """Return two rollouts whose first version serves."""
    good, bad = await bed.release(**QUICK), await bed.release(**QUICK)
    for release in (good, bad):
        await release.until_weight(0)
    bad.traffic.canary.error_rate = 1.0
    return good, bad


async def check_ends(bed: Bed, good: Release, bad: Release) -> None:
    """Release a good and a bad version; both end as they should, once, without a storm."""
    bed.cluster.forget_requests()
    await asyncio.gather(*(release.apply(template=template("v2")) for release in (good, bad)))
    promoted, rejected = await asyncio.gather(
        good.until(lambda s: s["phase"] == "Stable" and s.get("history")),
        bad.until_phase("RolledBack"),
    )
    assert [entry["outcome"] for entry in promoted["history"]] == ["Promoted"]
    assert await good.image("stable") == "app:v2"
    assert [entry["reason"] for entry in rejected["history"]] == ["AnalysisFailed"]
    assert await bad.image("stable") == "app:v1"
    for release in (good, bad):
        await release.until_weight(0)
        requests = asked(bed.cluster, release.namespace)
        assert len(requests) <= MOST_REQUESTS, breakdown(requests)
    watches = bed.cluster.requests().matching(user_agent=WATCHES)
    assert len(watches) <= MOST_WATCHES, breakdown(watches)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({**STATUS, "status": 409, "times": 4}, id="status writes conflict"),
        pytest.param({"status": 429, "retry_after": 1, "times": 3}, id="too many requests"),
        pytest.param({"status": 500, "times": 5}, id="500 for some seconds"),
        pytest.param({"status": 401, "times": 3}, id="credentials refused for a moment"),
        pytest.param({"delay": 1.0, "times": 4}, id="slow answers"),
        pytest.param({**STATUS, "delay": 10.5, "times": 1}, id="a frozen status write"),
        pytest.param({"reset": True, "times": 8}, id="connections break"),
        pytest.param(
            {**STATUS, "after": True, "reset": True, "times": 4}, id="answers of status are lost"
        ),
        pytest.param(
            {**ROUTES, "after": True, "reset": True, "times": 4}, id="answers of routes are lost"
        ),
        pytest.param(
            {"verb": "patch", "resource": "deployments", "after": True, "status": 500, "times": 4},
            id="answers of Deployments are lost",
        ),
        pytest.param({"verb": "create", "after": True, "status": 504, "times": 3}, id="of creates"),
        pytest.param({"after": True, "reset": True, "times": 8}, id="all answers are lost"),
    ],
)
async def test_writes_in_trouble_lose_no_decision(
    bed: Bed, faults: Faults, fault: dict[str, Any]
) -> None:
    good, bad = await good_and_bad(bed)
    numbers = [
        faults.add(Fault(user_agent=OPERATOR, namespace=release.namespace, **fault))
        for release in (good, bad)
    ]
    await check_ends(bed, good, bad)
    assert [faults.hits(number) for number in numbers] == [fault["times"]] * 2


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({}, id="end"),
        pytest.param({"status": 503, "times": 12}, id="cannot be opened for a while"),
        pytest.param({"status": 429, "retry_after": 1, "times": 12}, id="are too many"),
        pytest.param({"status": 401, "times": 12}, id="are refused our credentials"),
        pytest.param({"expire_watch": True, "times": 12}, id="expired"),
        pytest.param({"drop_watch_after": 0.5, "times": 40}, id="break again and again"),
        pytest.param({"reset": True, "times": 12}, id="break at once"),
    ],
)
async def test_watches_in_trouble_lose_no_decision(
    bed: Bed, embedded: EmbeddedCluster, faults: Faults, fault: dict[str, Any]
) -> None:
    good, bad = await good_and_bad(bed)
    if fault:
        faults.add(Fault(user_agent=WATCHES, verb="watch", **fault))
    embedded.api.cluster.store.end_watches()
    await check_ends(bed, good, bad)


async def test_an_outage_outlasts_no_watch(
    bed: Bed, embedded: EmbeddedCluster, faults: Faults
) -> None:
    good, bad = await good_and_bad(bed)
    number = faults.add(Fault(user_agent=WATCHES, status=503))
    embedded.api.cluster.store.end_watches()

    async def every_pause_was_used() -> bool:
        bed.operator.check()
        return faults.hits(number) > WATCHED * (len(RECONNECT_SECONDS) + 1)

    await eventually(every_pause_was_used, 60.0)
    faults.remove(number)
    await check_ends(bed, good, bad)


async def test_a_compacted_history_is_listed_anew(
    bed: Bed, embedded: EmbeddedCluster, faults: Faults
) -> None:
    good, bad = await good_and_bad(bed)
    number = faults.add(Fault(user_agent=WATCHES, status=503))
    embedded.api.cluster.store.end_watches()

    async def refused() -> bool:
        return faults.hits(number) > 3

    await eventually(refused)
    embedded.api.cluster.store.compact()
    faults.remove(number)
    await check_ends(bed, good, bad)


async def test_what_is_deleted_in_a_gap_of_the_watches_comes_back(
    bed: Bed, embedded: EmbeddedCluster, faults: Faults
) -> None:
    release = await bed.release(**QUICK)
    await release.until_weight(0)
    number = faults.add(Fault(user_agent=WATCHES, status=503))
    embedded.api.cluster.store.end_watches()

    async def refused() -> bool:
        return faults.hits(number) > 3

    await eventually(refused)
    gone = [(SERVICES, "web-canary"), (VIRTUAL_SERVICES, "web"), (DEPLOYMENTS, "web-canary")]
    for resource, name in gone:
        await bed.client.delete(resource, name, release.namespace)
    embedded.api.cluster.store.compact()
    faults.remove(number)

    async def back() -> bool:
        for resource, name in gone:
            try:
                await bed.client.get(resource, name, release.namespace)
            except NotFoundError:
                return False
        return True

    await eventually(back)


async def test_a_missing_right_is_named_and_heals(bed: Bed, faults: Faults) -> None:
    number = faults.add(Fault(user_agent=OPERATOR, **denied("patch", "services", "")))
    release = await bed.release(wait=False, **QUICK)
    status = await release.until(lambda s: condition(s, "Ready")["reason"] == "Forbidden")
    assert "patch services" in condition(status, "Ready")["message"]
    assert condition(status, "Reconciling")["status"] == "True"
    assert await release.image("stable") == "app:v1"
    await release.until_event("Forbidden")
    faults.remove(number)
    await release.until(lambda s: condition(s, "Ready")["status"] == "True")


async def test_a_missing_right_to_route_is_named_and_heals(bed: Bed, faults: Faults) -> None:
    release = await bed.release(**QUICK)
    await release.until_weight(0)
    refusal = denied("patch", "virtualservices", "networking.istio.io")
    number = faults.add(Fault(user_agent=OPERATOR, namespace=release.namespace, **refusal))
    await release.apply(template=template("v2"))
    status = await release.until(lambda s: condition(s, "Ready")["reason"] == "Forbidden")
    assert "patch virtualservices.networking.istio.io" in condition(status, "Ready")["message"]
    assert await release.route_weight() == 0
    faults.remove(number)
    status = await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    assert [entry["outcome"] for entry in status["history"]] == ["Promoted"]


@pytest.mark.parametrize("killed", [False, True], ids=["", "by a killed operator"])
async def test_a_rollback_that_the_router_missed_is_made_up_for(
    bed: Bed, faults: Faults, killed: bool
) -> None:
    release = await bed.release(**LONG)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    number = faults.add(
        Fault(user_agent=OPERATOR, namespace=release.namespace, **ROUTES, status=503)
    )
    release.traffic.canary.error_rate = 1.0
    status = await release.until_phase("RollingBack")
    assert status["weight"] == 20  # as the router still has it
    assert await release.route_weight() == 20
    hits = faults.hits(number)
    if killed:
        await bed.operator.kill()
        await bed.operator.start()

    async def tried_again() -> bool:
        return faults.hits(number) > hits

    await eventually(tried_again)
    faults.remove(number)
    await release.until_weight(0)
    status = await release.until_phase("RolledBack")
    assert [entry["reason"] for entry in status["history"]] == ["AnalysisFailed"]


@pytest.mark.parametrize("end", ["promotion", "revert"])
async def test_the_end_of_a_rollout_that_the_router_missed_is_made_up_for(
    bed: Bed, faults: Faults, end: str
) -> None:
    release = await bed.release(**QUICK)
    await release.until_weight(0)
    await release.apply(template=template("v2"))
    await release.until_weight(50)
    fault = Fault(user_agent=OPERATOR, namespace=release.namespace, **ROUTES, status=503)
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


async def test_an_abort_outlives_an_api_that_takes_nothing(bed: Bed, faults: Faults) -> None:
    release = await bed.release(**LONG)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    number = faults.add(Fault(user_agent=OPERATOR, namespace=release.namespace, status=503))
    await release.ask("abort")

    async def tried() -> bool:
        return faults.hits(number) > 1

    await eventually(tried)
    await bed.operator.kill()
    faults.remove(number)
    await bed.operator.start()
    await release.until_weight(0)
    status = await release.until_phase("RolledBack")
    assert [entry["reason"] for entry in status["history"]] == ["Aborted"]
    await release.until_request_answered("Accepted")


@pytest_asyncio.fixture(loop_scope="session")
async def bed_without_istio(tmp_path: Path) -> AsyncIterator[Bed]:
    ours, _ = DEFINITION_FOLDERS
    async with open_cluster(tmp_path, ours) as cluster, bed_around(cluster, tmp_path) as bed:
        yield bed


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
    await load_definitions(bed.client, DEFINITION_FOLDERS[1])
    status = await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    assert [entry["outcome"] for entry in status["history"]] == ["Promoted"]
    assert await bed.client.get(VIRTUAL_SERVICES, "web", release.namespace)
