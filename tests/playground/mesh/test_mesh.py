"""Real requests through a real Envoy, counted on both sides."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from canary_operator.playground.client import SERVICES
from canary_operator.playground.loadgen import LoadGenerator
from canary_operator.playground.mesh import Mesh
from canary_operator.playground.mesh.catalog import Catalog
from canary_operator.playground.mesh.series import Reporter

HOST = "web.demo.svc.cluster.local"
SIGMAS = 5  # a right split fails this once in two million runs


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def send(
    session: aiohttp.ClientSession, mesh: Mesh, path: str = "/", **headers: str
) -> tuple[int, str | None]:
    """Send one request to `web`; return the status and which version answered."""
    url = f"http://127.0.0.1:{mesh.port}{path}"
    async with session.get(url, headers={"Host": HOST, **headers}) as response:
        await response.read()
        return response.status, response.headers.get("x-version")


async def send_many(
    session: aiohttp.ClientSession, mesh: Mesh, amount: int
) -> Counter[tuple[int, str | None]]:
    answers: Counter[tuple[int, str | None]] = Counter()
    for batch in range(0, amount, 50):
        answers.update(
            await asyncio.gather(*(send(session, mesh) for _ in range(min(50, amount - batch))))
        )
    return answers


def counted(mesh: Mesh, reporter: Reporter) -> Counter[tuple[str, int, str]]:
    """Return the requests of one view by destination workload, code and flags."""
    found: Counter[tuple[str, int, str]] = Counter()
    for request, count in mesh.metrics.counts().items():
        if request.reporter is reporter:
            workload = request.destination.name if request.destination else "unknown"
            found[workload, request.code, request.flags] += int(count)
    return found


async def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - counters have no events to wait for
            await asyncio.sleep(0.01)


def canary_weight(catalog: Catalog) -> int:
    route = catalog.virtual_services[0]["spec"]["http"][0]["route"]
    return int(route[1]["weight"])


async def test_requests_are_split_by_weight(mesh: Mesh, session: aiohttp.ClientSession) -> None:
    amount, share = 4000, 0.2

    answers = await send_many(session, mesh, amount)

    spread = SIGMAS * math.sqrt(amount * share * (1 - share))
    assert set(answers) == {(200, "v1"), (200, "v2")}
    assert abs(answers[200, "v2"] - amount * share) < spread
    expected = Counter(
        {
            ("web-stable", 200, "-"): answers[200, "v1"],
            ("web-canary", 200, "-"): answers[200, "v2"],
        }
    )
    for view in Reporter:
        await eventually(lambda view=view: counted(mesh, view) == expected)


async def test_weights_change_under_load_without_a_failed_request(
    mesh: Mesh, cluster: Any, split: dict[str, Any], start_pod: Callable[..., Any]
) -> None:
    async with LoadGenerator(
        f"http://127.0.0.1:{mesh.port}/", host=HOST, rate=400, new_connection_every=3
    ) as load:
        for weight in (0, 5, 20, 50, 100, 50, 0, 100, 0):
            cluster.weights(100 - weight, weight)
            took = await mesh.control.wait_until(lambda now, w=weight: canary_weight(now) == w)
            assert took < 1.0
            seen = load.counts.finished
            await eventually(lambda seen=seen: load.counts.finished > seen + 40)
        # A pod comes and another goes, drained before it stops, as kubelet does it.
        successor = await start_pod("web-stable-abc-2", "web-stable", "v1")
        for service in ("web", "web-stable"):
            cluster.endpoints(service, split["stable-1"], successor)
        await mesh.control.wait_until(lambda now: addresses(now, "web-stable") == 2)
        await eventually(lambda: successor.served > 20)
        await eventually(lambda: not split["stable-0"].busy)
        await split["stable-0"].refuse()
        seen = load.counts.finished
        await eventually(lambda: load.counts.finished > seen + 200)
        counts = await load.stop()

    assert counts.failed == 0
    assert counts.finished == counts.sent
    assert set(counts.by_status) == {200}


def addresses(catalog: Catalog, service: str) -> int:
    [port] = catalog.services[f"{service}.demo.svc.cluster.local"].ports
    return len(port.endpoints)


async def test_after_a_change_is_reported_no_request_follows_the_old_weight(
    mesh: Mesh, cluster: Any, session: aiohttp.ClientSession
) -> None:
    for weight in (100, 0, 100, 0):
        cluster.weights(100 - weight, weight)
        await mesh.control.wait_until(lambda now, w=weight: canary_weight(now) == w)
        assert set(await send_many(session, mesh, 60)) == {(200, "v2" if weight else "v1")}


async def test_refused_connections_are_seen_by_callers_alone(
    mesh: Mesh, cluster: Any, split: dict[str, Any], session: aiohttp.ClientSession
) -> None:
    cluster.weights(0, 100)
    await mesh.control.wait_until(lambda now: canary_weight(now) == 100)
    await split["canary-0"].refuse()

    assert await send_many(session, mesh, 20) == Counter({(503, None): 20})

    await eventually(lambda: counted(mesh, Reporter.SOURCE).total() == 20)
    [(workload, code, flags)] = counted(mesh, Reporter.SOURCE)
    assert (workload, code) == ("web-canary", 503)
    assert set(flags.split(",")) == {"UF", "URX"}
    assert counted(mesh, Reporter.DESTINATION).total() == 0


async def test_a_service_without_pods_is_unknown_to_callers(
    mesh: Mesh, cluster: Any, session: aiohttp.ClientSession
) -> None:
    cluster.endpoints("web-canary")
    cluster.weights(0, 100)
    await mesh.control.wait_until(
        lambda now: canary_weight(now) == 100 and addresses(now, "web-canary") == 0
    )

    await eventually_answers(session, mesh, (503, None))

    await eventually(lambda: counted(mesh, Reporter.SOURCE)["unknown", 503, "UH"] > 0)
    [request] = [request for request in mesh.metrics.counts() if request.flags == "UH"]
    assert request.service is not None
    assert request.service.host == "web-canary.demo.svc.cluster.local"


async def eventually_answers(
    session: aiohttp.ClientSession, mesh: Mesh, expected: tuple[int, str | None]
) -> None:
    async with asyncio.timeout(10):
        while True:
            if await send(session, mesh) == expected:
                return


async def test_retries_hide_most_of_a_pod_that_refuses(
    mesh: Mesh, cluster: Any, split: dict[str, Any], session: aiohttp.ClientSession
) -> None:
    """Not all: as in Istio, a retry may choose the same pod again, all the more if it is idle."""
    cluster.weights(100, 0)
    await mesh.control.wait_until(lambda now: canary_weight(now) == 0)
    await split["stable-0"].refuse()

    answers = await send_many(session, mesh, 200)

    assert answers[200, "v1"] > 150
    await eventually(lambda: counted(mesh, Reporter.SOURCE).total() == 200)
    await eventually(
        lambda: (
            counted(mesh, Reporter.DESTINATION) == {("web-stable", 200, "-"): answers[200, "v1"]}
        )
    )


async def test_an_applications_error_is_not_retried(
    mesh: Mesh, split: dict[str, Any], session: aiohttp.ClientSession
) -> None:
    assert (await send(session, mesh, "/503"))[0] == 503
    await eventually(lambda: counted(mesh, Reporter.SOURCE).total() == 1)
    await eventually(lambda: counted(mesh, Reporter.DESTINATION).total() == 1)
    assert sum(pod.served for pod in split.values()) == 1


async def test_a_caller_who_hangs_up_is_code_0_with_flag_dc_in_both_views(
    mesh: Mesh, session: aiohttp.ClientSession, cluster: Any
) -> None:
    cluster.weights(0, 100)
    await mesh.control.wait_until(lambda now: canary_weight(now) == 100)
    request = asyncio.create_task(send(session, mesh, "/slow"))
    await asyncio.wait({request}, timeout=0.3)
    request.cancel()
    for view in Reporter:
        await eventually(lambda view=view: counted(mesh, view) == {("web-canary", 0, "DC"): 1})


async def test_an_application_that_hangs_up_is_a_503_in_both_views(
    mesh: Mesh, session: aiohttp.ClientSession, cluster: Any
) -> None:
    cluster.weights(0, 100)
    await mesh.control.wait_until(lambda now: canary_weight(now) == 100)
    assert await send(session, mesh, "/hang-up") == (503, None)
    for view in Reporter:
        await eventually(lambda view=view: counted(mesh, view) == {("web-canary", 503, "UC"): 1})


async def test_mirrored_requests_are_seen_by_the_pod_alone(
    mesh: Mesh, cluster: Any, split: dict[str, Any], session: aiohttp.ClientSession
) -> None:
    cluster.weights(100, 0, mirror={"host": "web-canary"})
    await mesh.control.wait_until(
        lambda now: "mirror" in now.virtual_services[0]["spec"]["http"][0]
    )

    assert await send_many(session, mesh, 30) == Counter({(200, "v1"): 30})

    await eventually(lambda: split["canary-0"].served == 30)
    await eventually(
        lambda: (
            counted(mesh, Reporter.DESTINATION)
            == {("web-stable", 200, "-"): 30, ("web-canary", 200, "-"): 30}
        )
    )
    assert counted(mesh, Reporter.SOURCE) == {("web-stable", 200, "-"): 30}


async def test_chosen_users_reach_the_canary(
    mesh: Mesh, cluster: Any, session: aiohttp.ClientSession
) -> None:
    def to(host: str, **match: Any) -> dict[str, Any]:
        return {"route": [{"destination": {"host": host}}], **match}

    cluster.routes(
        to("web-canary", match=[{"headers": {"cookie": {"regex": "^(.*; )?canary=1(;.*)?$"}}}]),
        to("web-canary", match=[{"uri": {"prefix": "/beta"}}], rewrite={"uri": "/"}),
        to("web-stable"),
    )
    await mesh.control.wait_until(lambda now: len(now.virtual_services[0]["spec"]["http"]) == 3)

    assert await send(session, mesh) == (200, "v1")
    assert await send(session, mesh, Cookie="a=b; canary=1") == (200, "v2")
    assert await send(session, mesh, Cookie="canary=10") == (200, "v1")
    assert await send(session, mesh, "/beta") == (200, "v2")


async def test_the_gateway_serves_what_is_offered_on_it(
    mesh: Mesh, session: aiohttp.ClientSession
) -> None:
    async with session.get(mesh.gateway_url, headers={"Host": f"{HOST}:8443"}) as response:
        assert response.status == 200
    async with session.get(mesh.gateway_url, headers={"Host": "web-stable.demo"}) as response:
        assert response.status == 404


async def test_a_service_can_come_and_go_while_envoy_runs(
    mesh: Mesh, cluster: Any, split: dict[str, Any], session: aiohttp.ClientSession
) -> None:
    host = "late.demo.svc.cluster.local"
    cluster.service("late", split["canary-0"])
    await mesh.control.wait_until(lambda now: host in now.services)
    url = f"http://127.0.0.1:{mesh.port}/"
    async with session.get(url, headers={"Host": "late.demo"}) as response:
        assert response.status == 200

    cluster.delete(SERVICES, "late")
    await mesh.control.wait_until(lambda now: host not in now.services)
    async with session.get(url, headers={"Host": "late.demo"}) as response:
        assert response.status == 404


async def test_a_route_to_a_service_that_does_not_exist_is_a_503(
    mesh: Mesh, cluster: Any, session: aiohttp.ClientSession
) -> None:
    cluster.routes({"route": [{"destination": {"host": "nowhere", "port": {"number": 80}}}]})
    await eventually_answers(session, mesh, (503, None))
    await eventually(lambda: counted(mesh, Reporter.SOURCE)["unknown", 503, "NC"] > 0)


async def test_a_pattern_that_envoy_refuses_leaves_the_old_routes_in_force(
    mesh: Mesh,
    cluster: Any,
    session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("canary_operator.playground.mesh.delivery.ACCEPT_SECONDS", 0.3)
    cluster.weights(0, 100, match=[{"uri": {"regex": "("}}])
    await eventually(lambda: "Mesh configuration refused" in caplog.text)
    assert {version for _, version in await send_many(session, mesh, 60)} == {"v1", "v2"}

    cluster.weights(0, 100)
    await mesh.control.wait_until(lambda now: canary_weight(now) == 100)
    assert set(await send_many(session, mesh, 20)) == {(200, "v2")}


@pytest.mark.usefixtures("needs_envoy", "split")
async def test_leaving_the_mesh_ends_envoy(cluster: Any, tmp_path: Path) -> None:
    async with Mesh(cluster, tmp_path) as mesh:
        daemon = mesh.envoy.daemon
        assert daemon.alive
    assert not daemon.alive
