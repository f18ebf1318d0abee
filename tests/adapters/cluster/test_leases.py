"""A Lease on a Kubernetes API."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest

from canary_operator.adapters.cluster.leases import Lease
from canary_operator.adapters.cluster.resources import LEASES
from canary_operator.controller.leadership.rules import Record, Times, claim, release, renewal
from canary_operator.domain.errors import ConflictError
from tests.adapters.cluster.world import World

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 1, 1, 12, 0, 2, 500, tzinfo=UTC)
TIMES = Times()


def lease_in(world: World) -> Lease:
    return Lease(world.client, world.namespace, "canary-operator", 60.0)


async def test_a_lease_is_made_renewed_given_back_and_taken(world: World) -> None:
    lease = lease_in(world)
    assert await lease.read() is None
    made = Record.read(await lease.create(claim("a", TIMES, None, NOW)))
    assert (made.holder, made.duration, made.transitions) == ("a", 10, 0)
    renewed = Record.read(await lease.change(made.version, renewal("a", TIMES, LATER)))
    assert renewed.holder == "a"
    assert renewed.renewed_at == "2026-01-01T12:00:02.000500Z"
    free = Record.read(await lease.change(renewed.version, release(LATER)))
    assert free.holder == ""
    taken = Record.read(await lease.change(free.version, claim("b", TIMES, free, LATER)))
    assert (taken.holder, taken.transitions) == ("b", 1)
    assert Record.read(await lease.read() or {}) == taken


async def test_who_comes_second_gets_nothing(world: World) -> None:
    lease = lease_in(world)
    made = Record.read(await lease.create(claim("a", TIMES, None, NOW)))
    with pytest.raises(ConflictError):
        await lease.create(claim("b", TIMES, None, NOW))
    await lease.change(made.version, renewal("a", TIMES, LATER))
    with pytest.raises(ConflictError):
        await lease.change(made.version, claim("b", TIMES, made, LATER))
    now = Record.read(await lease.read() or {})
    assert now.holder == "a"
    await world.delete(LEASES, "canary-operator")
    with pytest.raises(ConflictError):
        await lease.change(now.version, renewal("a", TIMES, LATER))


async def test_a_lease_is_followed_from_before_it_exists_until_it_is_gone(world: World) -> None:
    lease = lease_in(world)
    seen: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def follow() -> None:
        async with aclosing(lease.follow()) as changes:
            async for change in changes:
                seen.put_nowait(change)

    async def following() -> Record | None:
        async with asyncio.timeout(10):
            change = await seen.get()
        return None if change is None else Record.read(change)

    task = asyncio.create_task(follow())
    made = Record.read(await lease.create(claim("a", TIMES, None, NOW)))
    assert await following() == made
    other = Lease(world.client, world.namespace, "another", 60.0)
    await other.create(claim("x", TIMES, None, NOW))
    renewed = Record.read(await lease.change(made.version, renewal("a", TIMES, LATER)))
    assert await following() == renewed
    await world.delete(LEASES, "canary-operator")
    assert await following() is None
    assert seen.empty()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
