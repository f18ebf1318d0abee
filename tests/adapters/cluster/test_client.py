"""Requests, and what becomes of answers that are no success."""

import asyncio
import socket
from datetime import timedelta
from typing import Any

import pytest
from kubernetes.aio.client.configuration import Configuration

from canary_operator.adapters.cluster import client as client_module
from canary_operator.adapters.cluster import connection
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.errors import (
    AlreadyExistsError,
    Call,
    ExpiredError,
    NotFoundError,
    Refusal,
    RejectedError,
    error_of,
)
from canary_operator.adapters.cluster.resources import DEPLOYMENTS, RECORDS, ROLLOUTS, SERVICES
from canary_operator.domain.errors import (
    ConflictError,
    ForbiddenError,
    NotLeaderError,
    UnavailableError,
)
from canary_operator.playground.api import Fault
from tests.adapters.cluster.world import World
from tests.support.clusters import EmbeddedCluster

CALL = Call("patch", DEPLOYMENTS, "demo", "web-stable")


def status(reason: str | None = None, message: str = "", **details: Any) -> dict[str, Any]:
    return {"kind": "Status", "reason": reason, "message": message, "details": details}


NO_RIGHT = (
    'deployments.apps "web-stable" is forbidden: User "system:serviceaccount:ops:operator" cannot '
    'patch resource "deployments" in API group "apps" in the namespace "demo"'
)
TYPED = "failed to create typed patch object (demo/web-stable; apps/v1, Kind=Deployment): "


@pytest.mark.parametrize(
    ("code", "body", "kind", "words"),
    [
        pytest.param(
            404,
            status("NotFound", 'deployments.apps "web" not found', name="web"),
            NotFoundError,
            "not found",
            id="no such object",
        ),
        pytest.param(404, "404 page not found", NotFoundError, "Not Found", id="no such API"),
        pytest.param(
            409, status("AlreadyExists", "exists"), AlreadyExistsError, "exists", id="name is taken"
        ),
        pytest.param(409, status("Conflict", "modified"), ConflictError, "modified", id="too late"),
        pytest.param(
            422,
            status("Invalid", "immutable", causes=[{"field": "metadata.uid"}]),
            ConflictError,
            "another object",
            id="another object of that name",
        ),
        pytest.param(410, status("Expired", "too old"), ExpiredError, "too old", id="expired"),
        pytest.param(
            401, status("Unauthorized"), UnavailableError, "credentials", id="who are you"
        ),
        pytest.param(
            403,
            status("Forbidden", NO_RIGHT),
            ForbiddenError,
            "may not patch deployments.apps in namespace demo. "
            'Give its user "system:serviceaccount:ops:operator" this right.',
            id="a missing right names verb and resource",
        ),
        pytest.param(
            403,
            status("Forbidden", "forbidden: cannot set blockOwnerDeletion if an ownerReference …"),
            ForbiddenError,
            "canaryrollouts/finalizers",
            id="a cluster that asks more of owners",
        ),
        pytest.param(
            403,
            status("Forbidden", 'services "web" is forbidden: exceeded quota: q'),
            RejectedError,
            "exceeded quota",
            id="a quota",
        ),
        pytest.param(
            403,
            status("Forbidden", "no", causes=[{"reason": "NamespaceTerminating"}]),
            UnavailableError,
            "403",
            id="a namespace that goes",
        ),
        pytest.param(
            400,
            status(None, 'admission webhook "images" denied the request: untrusted'),
            RejectedError,
            "untrusted",
            id="a webhook",
        ),
        pytest.param(
            422,
            status("Invalid", 'Deployment.apps "web-stable" is invalid: spec.x: Required value'),
            RejectedError,
            "422 spec.x: Required value",
            id="validation",
        ),
        pytest.param(
            500,
            status(None, TYPED + ".spec.template.spec.foo: field not declared in schema"),
            RejectedError,
            "500 spec.template.spec.foo: field not declared",
            id="an apply that makes no sense",
        ),
        pytest.param(
            500,
            status(None, TYPED + ".spec.a: expected string, got &value.valueUnstructured{Value:1}"),
            RejectedError,
            "expected string, got 1",
            id="an apply of a wrong type",
        ),
        pytest.param(
            500, status("InternalError", "etcd"), UnavailableError, "etcd", id="server error"
        ),
        pytest.param(503, "<html>", UnavailableError, "503", id="a proxy in between"),
        pytest.param(504, status("Timeout"), UnavailableError, "504", id="timeout"),
        pytest.param(429, status("TooManyRequests"), UnavailableError, "429", id="overload"),
    ],
)
def test_what_an_answer_means(code: int, body: Any, kind: type[Exception], words: str) -> None:
    error = error_of(CALL, Refusal(code, body))
    assert type(error) is kind
    assert words in str(error)


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [("7", timedelta(seconds=7)), (None, None), ("Wed, 21 Oct 2030 07:28:00 GMT", None)],
)
def test_how_long_the_server_wants_to_be_left_alone(
    retry_after: str | None, expected: timedelta | None
) -> None:
    error = error_of(CALL, Refusal(429, status("TooManyRequests"), retry_after))
    assert isinstance(error, UnavailableError)
    assert error.retry_after == expected


