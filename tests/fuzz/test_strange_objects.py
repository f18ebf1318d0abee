"""A crowd of strange CanaryRollouts meets a running operator, which serves a healthy one beside it.

Of each strange one nothing is made, and its condition says what to change; or all of it is made.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import pytest
import pytest_asyncio

from canary_operator.playground.client import (
    DEPLOYMENTS,
    MERGE,
    SERVICES,
    ApiStatusError,
    Manifest,
    Resource,
)
from canary_operator.playground.local import ROLLOUTS
from tests.fuzz.amount import generated
from tests.fuzz.planes import rollout
from tests.fuzz.test_models_agree import PLACE, SENTENCE, SPECS
from tests.fuzz.test_strange_statuses import strange_statuses
from tests.support.bed import REQUEST, Bed, condition, quick_spec, template
from tests.support.clusters import eventually
from tests.support.counting import asked, breakdown

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("fuzz"),
    pytest.mark.timeout(300),
]

RECORDS = Resource("controllerrevisions", "apps")
CROWD = 60
TAKEN_BACK = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
REFUSED: Mapping[str, re.Pattern[str]] = {
    "InvalidSpec": re.compile(
        rf"({SENTENCE.pattern})|{PLACE}: .*(Add|Use|First|Mend|known are|Prometheus rejected) .*",
        re.DOTALL,
    ),
    "InvalidTemplate": re.compile(
        r"The API server refuses the pods: .*spec\.template.*", re.DOTALL
    ),
    "HostNotAllowed": re.compile(
        r"spec\.traffic\.istio\.hosts: .* Remove it, or ask .*", re.DOTALL
    ),
}
"""Conditions of rollouts that are not followed, and what their messages look like."""

REQUESTS = ("abort", "promote/nobody", "retry/", "resume//x", "", " pause", "\u202e", "x" * 5000)
MOST_REQUESTS = 60
"""For one strange rollout, from its first look to rest."""


@pytest.fixture(scope="module")
def statuses() -> list[dict[str, Any]]:
    return generated(strange_statuses(), CROWD // 3)


def affordable(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a spec of few pods: the playground would really make two thousand million."""
    wanted = spec.get("replicas")
    many = isinstance(wanted, int) and wanted > 2
    return {**spec, "replicas": 2} if many else spec


async def taken(write: Any) -> Manifest | None:
    """Return what the API server stored; None where it refused that."""
    try:
        stored: Manifest = await write
    except ApiStatusError as error:
        if error.code in TAKEN_BACK:
            return None
        raise
    return stored


class Crowd:
    """Strange rollouts in a namespace of their own."""

    def __init__(self, bed: Bed, namespace: str) -> None:
        self.bed = bed
        self.namespace = namespace
        self.names: list[str] = []

    async def create(self, specs: list[dict[str, Any]]) -> None:
        for number, spec in enumerate(specs):
            name = f"strange-{number}"
            body = rollout(affordable(spec), name)
            if await taken(self.bed.client.create(ROLLOUTS, body, self.namespace)):
                self.names.append(name)

    async def update(self, specs: list[dict[str, Any]]) -> None:
        for name, spec in zip(self.names, specs, strict=False):
            path = ROLLOUTS.path(self.namespace, name)
            present = await self.bed.client.request("GET", path)
            body = {**present, "spec": affordable(spec)}
            await taken(self.bed.client.request("PUT", path, body))

    async def patch(self, name: str, body: Mapping[str, Any], subresource: str = "") -> None:
        path = ROLLOUTS.path(self.namespace, name, subresource or None)
        await taken(self.bed.client.request("PATCH", path, body, ctype=MERGE))

    async def objects(self) -> list[Manifest]:
        listed = await self.bed.client.list(ROLLOUTS, self.namespace)
        return list(listed["items"])

    async def made_of(self, name: str) -> Counter[str]:
        """Return how many objects of each kind belong to a rollout."""
        found = Counter[str]()
        for resource in (DEPLOYMENTS, SERVICES, RECORDS):
            label = f"canary-operator.dev/rollout={name}"
            listed = await self.bed.client.list(resource, self.namespace, labelSelector=label)
            found[resource.plural] = len(listed["items"])
        return found

    async def until_looked_at(self) -> None:
        """Wait until the operator has said something about each spec."""

        async def all_seen() -> bool:
            return all(
                (each.get("status") or {}).get("observedGeneration")
                == each["metadata"]["generation"]
                for each in await self.objects()
            )

        await eventually(all_seen, 60.0)

    async def until_quiet(self) -> None:
        """Wait until no request concerns them; what is tried again with pauses may go on."""
        counts = [-1]

        async def quiet() -> bool:
            counts.append(len(asked(self.bed.cluster, self.namespace)))
            await asyncio.sleep(3)
            return len(asked(self.bed.cluster, self.namespace)) - counts[-1] <= len(self.names) // 4

        await eventually(quiet, 90.0)


