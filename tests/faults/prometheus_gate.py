"""Stands between the operator and a real Prometheus, and lets happen what happens to that."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Self

import aiohttp
from aiohttp import web

Series = Mapping[str, Any]
MOMENTS = ("time", "start", "end")


class PrometheusGate:
    """A reverse proxy on loopback; use it as an async context manager."""

    def __init__(self) -> None:
        self.upstream = ""
        """Address of the real one."""
        self.asked = 0
        self._reset()
        self._runner: web.AppRunner | None = None
        self.port = 0

    def _reset(self) -> None:
        self.delay_seconds = 0.0
        """How much later than usual every answer comes."""
        self.ahead_seconds = 0.0
        """How much further its clock is than ours."""
        self.page: web.Response | None = None
        """Answered instead, whatever was asked."""
        self.shows: Callable[[Series], bool] = lambda _: True
        """Which series there are."""
        self.content_type = "application/json"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
        await self._session.close()

    @property
    def url(self) -> str:
        """What the operator's `--prometheus-address` takes."""
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Listen, at the port of before."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Let nobody connect."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def heal(self) -> None:
        """Do nothing any more but pass on."""
        self._reset()
        if self._runner is None:
            await self.open()

    async def _handle(self, http: web.Request) -> web.Response:
        self.asked += 1
        form = dict(await http.post())
        await asyncio.sleep(self.delay_seconds)
        if self.page is not None:
            return web.Response(
                text=self.page.text, status=self.page.status, content_type=self.page.content_type
            )
        for name in MOMENTS:
            if name in form:  # what this clock calls so was, by ours, that much earlier
                form[name] = f"{float(str(form[name])) - self.ahead_seconds:.3f}"
        async with self._session.request(
            http.method, self.upstream + http.path_qs, data=form or None
        ) as answer:
            body = await answer.json()
            text = json.dumps(self._shown(body))
            return web.Response(text=text, status=answer.status, content_type=self.content_type)

    def _shown(self, body: dict[str, Any]) -> dict[str, Any]:
        result = body.get("data", {}).get("result")
        if isinstance(result, list):
            body["data"]["result"] = [each for each in result if self._is_shown(each)]
        return body

    def _is_shown(self, series: Any) -> bool:
        return not isinstance(series, dict) or self.shows(series["metric"])
