"""The gate passes on what it is not told to change, on either cluster."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from canary_operator.playground.api.faults import Fault
from canary_operator.playground.api.requests import Request
from canary_operator.playground.client import (
    SERVICES,
    ApiStatusError,
    ApiUnavailableError,
    Client,
    Manifest,
    NotFoundError,
)
from tests.support.clusters import Cluster, eventually
from tests.support.gate import Gate, Write


@pytest_asyncio.fixture
async def gate(cluster: Cluster) -> AsyncIterator[Gate]:
    async with Gate(cluster.access) as gate:
        yield gate


@pytest_asyncio.fixture
async def client(cluster: Cluster, gate: Gate) -> AsyncIterator[Client]:
    async with gate.seen_from(cluster.access).client() as client:
        yield client


def service(name: str) -> Manifest:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], "selector": {"a": name}}}


async def test_who_asks_and_what_is_refused_is_passed_on(
    cluster: Cluster, client: Client, gate: Gate
) -> None:
    namespace = await cluster.namespace()
    made = await client.create(SERVICES, service("one"), namespace)
    assert made == await cluster.client.get(SERVICES, "one", namespace)
    with pytest.raises(NotFoundError):
        await client.get(SERVICES, "two", namespace)
    assert [(each.verb, each.code) for each in gate.requests.entries] == [
        ("create", 201),
        ("get", 404),
    ]
    (write,) = gate.writes
    assert (write.number, write.request.resource, write.body) == (0, "services", service("one"))


async def test_a_write_is_stopped_before_or_after_it_is_done(
    cluster: Cluster, client: Client, gate: Gate
) -> None:
    namespace = await cluster.namespace()

    async def stop(_: Write) -> bool:
        return False

    gate.before = stop
    with pytest.raises(ApiUnavailableError):
        await client.create(SERVICES, service("never"), namespace)
    gate.let_pass()
    gate.after = stop
    with pytest.raises(ApiUnavailableError):
        await client.create(SERVICES, service("done"), namespace)
    found = await cluster.client.list(SERVICES, namespace)
    assert [each["metadata"]["name"] for each in found["items"]] == ["done"]


async def test_faults_are_those_of_the_embedded_api(
    cluster: Cluster, client: Client, gate: Gate
) -> None:
    namespace = await cluster.namespace()
    number = gate.faults.add(Fault(verb="create", status=429, retry_after=3, times=1))
    with pytest.raises(ApiStatusError) as refused:
        await client.create(SERVICES, service("one"), namespace)
    assert refused.value.code == 429
    gate.faults.add(Fault(verb="list", reset=True, times=2))  # aiohttp tries a GET twice
    with pytest.raises(ApiUnavailableError):
        await client.list(SERVICES, namespace)
    assert (await client.list(SERVICES, namespace))["items"] == []
    assert gate.faults.hits(number) == 1


async def test_what_is_frozen_arrives_in_the_end(
    cluster: Cluster, client: Client, gate: Gate
) -> None:
    namespace = await cluster.namespace()

    def fits(request: Request) -> bool:
        return request.verb == "create"

    with gate.frozen(fits):
        creating = asyncio.create_task(client.create(SERVICES, service("late"), namespace))
        assert (await client.list(SERVICES, namespace))["items"] == []
        assert not creating.done()
    assert (await creating)["metadata"]["name"] == "late"


async def test_watches_are_told_what_a_test_says_and_end_when_it_says(
    cluster: Cluster, client: Client, gate: Gate
) -> None:
    namespace = await cluster.namespace()
    version = (await client.list(SERVICES, namespace))["metadata"]["resourceVersion"]
    query = {"watch": "1", "resourceVersion": version}

    def twice(_: Request, event: Manifest) -> list[Manifest]:
        return [] if event["object"]["metadata"]["name"] == "skipped" else [event, event]

    gate.telling = twice
    lines: list[bytes] = []

    async def follow() -> None:
        async with aclosing(client.lines(SERVICES.path(namespace), query)) as watch:
            async for line in watch:
                lines.append(line)  # noqa: PERF401 - looked at meanwhile

    following = asyncio.create_task(follow())
    for name in ("skipped", "told"):
        await cluster.client.create(SERVICES, service(name), namespace)

    async def begun() -> bool:
        return any(each.verb == "watch" for each in gate.requests.entries)

    await eventually(begun)
    gate.faults.add(Fault(verb="watch", expire_watch=True, times=1))
    again = [line async for line in client.lines(SERVICES.path(namespace), query)]
    assert b'"code": 410' in again[0]

    async def heard() -> bool:
        return len(lines) == 2

    await eventually(heard)
    gate.end_watches()
    await following
    assert all(b'"told"' in line for line in lines)


async def test_lists_are_answered_as_they_were(
    cluster: Cluster, client: Client, gate: Gate
) -> None:
    namespace = await cluster.namespace()
    before = await client.list(SERVICES, namespace)
    gate.lists = await gate.lists_of_now()
    await client.create(SERVICES, service("one"), namespace)
    assert await client.list(SERVICES, namespace) == before
    gate.let_pass()
    assert len((await client.list(SERVICES, namespace))["items"]) == 1