def test_whether_the_object_is_missing_or_its_api() -> None:
    missing = error_of(CALL, Refusal(404, status("NotFound", "no", name="web")))
    unknown = error_of(CALL, Refusal(404, "404 page not found"))
    assert isinstance(missing, NotFoundError)
    assert isinstance(unknown, NotFoundError)
    assert (missing.api_missing, unknown.api_missing) == (False, True)


def embedded(world: World) -> EmbeddedCluster:
    if not isinstance(world.cluster, EmbeddedCluster):
        pytest.skip("needs injected faults")
    return world.cluster


async def test_an_overloaded_server_says_when_to_come_back(world: World) -> None:
    embedded(world).api.faults.add(Fault(resource="services", status=429, retry_after=3))
    with pytest.raises(UnavailableError) as caught:
        await world.client.get(SERVICES, world.namespace, "web")
    assert caught.value.retry_after == timedelta(seconds=3)


async def test_a_kept_connection_that_is_closed_is_no_failure(world: World) -> None:
    embedded(world).api.faults.add(Fault(resource="services", reset=True, times=1))
    with pytest.raises(NotFoundError):
        await world.client.get(SERVICES, world.namespace, "web")


async def test_a_server_that_keeps_hanging_up(world: World) -> None:
    embedded(world).api.faults.add(Fault(resource="services", reset=True))
    with pytest.raises(UnavailableError, match="did not answer get services"):
        await world.client.get(SERVICES, world.namespace, "web")


async def test_a_server_that_does_not_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded(world).api.faults.add(Fault(resource="services", delay=30))
    monkeypatch.setattr(connection, "TIMEOUT_SECONDS", 0.05)
    async with Client(Configuration(host=world.cluster.url)) as client:
        with pytest.raises(UnavailableError, match="did not answer"):
            await client.get(SERVICES, world.namespace, "web")


async def test_a_server_that_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    codes = []
    configuration = Configuration(host=f"http://127.0.0.1:{port}")
    async with Client(configuration, lambda *call: codes.append(call[:3])) as client:
        with pytest.raises(UnavailableError):
            await client.get(SERVICES, "demo", "web")
    assert codes == [("get", "services", 0)]


async def test_something_that_is_no_kubernetes() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Client(Configuration(host=f"http://127.0.0.1:{port}")) as client:
        with pytest.raises(UnavailableError, match="something else than JSON"):
            await client.get(SERVICES, "demo", "web")


