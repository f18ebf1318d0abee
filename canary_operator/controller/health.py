"""`/healthz` and `/readyz` for the kubelet."""

import asyncio
from collections.abc import Callable

from aiohttp import web


async def serve_health(host: str, port: int, ready: Callable[[], bool]) -> web.AppRunner:
    """Serve until the returned runner is cleaned up.

    `/healthz` answers as long as the event loop turns; `/readyz` answers 503 until `ready()`.
    """

    async def healthz(_: web.Request) -> web.Response:
        await asyncio.sleep(0)  # a turn of the loop: what it tells is that there was one
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if ready():
            return web.Response(text="ok\n")
        return web.Response(status=503, text="watches are not established yet\n")

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host or None, port).start()
    return runner
