"""The operator as a whole: started, run until it is told to stop, stopped in order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import kopf

from canary_operator.adapters.cluster.followed import Followed
from canary_operator.controller.collecting import spare_what_stays
from canary_operator.controller.endpoints import Exposition, serve
from canary_operator.controller.filling import Filling
from canary_operator.controller.handlers import build_registry
from canary_operator.controller.health import Health, unless
from canary_operator.controller.leadership.election import Election
from canary_operator.controller.leadership.term import Term
from canary_operator.controller.login import Login
from canary_operator.controller.settings import NothingRemembered, kopf_settings
from canary_operator.engine.checks import Checks
from canary_operator.engine.scheduler import Scheduler

WITHOUT_PEERS: Any = "canary-operator"
"""kopf's name for this process among its peers, which we have none of. Without one, kopf asks the
system for the name of the user, and in a container that user may have none."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that `wiring.py` built."""

    login: Login
    followed: tuple[Followed, ...]
    scheduler: Scheduler
    checks: Checks
    election: Election | None
    """Who may write; None where this operator is the only one."""
    term: Term
    health: Health
    filling: Filling
    exposition: Exposition
    """Makes the text of `/metrics`."""
    starting: tuple[Callable[[], None], ...]
    """What is to be started with the event loop running."""
    finishing: tuple[Callable[[], Awaitable[None]], ...]
    """What may still write at the end, before the Lease is given back."""
    closing: tuple[Callable[[], Awaitable[None]], ...]
    """What is to be closed at the end, in this order."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where `/metrics`, `/healthz` and `/readyz` are served."""

    host: str
    port: int


async def run(parts: Parts, namespaces: Sequence[str], address: Address | None) -> None:
    """Run until SIGTERM or SIGINT.

    Args:
        parts: What to run.
        namespaces: Namespaces to watch; empty means all.
        address: Where to serve metrics and health; None serves none.
    """
    watching = asyncio.Event()
    watching.set()
    registry = build_registry(parts.followed, parts.scheduler.wake)

    async def stop(**_: object) -> None:
        watching.clear()
        await parts.scheduler.stop()
        await parts.checks.stop()
        for finish in parts.finishing:
            await finish()
        if parts.election is not None:
            await parts.election.stop()
        for close in parts.closing:
            await close()
        await served.aclose()  # kopf waits for tasks that are left, such as open connections

    kopf.on.login(registry=registry)(parts.login)
    kopf.on.cleanup(registry=registry)(stop)
    parts.health.alive["watches"] = unless(watching.is_set, "ended; the operator stops")
    async with AsyncExitStack() as served:
        await served.enter_async_context(_served(parts, address))
        await parts.filling.until_filled()
        spare_what_stays()
        _begin(parts)
        await kopf.operator(
            memories=NothingRemembered(),
            registry=registry,
            settings=kopf_settings(parts.followed, cluster_wide=not namespaces),
            standalone=True,
            identity=WITHOUT_PEERS,
            clusterwide=not namespaces,
            namespaces=tuple(namespaces),
        )


def _begin(parts: Parts) -> None:
    for start in parts.starting:
        start()
    if parts.election is None:
        parts.term.start()
    else:
        parts.election.start(parts.term.begin, parts.term.end)


@asynccontextmanager
async def _served(parts: Parts, address: Address | None) -> AsyncIterator[None]:
    if address is None:
        yield
        return
    runner = await serve(address.host, address.port, parts.health, parts.exposition)
    try:
        yield
    finally:
        await runner.cleanup()