async def test_every_page_of_a_list(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_PAGE", 2)
    for number in range(5):
        await world.client.create(RECORDS, record(world, f"r{number}"))
    names = [each["metadata"]["name"] async for each in world.client.list(RECORDS, world.namespace)]
    assert names == [f"r{number}" for number in range(5)]
    assert world.calls["list", "controllerrevisions.apps"] == 3


async def test_a_list_of_a_kind_that_is_not_installed(world: World) -> None:
    unknown = type(RECORDS)("example.com", "v1", "things", "Thing")
    with pytest.raises(NotFoundError) as caught:
        [each async for each in world.client.list(unknown, None)]
    assert caught.value.api_missing


async def test_deleting_means_one_very_object(world: World) -> None:
    body = await world.client.create(RECORDS, record(world, "r1"))
    with pytest.raises(ConflictError):
        await world.client.delete(RECORDS, world.namespace, "r1", "another")
    await world.client.delete(RECORDS, world.namespace, "r1", body["metadata"]["uid"])
    with pytest.raises(NotFoundError):
        await world.client.get(RECORDS, world.namespace, "r1")


async def test_our_requests_can_be_told_from_others(world: World) -> None:
    world.cluster.forget_requests()
    await world.client.create(RECORDS, record(world, "r1"))
    meta = (await world.get(RECORDS, "r1"))["metadata"]
    assert [entry["manager"] for entry in meta["managedFields"]] == ["canary-operator"]
    ours = [
        r for r in world.cluster.requests().entries if r.user_agent.startswith("canary-operator/")
    ]
    assert [(request.verb, request.resource) for request in ours] == [
        ("create", "controllerrevisions")
    ]


async def test_an_account_without_rights(world: World) -> None:
    account = {"metadata": {"name": "operator"}}
    path = f"/api/v1/namespaces/{world.namespace}/serviceaccounts"
    await world.cluster.client.request("POST", path, account)
    access = await world.cluster.service_account(world.namespace, "operator")
    configuration = Configuration(host=access.url)
    configuration.ssl_ca_cert = str(access.ca_file) if access.ca_file else None
    configuration.api_key["BearerToken"] = f"Bearer {access.token}"
    async with Client(configuration) as client:
        with pytest.raises(ForbiddenError) as caught:
            await client.get(DEPLOYMENTS, world.namespace, "web")
        with pytest.raises(ForbiddenError, match=r"may not patch deployments\.apps in namespace"):
            await client.apply(DEPLOYMENTS, record(world, "web"))
    expected = f"The operator may not get deployments.apps in namespace {world.namespace}."
    assert caught.value.message.startswith(expected)
    assert f'"system:serviceaccount:{world.namespace}:operator"' in caught.value.message


def record(world: World, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": name, "namespace": world.namespace},
        "data": {},
        "revision": 1,
    }


async def test_who_does_not_lead_reads_and_sends_no_write(world: World) -> None:
    await world.rollout()
    left = 5.0
    client = Client(world.client._configuration, seconds_to_write=lambda: left)
    async with client:
        patch = {"metadata": {"labels": {"led": "yes"}}}
        await client.merge(ROLLOUTS, world.namespace, "web", patch)
        left = 0.0
        found = await client.get(ROLLOUTS, world.namespace, "web")
        for write in (
            client.merge(ROLLOUTS, world.namespace, "web", patch),
            client.merge_status(ROLLOUTS, world.namespace, "web", {"status": {}}),
            client.patch(ROLLOUTS, world.namespace, "web", []),
            client.apply(ROLLOUTS, found),
            client.create(ROLLOUTS, found),
            client.delete(ROLLOUTS, world.namespace, "web", found["metadata"]["uid"]),
        ):
            with pytest.raises(NotLeaderError, match="does not lead"):
                await write
    after = await world.get(ROLLOUTS, "web")
    assert after["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]


async def test_a_write_ends_before_another_may_lead(world: World) -> None:
    await world.rollout()
    embedded(world).api.faults.add(Fault(verb="patch", resource="canaryrollouts", delay=5.0))
    client = Client(world.client._configuration, seconds_to_write=lambda: 0.3)
    started = asyncio.get_running_loop().time()
    async with client:
        with pytest.raises(UnavailableError):
            await client.merge(ROLLOUTS, world.namespace, "web", {})
    assert asyncio.get_running_loop().time() - started < 4.0


@pytest.mark.parametrize(
    ("configured", "environment", "expected"),
    [
        pytest.param(None, {}, None, id="none"),
        pytest.param(None, {"https_proxy": "http://proxy:1"}, "http://proxy:1", id="everybody's"),
        pytest.param(
            "http://ours:2", {"https_proxy": "http://proxy:1"}, "http://ours:2", id="the cluster's"
        ),
        pytest.param(
            None,
            {"https_proxy": "http://proxy:1", "no_proxy": "api.example.com"},
            None,
            id="not it",
        ),
        pytest.param(None, {"http_proxy": "http://proxy:1"}, None, id="for other addresses"),
    ],
)
def test_the_proxy_on_the_way(
    configured: str | None,
    environment: dict[str, str],
    expected: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    configuration = Configuration(host="https://api.example.com:6443")
    configuration.proxy = configured
    found = connection.proxy_of(configuration)
    assert (None if found is None else str(found).rstrip("/")) == expected
