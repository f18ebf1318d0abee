"""The API client: errors, and a watch that loses nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from canary_operator.playground.client import (
    PODS,
    AlreadyExistsError,
    ApiStatusError,
    ApiUnavailableError,
    Change,
    ChangeKind,
    Client,
    ConflictError,
    ExpiredError,
    NotFoundError,
)
from canary_operator.playground.controllers.cache import Cache
from canary_operator.playground.controllers.worker import Worker


def pod(name: str, version: int) -> dict[str, Any]:
    meta = {"name": name, "namespace": "demo", "uid": name, "resourceVersion": str(version)}
    return {"metadata": meta}


def event(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": item}


ERROR_410 = event("ERROR", {"code": 410, "reason": "Expired", "message": "too old"})


@dataclass
class Script:
    """A server that answers as told: lists in order, the last one again and again; watches too."""

    lists: list[list[dict[str, Any]]] = field(default_factory=lambda: [[]])
    watches: list[list[dict[str, Any]] | int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            self.asked.append("list")
            items = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
            return web.json_response({"metadata": {"resourceVersion": "10"}, "items": items})
        self.asked.append(request.query["resourceVersion"])
        events = self.watches.pop(0) if self.watches else None
        if isinstance(events, int):
            return web.json_response({"code": events, "reason": "Expired"}, status=events)
        response = web.StreamResponse()
        await response.prepare(request)
        for each in events or []:
            await response.write(json.dumps(each).encode() + b"\n")
        if events is None:
            await asyncio.sleep(60)
        return response


Start = Callable[[Any], Any]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    runners: list[web.AppRunner] = []

    async def started(answer: Any) -> Client:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application, shutdown_timeout=0.01, handler_cancellation=True)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        return Client(f"http://127.0.0.1:{port}")

    yield started
    for runner in runners:
        await runner.cleanup()


async def seen(client: Client, count: int) -> list[tuple[ChangeKind, str]]:
    """Return the first changes of a watch as kind and name."""
    found: list[Change] = []
    async with client, asyncio.timeout(10), aclosing(client.watch(PODS)) as changes:
        async for change in changes:
            found.append(change)
            if len(found) == count:
                break
    return [(each.kind, each.object.get("metadata", {}).get("name", "")) for each in found]


SYNCED = (ChangeKind.SYNCED, "")
ADDED_A = (ChangeKind.ADDED, "a")


@pytest.mark.parametrize(
    ("script", "changes", "asked"),
    [
        pytest.param(
            Script([[pod("a", 5)]], [[event("ADDED", pod("b", 11))]]),
            [ADDED_A, SYNCED, (ChangeKind.ADDED, "b")],
            ["list", "10"],
            id="lists, then follows",
        ),
        pytest.param(
            Script(
                [[pod("a", 5)]],
                [
                    [event("MODIFIED", pod("a", 11)), event("BOOKMARK", pod("", 20))],
                    [event("DELETED", pod("a", 21))],
                ],
            ),
            [ADDED_A, SYNCED, (ChangeKind.MODIFIED, "a"), (ChangeKind.DELETED, "a")],
            ["list", "10", "20"],
            id="goes on where it ended",
        ),
        pytest.param(
            Script([[pod("a", 5), pod("b", 6)], [pod("b", 9), pod("c", 9)]], [[ERROR_410]]),
            [
                ADDED_A,
                (ChangeKind.ADDED, "b"),
                SYNCED,
                (ChangeKind.DELETED, "a"),
                (ChangeKind.MODIFIED, "b"),
                (ChangeKind.ADDED, "c"),
            ],
            ["list", "10", "list"],
            id="an expired version is told as the difference of two lists",
        ),
        pytest.param(
            Script([[pod("a", 5)], []], [410]),
            [ADDED_A, SYNCED, (ChangeKind.DELETED, "a")],
            ["list", "10", "list"],
            id="also where the server refuses at once",
        ),
        pytest.param(
            Script([[pod("a", 5)]], [500, [], [event("MODIFIED", pod("a", 11))]]),
            [ADDED_A, SYNCED, (ChangeKind.MODIFIED, "a")],
            ["list", "10", "10", "10"],
            id="errors and ends are survived",
        ),
    ],
)
async def test_watching(
    script: Script, changes: list[tuple[ChangeKind, str]], asked: list[str], start: Start
) -> None:
    assert await seen(await start(script.answer), len(changes)) == changes
    assert script.asked[: len(asked)] == asked


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (404, "NotFound", NotFoundError),
        (409, "Conflict", ConflictError),
        (409, "AlreadyExists", AlreadyExistsError),
        (410, "Expired", ExpiredError),
        (422, "Invalid", ApiStatusError),
    ],
)
async def test_refusals(
    code: int, reason: str, expected: type[ApiStatusError], start: Start
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"code": code, "reason": reason, "message": "no"}, status=code)

    async with await start(refuse) as client:
        with pytest.raises(expected, match=f"{code} {reason}: no"):
            await client.get(PODS, "a", "demo")


async def test_an_answer_that_is_no_status(start: Start) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(text="<html>bad gateway", status=502)

    async with await start(refuse) as client:
        with pytest.raises(ApiStatusError, match="502 Unknown: <html>bad gateway"):
            await client.get(PODS, "a", "demo")


async def test_nobody_there() -> None:
    async with Client("http://127.0.0.1:9") as client:
        with pytest.raises(ApiUnavailableError, match="GET /api/v1/namespaces/demo/pods/a"):
            await client.get(PODS, "a", "demo")


async def test_a_cache_believes_the_newest_and_never_the_dead(start: Start) -> None:
    async def gone(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "status": "Success"})

    async with await start(gone) as client:
        cache = Cache(client, PODS)
        cache.remember(pod("a", 5))
        cache.remember(pod("a", 4))
        assert cache.get(("demo", "a")) == pod("a", 5)
        await cache.delete(pod("a", 5))
        cache.remember(pod("a", 6))
        assert cache.get(("demo", "a")) is None


async def test_a_worker_counts_wake_ups_as_one_and_never_runs_a_key_twice_at_once() -> None:
    running, runs, done = 0, 0, asyncio.Event()

    async def reconcile(_: tuple[str, str]) -> float | None:
        nonlocal running, runs
        running, runs = running + 1, runs + 1
        assert running == 1
        await asyncio.sleep(0.01)
        running -= 1
        if runs == 3:
            done.set()
        return 0.01 if runs == 2 else None

    worker = Worker("test", reconcile)
    for _ in range(5):
        worker.wake(("demo", "a"))
    assert runs == 0, "not before it starts"
    worker.start()
    await asyncio.sleep(0)
    worker.wake(("demo", "a"))
    await asyncio.wait_for(done.wait(), 5)
    await worker.stop()
    assert runs == 3, "once, once more for what came meanwhile, once because time had passed"


async def test_a_worker_tries_again_after_an_error() -> None:
    outcomes, done = (
        [ApiUnavailableError("away"), ConflictError(409, "Conflict", "")],
        asyncio.Event(),
    )

    async def reconcile(_: tuple[str, str]) -> None:
        if outcomes:
            raise outcomes.pop()
        done.set()

    worker = Worker("test", reconcile)
    worker.start()
    worker.wake(("demo", "a"))
    await asyncio.wait_for(done.wait(), 5)
    await worker.stop()
