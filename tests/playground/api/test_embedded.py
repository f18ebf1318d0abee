"""What the embedded API has beside Kubernetes: faults, a record of requests, a process."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from canary_operator.playground.api import EmbeddedAPI, Fault, User
from canary_operator.playground.local import ISTIO_DEFINITIONS

pytestmark = pytest.mark.asyncio
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
BODY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}


@pytest_asyncio.fixture
async def api() -> AsyncIterator[EmbeddedAPI]:
    async with EmbeddedAPI() as embedded:
        yield embedded


@pytest_asyncio.fixture
async def client(api: EmbeddedAPI) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"User-Agent": "tester/1"}
    async with aiohttp.ClientSession(api.url, headers=headers) as session:
        yield session


async def create(client: aiohttp.ClientSession) -> int:
    async with client.post(CONFIG_MAPS, json=BODY) as response:
        return response.status


async def read(client: aiohttp.ClientSession) -> int:
    async with client.get(f"{CONFIG_MAPS}/c") as response:
        return response.status


@pytest.mark.parametrize(
    ("matched", "hit"),
    [
        ({}, True),
        ({"verb": "create"}, True),
        ({"verb": "create", "resource": "configmaps", "namespace": "default"}, True),
        ({"user_agent": "tester"}, True),
        ({"user_agent": "other"}, False),
        ({"verb": "get"}, False),
        ({"resource": "secrets"}, False),
        ({"subresource": "status"}, False),
    ],
    ids=str,
)
async def test_a_fault_hits_what_it_matches(
    api: EmbeddedAPI, client: aiohttp.ClientSession, matched: dict[str, str], hit: bool
) -> None:
    number = api.faults.add(Fault(**matched, status=503))
    assert await create(client) == (503 if hit else 201)
    assert api.faults.hits(number) == int(hit)


async def test_a_fault_ends_after_its_times_or_when_removed(
    api: EmbeddedAPI, client: aiohttp.ClientSession
) -> None:
    api.faults.add(Fault(status=500, times=2))
    assert [await create(client) for _ in range(3)] == [500, 500, 201]
    number = api.faults.add(Fault(status=500))
    assert await read(client) == 500
    api.faults.remove(number)
    assert await read(client) == 200


async def test_a_refusal_looks_real(api: EmbeddedAPI, client: aiohttp.ClientSession) -> None:
    api.faults.add(Fault(status=429, retry_after=7))
    async with client.get(CONFIG_MAPS) as response:
        body = await response.json()
        assert response.headers["Retry-After"] == "7"
    assert (body["kind"], body["code"], body["reason"]) == ("Status", 429, "TooManyRequests")
    assert body["details"] == {"retryAfterSeconds": 7}


async def test_a_delay_only_delays(api: EmbeddedAPI, client: aiohttp.ClientSession) -> None:
    api.faults.add(Fault(delay=0.2))
    loop = asyncio.get_running_loop()
    begin = loop.time()
    assert await create(client) == 201
    assert loop.time() - begin >= 0.2


async def test_a_connection_breaks_before_the_work(
    api: EmbeddedAPI, client: aiohttp.ClientSession
) -> None:
    api.faults.add(Fault(reset=True, verb="create"))
    with pytest.raises(aiohttp.ClientError):
        await create(client)
    api.faults.clear()
    assert await read(client) == 404


async def test_an_answer_is_lost_after_the_work(
    api: EmbeddedAPI, client: aiohttp.ClientSession
) -> None:
    api.faults.add(Fault(reset=True, after=True, verb="create"))
    with pytest.raises(aiohttp.ClientError):
        await create(client)
    assert await read(client) == 200


async def test_a_watch_is_dropped(api: EmbeddedAPI, client: aiohttp.ClientSession) -> None:
    api.faults.add(Fault(verb="watch", drop_watch_after=0.05))
    with pytest.raises(aiohttp.ClientError):
        async with client.get(CONFIG_MAPS, params={"watch": "1"}) as response:
            await response.read()


async def test_a_watch_expires(api: EmbeddedAPI, client: aiohttp.ClientSession) -> None:
    api.faults.add(Fault(verb="watch", expire_watch=True, times=1))
    async with client.get(CONFIG_MAPS, params={"watch": "1"}) as response:
        assert b'"code": 410' in await response.read()


async def test_forgotten_history_expires_watches(
    api: EmbeddedAPI, client: aiohttp.ClientSession
) -> None:
    await create(client)
    api.cluster.store.compact()
    params = {"watch": "1", "resourceVersion": "1"}
    async with client.get(CONFIG_MAPS, params=params) as response:
        assert b"too old resource version: 1 (" in await response.read()


async def test_open_watches_can_be_ended(api: EmbeddedAPI, client: aiohttp.ClientSession) -> None:
    async with client.get(CONFIG_MAPS, params={"watch": "1"}) as response:
        api.cluster.store.end_watches()
        assert await response.read() == b""


async def test_requests_are_counted_by_client_and_kind(
    api: EmbeddedAPI, client: aiohttp.ClientSession
) -> None:
    await create(client)
    await read(client)
    await client.patch(f"{CONFIG_MAPS}/c/status", json={})
    async with client.get(CONFIG_MAPS, params={"watch": "1", "timeoutSeconds": "0"}):
        pass
    log = api.requests
    assert log.count(user_agent="tester") == 4
    assert log.count(user_agent="other") == 0
    assert log.count(verb=lambda verb: verb in ("create", "patch")) == 2
    found = log.matching(verb="patch")[0]
    assert (found.resource, found.subresource, found.name, found.code) == (
        "configmaps",
        "status",
        "c",
        404,
    )
    assert log.count(verb="watch", resource="configmaps") == 1
    log.reset()
    assert log.count() == 0


async def test_dry_runs_are_told_apart(api: EmbeddedAPI, client: aiohttp.ClientSession) -> None:
    await client.post(CONFIG_MAPS, json=BODY, params={"dryRun": "All"})
    assert api.requests.count(dry_run=True, code=201) == 1


async def test_switches_for_other_processes(
    api: EmbeddedAPI, client: aiohttp.ClientSession
) -> None:
    async with client.post("/playground/faults", json={"verb": "create", "status": 500}) as made:
        number = (await made.json())["id"]
    assert await create(client) == 500
    async with client.get("/playground/faults") as listed:
        assert [(f["id"], f["hits"]) for f in await listed.json()] == [(number, 1)]
    await client.delete(f"/playground/faults/{number}")
    assert await create(client) == 201
    async with client.get("/playground/requests", params={"verb": "create", "code": "201"}) as log:
        assert len(await log.json()) == 1
    await client.delete("/playground/requests")
    assert api.requests.count() == 0
    async with client.post("/playground/faults", json={"vreb": "create"}) as refused:
        assert refused.status == 400
        assert "['vreb']" in await refused.text()


async def test_rights_can_be_switched_on(api: EmbeddedAPI, client: aiohttp.ClientSession) -> None:
    assert await create(client) == 201
    api.authorizer.enabled = True
    api.authorizer.tokens["secret"] = User("jane", ("system:masters",))
    assert await read(client) == 403
    client.headers["Authorization"] = "Bearer secret"
    assert await read(client) == 200
    assert api.requests.matching(verb="get")[-1].user == "jane"


async def test_a_kubeconfig_is_for_its_owner_only(api: EmbeddedAPI, tmp_path: Path) -> None:
    path = api.write_kubeconfig(tmp_path / "kubeconfig", token="t", namespace="n")
    config = yaml.safe_load(path.read_text())
    assert path.stat().st_mode & 0o777 == 0o600
    assert config["clusters"][0]["cluster"] == {"server": api.url}
    assert config["users"][0]["user"] == {"token": "t"}
    assert config["contexts"][0]["context"]["namespace"] == "n"


async def test_a_process_of_its_own(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    crds = ISTIO_DEFINITIONS / "virtualservices.yaml"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "canary_operator.playground.api"),
        *("--port", "0", "--kubeconfig", str(kubeconfig), "--crd", str(crds)),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert process.stdout
        url = (await process.stdout.readline()).decode().strip()
        assert yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"] == url
        path = "/apis/networking.istio.io/v1/virtualservices"
        async with aiohttp.ClientSession(url) as session, session.get(path) as response:
            assert (await response.json())["kind"] == "VirtualServiceList"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_events_of_a_watch_are_shared_text(
    api: EmbeddedAPI, client: aiohttp.ClientSession
) -> None:
    """Writing an object as JSON once serves every list and watch."""
    await create(client)
    stored = api.cluster.store.get(("", "configmaps"), ("default", "c"))
    assert stored

    def unexpected(_: Any) -> Any:
        raise AssertionError("the text should be known")

    first = stored.text("v1", lambda obj: obj)
    assert stored.text("v1", unexpected) is first
