"""Two rollouts claim one host: one gets it, the other is told whose it is, until that one goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from canary_operator.playground.api.faults import Fault as ApiFault
from canary_operator.playground.client import NotFoundError
from canary_operator.playground.controllers import Fault
from canary_operator.playground.local import ROLLOUTS
from tests.support.bed import VIRTUAL_SERVICES, Bed, Release, bed_around, condition, open_cluster
from tests.support.clusters import DEFINITION_FOLDERS, EmbeddedCluster, eventually
from tests.support.counting import OPERATOR, asked, breakdown

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("hosts")]

HEALS_WITHIN_SECONDS = 5.0
"""Much sooner than a refusal is tried again: somebody woke the rollout."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bed]:
    folder = tmp_path_factory.mktemp("hosts")
    flags = ("--allowed-host=*.example.com",)
    async with (
        open_cluster(folder, *DEFINITION_FOLDERS) as cluster,
        bed_around(cluster, folder, flags) as bed,
    ):
        yield bed


@pytest.fixture
def host(request: pytest.FixtureRequest) -> str:
    """A host that no other test claims."""
    return f"{abs(hash(request.node.name))}.example.com"


def claiming(host: str) -> dict[str, Any]:
    return {"traffic": {"istio": {"hosts": [host]}}}


async def routed(release: Release) -> list[str]:
    """Return the hosts of a rollout's VirtualService; none while there is none."""
    try:
        found = await release.bed.client.get(VIRTUAL_SERVICES, release.name, release.namespace)
    except NotFoundError:
        return []
    return list(found["spec"]["hosts"])


def own(release: Release) -> str:
    return f"{release.name}.{release.namespace}.svc.cluster.local"


async def until_routed(
    release: Release, *hosts: str, seconds: float = HEALS_WITHIN_SECONDS
) -> None:
    async def as_wanted() -> bool:
        return await routed(release) == [own(release), *hosts]

    await eventually(as_wanted, seconds)


async def until_conflict(release: Release, winner: Release) -> dict[str, Any]:
    """Wait until a rollout says whose the host is."""
    status = await release.until(lambda s: condition(s, "Ready")["reason"] == "HostConflict")
    assert condition(status, "Stalled")["status"] == "True"
    message = condition(status, "Ready")["message"]
    assert f"CanaryRollout {winner.namespace}/{winner.name} claims host" in message
    return status


async def until_a_second_later(release: Release) -> None:
    """Wait until what is created now is younger, as Kubernetes tells time."""
    created = datetime.fromisoformat((await release.get())["metadata"]["creationTimestamp"])

    async def later() -> bool:
        return datetime.now(UTC) >= created + timedelta(seconds=1)

    await eventually(later)


async def until_well(release: Release) -> None:
    await release.until(lambda s: condition(s, "Ready")["status"] == "True", HEALS_WITHIN_SECONDS)


async def test_a_newcomer_is_refused_until_the_first_one_goes(bed: Bed, host: str) -> None:
    first = await bed.release(**claiming(host))
    await until_routed(first, host)
    late = await bed.release(wait=False, **claiming(host))
    await until_conflict(late, first)
    assert await routed(late) == []
    assert (await late.status()).get("phase") is None
    bed.cluster.forget_requests()
    await first.apply(traffic={"istio": {"hosts": []}})
    await until_routed(late, host)
    await until_well(late)
    assert await routed(first) == [own(first)]
    for release in (first, late):
        assert "DriftRepaired" not in await release.event_reasons()


async def test_what_runs_keeps_its_hosts_when_it_asks_for_one_that_is_taken(
    bed: Bed, host: str
) -> None:
    first = await bed.release(**claiming(host))
    late = await bed.release(**claiming(f"own-{host}"))
    await until_routed(first, host)
    await late.apply(**claiming(host))
    await until_conflict(late, first)
    assert await routed(late) == [own(late), f"own-{host}"]
    await bed.client.delete(ROLLOUTS, first.name, first.namespace)
    with suppress(NotFoundError):  # garbage is collected some time, and not everywhere
        await bed.client.delete(VIRTUAL_SERVICES, first.name, first.namespace)
    await until_routed(late, host)
    await until_well(late)


