"""`/metrics` for Prometheus, `/healthz` and `/readyz` for the kubelet."""

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus

from aiohttp import web

from canary_operator.controller.health import Health

SHUTDOWN_SECONDS = 1.0
"""How long an answer that is under way may take at the end."""

Exposition = Callable[[str], tuple[bytes, str]]
"""Returns text and content type for what a client says that it takes."""


async def serve(host: str, port: int, health: Health, exposition: Exposition) -> web.AppRunner:
    """Serve until the returned runner is cleaned up.

    Args:
        host: Address to listen on; empty for all.
        port: 0 for any that is free.
        health: What the kubelet asks.
        exposition: Makes the text of `/metrics`; called in a thread, so that thousands of
            rollouts do not hold up ticks.
    """

    async def metrics(request: web.Request) -> web.Response:
        accept = ",".join(request.headers.getall("Accept", ()))
        body, content_type = await asyncio.to_thread(exposition, accept)
        response = web.Response(body=body, headers={"Content-Type": content_type})
        response.enable_compression()
        return response

    async def healthz(_: web.Request) -> web.Response:
        await asyncio.sleep(0)  # a turn of the loop: what it tells is that there was one
        return _answer(health.problems())

    async def readyz(_: web.Request) -> web.Response:
        return _answer(health.missing())

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    await web.TCPSite(runner, host or None, port).start()
    return runner


def _answer(wrong: Mapping[str, str]) -> web.Response:
    if not wrong:
        return web.Response(text="ok\n")
    lines = "".join(f"{name}: {words}\n" for name, words in wrong.items())
    return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text=lines)
