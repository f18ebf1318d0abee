"""Each watch alone: refused at any of its requests, or in the middle, it is back within seconds."""

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from canary_operator.playground.api.faults import REASONS, Fault
from canary_operator.playground.api.requests import Request
from canary_operator.playground.client import (
    DEPLOYMENTS,
    MERGE,
    PODS,
    SERVICES,
    Manifest,
    Resource,
)
from canary_operator.playground.local import ROLLOUTS
from tests.faults.scenes import LONG, Gated
from tests.support.bed import VIRTUAL_SERVICES, Release, template
from tests.support.clusters import DEFINITIONS, eventually
from tests.support.counting import WATCHES
from tests.support.gate import DISCOVERY

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXHAUSTIVE = pytest.mark.exhaustive

RECORDS = Resource("controllerrevisions", "apps")
RULES = Resource("destinationrules", "networking.istio.io")
SCALERS = Resource("horizontalpodautoscalers", "autoscaling", "v2")
OURS = (ROLLOUTS, DEPLOYMENTS, SERVICES, RECORDS, PODS, VIRTUAL_SERVICES, RULES, SCALERS)
KINDS = frozenset(each.plural for each in (*OURS, DEFINITIONS))
"""What the operator watches."""

REFUSALS = 3
BACK_SECONDS = 15.0
"""The pauses after so many refusals take two seconds, and a list each; the machine may be busy."""

WITH_A_POLICY = {
    **LONG,
    "traffic": {"istio": {"trafficPolicy": {"loadBalancer": {"simple": "ROUND_ROBIN"}}}},
}
"""Has an object of each kind."""

NUMBERS = itertools.count()


async def touch(release: Release) -> None:
    """Change one object of each kind, in a way that concerns nobody."""
    client = release.bed.client
    body = {"metadata": {"annotations": {"example.com/touched": str(next(NUMBERS))}}}
    for resource in OURS:
        for found in (await client.list(resource, release.namespace))["items"]:
            name = found["metadata"]["name"]
            await client.patch(resource, name, body, release.namespace, ctype=MERGE)
    await client.patch(DEFINITIONS, "canaryrollouts.canary-operator.dev", body, ctype=MERGE)


async def check_all_hear(gated: Gated, release: Release) -> None:
    """Check that each watch tells the operator of what happens now."""
    heard: set[str] = set()

    def listen(request: Request, event: Manifest) -> list[Manifest]:
        heard.add(request.resource)
        return [event]

    gated.gate.telling = listen
    await touch(release)

    async def all_heard() -> bool:
        return heard >= KINDS

    await eventually(all_heard, BACK_SECONDS)


async def until_back(gated: Gated, numbers: dict[str, int]) -> None:
    """Wait until each kind was refused as often as it should be, and is watched again."""
    gate = gated.gate

    async def back() -> bool:
        gated.bed.operator.check()
        refused = all(gate.faults.hits(number) == REFUSALS for number in numbers.values())
        return refused and gate.watched() == Counter(KINDS)

    try:
        await eventually(back, BACK_SECONDS)
    except TimeoutError:
        hits = {kind: gate.faults.hits(number) for kind, number in numbers.items()}
        raise AssertionError(f"refused {hits}, watched {gate.watched()}") from None


@pytest.mark.parametrize(
    ("moment", "status"),
    [
        ("list", 401),
        ("watch", 401),
        *(
            pytest.param(moment, status, marks=EXHAUSTIVE)
            for moment in ("list", "watch")
            for status in (403, 404, 429, 500)
        ),
        pytest.param("list", 410, marks=EXHAUSTIVE),
    ],
)
async def test_each_watch_that_is_refused_is_back(gated: Gated, moment: str, status: int) -> None:
    release = await gated.bed.release(**WITH_A_POLICY)
    faults = gated.gate.faults
    if moment == "list":
        for kind in KINDS:
            faults.add(Fault(user_agent=WATCHES, resource=kind, expire_watch=True, times=1))
    numbers = {
        kind: faults.add(
            Fault(user_agent=WATCHES, verb=moment, resource=kind, status=status, times=REFUSALS)
        )
        for kind in KINDS
    }
    gated.gate.end_watches()
    await until_back(gated, numbers)
    await check_all_hear(gated, release)


def interrupted(status: int) -> Callable[[Request, Manifest], list[Manifest]]:
    """Return what has the first event of each watch be an error."""
    reason, message = REASONS[status]
    error: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "code": status,
        "reason": reason,
        "message": message,
    }
    told: set[str] = set()

    def tell(request: Request, event: Manifest) -> list[Manifest]:
        if request.resource in told:
            return [event]
        told.add(request.resource)
        return [{"type": "ERROR", "object": error}]

    return tell


@pytest.mark.parametrize(
    "status", [500, *(pytest.param(status, marks=EXHAUSTIVE) for status in (401, 410, 429, 504))]
)
async def test_each_watch_that_tells_of_an_error_is_back(gated: Gated, status: int) -> None:
    release = await gated.bed.release(**WITH_A_POLICY)
    gated.gate.telling = interrupted(status)
    await touch(release)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    await check_all_hear(gated, release)


async def test_a_scan_of_what_is_served_may_be_refused(gated: Gated) -> None:
    release = await gated.bed.release(**WITH_A_POLICY)
    fault = Fault(user_agent=WATCHES, resource=DISCOVERY, status=401, times=REFUSALS)
    number = gated.gate.faults.add(fault)
    await touch(release)  # definitions, too, so kopf asks what is served

    async def refused() -> bool:
        return gated.gate.faults.hits(number) == REFUSALS

    await eventually(refused)
    await check_all_hear(gated, release)
