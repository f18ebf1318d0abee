"""Two operators, one Lease: one writes, the other takes over; the log of the API server says so.

Each is a ServiceAccount of its own, so that the log tells who wrote.
"""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from copy import deepcopy
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest_asyncio

from canary_operator.playground.api.requests import Request
from canary_operator.playground.client import Manifest, Resource
from canary_operator.playground.operator_process import OperatorProcess
from tests.support.bed import Bed, Release, bed_around, open_cluster, quick_spec, template
from tests.support.clusters import DEFINITION_FOLDERS, eventually
from tests.support.counting import OPERATOR, READS, breakdown
from tests.support.rights import KINDS_OF_RIGHTS, give_rights, manifests

NAMESPACE = "canary-operator"
FIRST, SECOND = "canary-operator", "second"
LEASE = "canary-operator"
LEASES = Resource("leases", "coordination.k8s.io")
MOST_SECONDS = 15.0
LEASE_SECONDS = 10.0

LONG_STEP = {**quick_spec()["strategy"], "steps": [{"weight": 20, "hold": "10m"}]}
ANALYSIS = {"interval": "5s", "window": "2s", "failureLimit": 0, "minRequests": 5}


@dataclass
class Two:
    """Two operators of one cluster."""

    bed: Bed
    first: OperatorProcess
    second: OperatorProcess

    def writers(self) -> list[str]:
        """Return who wrote, in the order of the log, each once for writes in a row.

        Events are left out: they change nothing. So are Leases, which both write.
        """
        names = [request.user.rpartition(":")[2] for request in self.writes()]
        return [who for who, _ in groupby(names)]

    def writes(self) -> list[Request]:
        """Return what both operators wrote."""
        return [
            request
            for request in self.bed.cluster.requests().matching(user_agent=OPERATOR)
            if request.verb not in READS and request.resource not in {"leases", "events"}
        ]

    async def holder(self) -> str:
        """Return the identity in the Lease; empty while nobody holds it."""
        found = await self.bed.client.get(LEASES, LEASE, NAMESPACE)
        return str(found["spec"].get("holderIdentity") or "")

    async def until_led_by_another_than(self, before: str) -> float:
        """Wait for another holder, and return the seconds that it took."""
        loop = asyncio.get_running_loop()
        started = loop.time()

        async def changed() -> bool:
            return await self.holder() not in {"", before}

        await eventually(changed, MOST_SECONDS + 15)
        return loop.time() - started


def leads(operator: OperatorProcess) -> str:
    """Return the identity under which an operator led last, by its own log; empty for never."""
    found = re.findall(r"Leading: identity=(\S+)", operator.log.read_text())
    return found[-1] if found else ""


def rights_of_the_second() -> list[Manifest]:
    """Return the rights of the manifests, for a ServiceAccount of another name."""
    documents = deepcopy(manifests(*KINDS_OF_RIGHTS))
    for document in documents:
        if document["kind"] == "ServiceAccount":
            document["metadata"]["name"] = SECOND
        for subject in document.get("subjects", ()):
            document["metadata"]["name"] += f"-{SECOND}"
            subject["name"] = SECOND
    return documents


@pytest_asyncio.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    """The bed's own operator leads; another one stands by."""
    flags = ["--leader-election", f"--leader-election-namespace={NAMESPACE}"]
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(open_cluster(tmp_path, *DEFINITION_FOLDERS))
        bed = await stack.enter_async_context(bed_around(cluster, tmp_path, flags))

        async def led() -> bool:
            return bool(leads(bed.operator))

        await eventually(led)
        account = await give_rights(cluster, rights_of_the_second())
        kubeconfig = account.access.write_kubeconfig(tmp_path / "second.kubeconfig")
        second = OperatorProcess(
            kubeconfig, bed.prometheus.url, tmp_path / "second.log", arguments=flags
        )
        await stack.enter_async_context(second)

        async def standing_by() -> bool:
            return "Standing by" in second.log.read_text()

        await eventually(standing_by)
        yield Two(bed, bed.operator, second)
        assert "Traceback" not in second.log.read_text(), second.log.read_text()
        assert not cluster.denied(account.user)


async def release_under_way(two: Two) -> Release:
    release = await two.bed.release(strategy=LONG_STEP, analysis=ANALYSIS)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    return release


async def test_a_killed_leader_is_replaced_and_never_two_write(two: Two) -> None:
    release = await release_under_way(two)
    before = await two.holder()
    assert before == leads(two.first)
    await two.first.kill()
    release.traffic.canary.error_rate = 1.0
    assert await two.until_led_by_another_than(before) < MOST_SECONDS
    await release.until_phase("RolledBack")
    assert await release.route_weight() == 0
    assert two.writers() == [FIRST, SECOND], breakdown(two.writes())
    await two.first.start()  # it stands by now
    await release.apply(template=template("v3"))
    release.traffic.canary.error_rate = 0.0
    await release.until_weight(20)
    assert two.writers() == [FIRST, SECOND], breakdown(two.writes())


async def test_a_leader_that_is_told_to_stop_hands_over_at_once(two: Two) -> None:
    release = await release_under_way(two)
    before = await two.holder()
    written = len(release.seen)
    await two.first.stop()
    assert "Leadership given back" in two.first.log.read_text()
    assert await two.until_led_by_another_than(before) < LEASE_SECONDS / 2
    await release.ask("promote")
    await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    weights = {status.get("weight") for status in release.seen[written:]}
    assert weights <= {20, 0}
    assert two.writers() == [FIRST, SECOND], breakdown(two.writes())


async def test_a_frozen_leader_that_wakes_writes_nothing(two: Two) -> None:
    release = await release_under_way(two)
    before = await two.holder()
    pid = two.first.pid
    os.kill(pid, signal.SIGSTOP)
    await two.until_led_by_another_than(before)
    await release.ask("abort")  # the watch of the frozen one has it in its buffers, too
    await release.until_phase("RolledBack")
    os.kill(pid, signal.SIGCONT)

    async def noticed() -> bool:
        return "Leadership lost" in two.first.log.read_text()

    await eventually(noticed)
    await release.apply(template=template("v3"))
    await release.until_weight(20)
    assert two.writers() == [FIRST, SECOND], breakdown(two.writes())
    assert leads(two.second) == await two.holder()