async def test_of_many_at_the_same_moment_one_gets_the_host(bed: Bed, host: str) -> None:
    names = [await bed.cluster.namespace() for _ in range(5)]
    releases = await asyncio.gather(
        *(bed.release(namespace=name, wait=False, **claiming(host)) for name in names)
    )

    async def who_routes_it() -> list[Release]:
        return [release for release in releases if host in await routed(release)]

    (winner,) = await eventually(who_routes_it)
    for release in releases:
        if release is not winner:
            await until_conflict(release, winner)
    assert await who_routes_it() == [winner]


async def test_of_two_that_were_both_accepted_the_younger_gives_way(bed: Bed, host: str) -> None:
    if not isinstance(bed.cluster, EmbeddedCluster):
        pytest.skip("who is accepted first can be chosen on the embedded API only")
    namespaces = [await bed.cluster.namespace() for _ in range(2)]
    faults = bed.cluster.api.faults
    number = faults.add(
        ApiFault(user_agent=OPERATOR, namespace=namespaces[0], resource="deployments", status=503)
    )  # the older one cannot be tried out, and so is accepted last
    bed.cluster.kubelet.fail("app=web", Fault.UNREADY)  # so that nobody has a route yet
    try:
        older = await bed.release(namespace=namespaces[0], wait=False, **claiming(host))

        async def tried() -> bool:
            return faults.hits(number) > 0

        await eventually(tried)
        await until_a_second_later(older)
        younger = await bed.release(namespace=namespaces[1], wait=False, **claiming(host))
        await younger.until_phase("Initializing")
        faults.remove(number)
        await until_conflict(younger, older)
    finally:
        faults.clear()
        bed.cluster.kubelet.heal("app=web")
    await until_routed(older, host)
    await until_routed(younger)
    assert await younger.route_weight() == 0
    await _check_restart_changes_nothing(bed, older, younger)
    await older.apply(traffic={"istio": {"hosts": []}})
    await until_routed(younger, host)
    await until_well(younger)
    assert "DriftRepaired" not in await younger.event_reasons()


async def _check_restart_changes_nothing(bed: Bed, older: Release, younger: Release) -> None:
    """A new operator knows nobody, and still gives the host to nobody else."""
    bed.cluster.forget_requests()
    await bed.operator.stop()
    await bed.operator.start()
    await younger.ask("pause")
    await younger.until_request_answered("Refused")
    assert (await routed(older), await routed(younger)) == (
        [own(older), f"{await _host_of(older)}"],
        [own(younger)],
    )
    routes = [one for one in asked(bed.cluster) if one.resource == "virtualservices"]
    writes = [one for one in routes if one.verb not in {"get", "list"}]
    assert not writes, breakdown(writes)
    await until_conflict(younger, older)


async def _host_of(release: Release) -> str:
    spec = (await release.get())["spec"]
    return str(spec["traffic"]["istio"]["hosts"][0])


async def test_a_conflict_at_rest_costs_no_request(bed: Bed, host: str) -> None:
    first = await bed.release(**claiming(host))
    await until_routed(first, host)
    late = await bed.release(wait=False, **claiming(host))
    await until_conflict(late, first)
    bed.cluster.forget_requests()
    for _ in range(3):  # each wakes it, and each time it is looked at again
        await late.apply(paused=True)
        await late.apply(paused=False)

    async def looked_at() -> bool:
        found = await late.get()
        return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])

    await eventually(looked_at)
    requests = [one for one in asked(bed.cluster, late.namespace) if one.resource != "events"]
    assert {one.subresource for one in requests} <= {"status"}, breakdown(requests)