@pytest_asyncio.fixture(loop_scope="session")
async def crowd(bed: Bed) -> Crowd:
    return Crowd(bed, await bed.cluster.namespace())


async def check_all_or_nothing(crowd: Crowd) -> Counter[str]:
    """Check what became of each, and return how often which reason was given."""
    reasons = Counter[str]()
    for each in await crowd.objects():
        ready = condition(each["status"], "Ready")
        reasons[ready["reason"]] += 1
        made = await crowd.made_of(each["metadata"]["name"])
        if ready["reason"] in REFUSED:
            assert REFUSED[ready["reason"]].fullmatch(ready["message"]), ready
            assert made.total() == 0, (made, ready)
        else:
            assert made["deployments"] == 2, (made, ready)
            # The fourth is that of a focused canary's group.
            assert made["services"] in {3, 4}, (made, ready)
    return reasons


async def test_a_strange_rollout_is_made_as_a_whole_or_not_at_all(bed: Bed, crowd: Crowd) -> None:
    neighbour = await bed.release()
    bed.cluster.forget_requests()
    await neighbour.apply(template=template("v2"))
    await crowd.create(generated(SPECS, CROWD))
    assert len(crowd.names) > CROWD / 6
    await crowd.until_looked_at()
    await crowd.until_quiet()
    reasons = await check_all_or_nothing(crowd)
    assert len(reasons) > 2, reasons
    requests = asked(bed.cluster, crowd.namespace)
    assert len(requests) <= MOST_REQUESTS * len(crowd.names), breakdown(requests)
    status = await neighbour.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    assert [entry["outcome"] for entry in status["history"]] == ["Promoted"]


async def test_strange_edits_requests_and_statuses_harm_nobody(
    bed: Bed, crowd: Crowd, statuses: list[dict[str, Any]]
) -> None:
    neighbour = await bed.release()
    await crowd.create([quick_spec() for _ in range(CROWD // 3)])
    await crowd.until_looked_at()
    bed.cluster.forget_requests()
    await neighbour.apply(template=template("v2"))
    for number, (name, status) in enumerate(zip(crowd.names, statuses, strict=False)):
        await crowd.patch(name, {"status": status}, "status")
        request = REQUESTS[number % len(REQUESTS)]
        await crowd.patch(name, {"metadata": {"annotations": {REQUEST: request}}})
    await crowd.update(generated(SPECS, len(crowd.names)))
    await crowd.until_looked_at()
    status = await neighbour.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    assert [entry["outcome"] for entry in status["history"]] == ["Promoted"]
    for each in await crowd.objects():
        ready = condition(each["status"], "Ready")
        if ready["reason"] in REFUSED:
            assert REFUSED[ready["reason"]].fullmatch(ready["message"]), ready
        assert (await crowd.made_of(each["metadata"]["name"]))["services"] in {3, 4}
    requests = asked(bed.cluster, crowd.namespace)
    assert len(requests) <= MOST_REQUESTS * len(crowd.names), breakdown(requests)
