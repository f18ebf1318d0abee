"""A stand-in for Prometheus that answers the two built-in queries, for thousands of rollouts.

It reads from a query which Services and Deployments it is about, and gives each of them requests
and durations. The operator cannot tell it from a Prometheus that has such series; evaluating the
queries over so many would need more of the machine than the operator that is measured.
"""

import math
import re
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import cache
from typing import Self

from aiohttp import web

_FINE = (0.5, 1, 5, 10, 25, 50, 100, 250, 500)
_COARSE = (1e3, 2.5e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 1.8e6, 3.6e6)
BOUNDS = (*_FINE, *_COARSE, math.inf)
"""Of Istio's histogram, in milliseconds."""
SLOWEST = 10
"""Milliseconds within which every request was answered."""
REQUESTS = 300
"""Of each track in a window."""

_SERVICES = re.compile(r'destination_service=~"([^"]*)"')


class StandIn:
    """Answers while the `async with` lasts."""

    def __init__(self) -> None:
        self.failing: dict[str, float] = {}
        """Canaries whose requests all fail, and since when: `web-1-canary`, second since 1970."""
        self.queries = 0
        self.port = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=16 << 20)
        app.router.add_post("/api/v1/query", self._query)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        async with AsyncExitStack() as stack:
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = runner.addresses[0][1]
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def url(self) -> str:
        """What the operator's `--prometheus-address` takes."""
        return f"http://127.0.0.1:{self.port}"

    async def _query(self, http: web.Request) -> web.Response:
        form = await http.post()
        promql, at = str(form["query"]), float(str(form.get("time") or time.time()))
        self.queries += 1
        rows = ",".join(self._rows(promql, at))
        body = '{"status":"success","data":{"resultType":"vector","result":[' + rows + "]}}"
        return web.Response(text=body, content_type="application/json")

    def _rows(self, promql: str, at: float) -> Iterator[str]:
        slow = "_bucket" in promql
        for labels in _identities(promql):
            yield _durations(labels) if slow else _requests(labels, self._code(labels, at))

    def _code(self, labels: str, at: float) -> int:
        failed = any(at >= since and f'"{name}' in labels for name, since in self.failing.items())
        return 500 if failed else 200


def _identities(promql: str) -> Iterator[str]:
    """Yield the labels that name each Service and each Deployment of a query, as JSON."""
    services = _SERVICES.search(promql)
    if services is None:
        raise web.HTTPBadRequest(text="only the built-in queries are known here")
    for host in _literals(services[1]):
        yield f'"destination_service":"{host}"'
    for host in _literals(services[1]):
        name, namespace = host.split(".")[:2]
        yield f'"destination_workload_namespace":"{namespace}","destination_workload":"{name}"'


def _literals(pattern: str) -> list[str]:
    return pattern.replace("\\", "").split("|")


@cache
def _requests(labels: str, code: int) -> str:
    outcome = f'"response_code":"{code}","response_flags":"-","request_protocol":"http"'
    return f'{{"metric":{{{labels},{outcome}}},"value":[0,"{REQUESTS}"]}}'


@cache
def _durations(labels: str) -> str:
    """Return a histogram whose requests took 5 to 10 ms."""
    counts = ((_bound(bound), REQUESTS if bound >= SLOWEST else 0) for bound in BOUNDS)
    return ",".join(
        f'{{"metric":{{{labels},"le":"{bound}"}},"value":[0,"{count}"]}}' for bound, count in counts
    )


def _bound(milliseconds: float) -> str:
    return "+Inf" if math.isinf(milliseconds) else f"{milliseconds:g}"
