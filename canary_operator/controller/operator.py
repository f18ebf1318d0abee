"""The operator as a whole: started, run until it is told to stop, stopped in order."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import kopf

from canary_operator.controller.handlers import Watched, build_registry
from canary_operator.controller.health import serve_health
from canary_operator.controller.login import Login
from canary_operator.controller.settings import kopf_settings
from canary_operator.engine.checks import Checks
from canary_operator.engine.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that `wiring.py` built."""

    login: Login
    watched: tuple[Watched, ...]
    scheduler: Scheduler
    checks: Checks
    starting: tuple[Callable[[], None], ...]
    """What is to be started with the event loop running."""
    closing: tuple[Callable[[], Awaitable[None]], ...]
    """What is to be closed at the end, in this order."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where `/healthz` and `/readyz` are served."""

    host: str
    port: int


async def run(parts: Parts, namespaces: Sequence[str], address: Address | None) -> None:
    """Run until SIGTERM or SIGINT.

    Args:
        parts: What to run.
        namespaces: Namespaces to watch; empty means all.
        address: Where to serve health; None serves none.
    """
    ready = asyncio.Event()
    registry = build_registry(parts.watched, parts.scheduler.wake)

    async def stop(**_: object) -> None:
        await parts.scheduler.stop()
        await parts.checks.stop()
        for close in parts.closing:
            await close()

    kopf.on.login(registry=registry)(parts.login)
    kopf.on.cleanup(registry=registry)(stop)
    health = await serve_health(address.host, address.port, ready.is_set) if address else None
    for start in parts.starting:
        start()
    parts.scheduler.start()
    try:
        await kopf.operator(
            registry=registry,
            settings=kopf_settings(parts.watched, cluster_wide=not namespaces),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=tuple(namespaces),
            ready_flag=ready,
        )
    finally:
        if health is not None:
            await health.cleanup()
