"""Where real requests go through a real Envoy."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from canary_operator.playground.client import SERVICES
from canary_operator.playground.loadgen import LoadGenerator
from canary_operator.playground.mesh import Mesh
from canary_operator.playground.mesh.series import Reporter

HOST = "web.demo.svc.cluster.local"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_weights_change_under_load_without_a_failed_request(
    visitor: Any,
    cluster: Any,
    split: dict[str, Any],
    start_pod: Callable[..., Any],
    eventually: Callable[..., Any],
) -> None:
    async with LoadGenerator(
        f"http://127.0.0.1:{visitor.mesh.port}/",
        host=HOST,
        rate=200,
        new_connection_every=3,
        timeout_seconds=60,  # a busy machine is no failure of the mesh
    ) as load:
        for weight in (0, 5, 20, 50, 100, 50, 0, 100, 0):
            cluster.weights(100 - weight, weight)
            await visitor.weight(weight)
            seen = load.counts.finished
            await eventually(lambda seen=seen: load.counts.finished > seen + 40)
        # A pod comes and another goes, drained before it stops, as kubelet does it.
        successor = await start_pod("web-stable-abc-2", "web-stable", "v1")
        for service in ("web", "web-stable"):
            cluster.endpoints(service, split["stable-1"], successor)
        await visitor.endpoints("web-stable", split["stable-1"], successor)
        await eventually(lambda: successor.served > 20)
        await eventually(lambda: not split["stable-0"].busy)
        await split["stable-0"].refuse()
        seen = load.counts.finished
        await eventually(lambda: load.counts.finished > seen + 200)
        counts = await load.stop()

    assert not counts.failures
    assert counts.finished == counts.sent
    assert set(counts.by_status) == {200}


async def test_after_a_change_is_reported_no_request_follows_the_old_weight(
    visitor: Any, cluster: Any
) -> None:
    for weight in (100, 0, 100, 0):
        cluster.weights(100 - weight, weight)
        await visitor.weight(weight)
        assert set(await visitor.send_many(60)) == {(200, "v2" if weight else "v1")}


async def test_chosen_users_reach_the_canary(visitor: Any, mesh: Mesh, cluster: Any) -> None:
    def to(host: str, **match: Any) -> dict[str, Any]:
        return {"route": [{"destination": {"host": host}}], **match}

    cluster.routes(
        to("web-canary", match=[{"headers": {"cookie": {"regex": "^(.*; )?canary=1(;.*)?$"}}}]),
        to("web-canary", match=[{"uri": {"prefix": "/beta"}}], rewrite={"uri": "/"}),
        to("web-stable"),
    )
    await mesh.control.wait_until(lambda now: len(now.virtual_services[0]["spec"]["http"]) == 3)

    assert await visitor.send() == (200, "v1")
    assert await visitor.send(Cookie="a=b; canary=1") == (200, "v2")
    assert await visitor.send(Cookie="canary=10") == (200, "v1")
    assert await visitor.send("/beta") == (200, "v2")


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
    visitor: Any, cluster: Any, eventually: Callable[..., Any]
) -> None:
    cluster.routes({"route": [{"destination": {"host": "nowhere", "port": {"number": 80}}}]})
    await visitor.sees((503, None))
    await eventually(lambda: visitor.counted(Reporter.SOURCE)["unknown", 503, "NC"] > 0)


async def test_a_pattern_that_envoy_refuses_leaves_the_old_routes_in_force(
    visitor: Any, cluster: Any, eventually: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    cluster.weights(0, 100, match=[{"uri": {"regex": "("}}])
    await eventually(lambda: "Mesh configuration refused" in caplog.text)
    assert {version for _, version in await visitor.send_many(60)} == {"v1", "v2"}

    cluster.weights(0, 100)
    await visitor.weight(100)
    assert set(await visitor.send_many(20)) == {(200, "v2")}


@pytest.mark.usefixtures("needs_envoy", "split")
async def test_leaving_the_mesh_ends_envoy(cluster: Any, tmp_path: Path) -> None:
    async with Mesh(cluster, tmp_path) as mesh:
        daemon = mesh.envoy.daemon
        assert daemon.alive
    assert not daemon.alive


async def test_the_death_of_envoy_is_no_secret(
    mesh: Mesh, eventually: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    os.kill(mesh.envoy.daemon.pid, signal.SIGKILL)
    await eventually(lambda: "Envoy ended" in caplog.text)


async def test_names_under_localhost_reach_the_mesh(mesh: Mesh) -> None:
    async with LoadGenerator(mesh.url_for("web", "demo"), rate=100) as load:
        async with asyncio.timeout(10):
            while load.counts.finished < 10:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        counts = await load.stop()
    assert set(counts.by_status) == {200}
