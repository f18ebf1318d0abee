"""Serves request metrics over HTTP, on loopback, for a real Prometheus to scrape."""

from typing import Self

from aiohttp import web

from canary_operator.playground.mesh.series import RequestMetrics


class Exporter:
    """`/metrics` of one `RequestMetrics`; use it as an async context manager."""

    def __init__(self, metrics: RequestMetrics) -> None:
        self.metrics = metrics
        self.port = 0
        """Chosen by the kernel when the exporter starts."""
        self.scrapes = 0
        self._runner = web.AppRunner(self._application(), access_log=None)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def target(self) -> str:
        """The address that Prometheus scrapes."""
        return f"127.0.0.1:{self.port}"

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/metrics", self._answer)
        return application

    async def _answer(self, _: web.Request) -> web.Response:
        self.scrapes += 1
        return web.Response(
            body=self.metrics.render().encode(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )
