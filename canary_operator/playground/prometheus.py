"""A real Prometheus, started for one run and gone after it.

    async with Prometheus(directory, [mesh.metrics_target]) as prometheus:
        await prometheus.value("sum(istio_requests_total)")

Its data lies in the given directory and is removed when it stops; only its log stays there.
"""

import asyncio
import json
import shutil
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import aiohttp

from canary_operator.playground.daemon import Daemon, DaemonError, find_program

REMEDY = (
    "Install it with `apt-get install prometheus` (Debian, Ubuntu) or `brew install prometheus`, "
    "or put a release from https://prometheus.io/download on PATH."
)
DEBIAN_PLACE = Path("/usr/bin")
START_SECONDS = 30.0
PORT_ATTEMPTS = 5
POLL_SECONDS = 0.02
DEFAULT_SCRAPE_SECONDS = 1.0


class QueryError(RuntimeError):
    """Prometheus did not answer a query with a result."""


@dataclass(frozen=True)
class Sample:
    """One series of an instant query's answer."""

    labels: Mapping[str, str]
    value: float


class Prometheus:
    """A running Prometheus on loopback; use it as an async context manager."""

    def __init__(
        self,
        directory: Path,
        targets: Sequence[str],
        *,
        scrape_seconds: float = DEFAULT_SCRAPE_SECONDS,
        pods: Path | None = None,
    ) -> None:
        """Prepare, start nothing yet.

        Args:
            directory: An existing folder for data, configuration and log.
            targets: What to scrape, as `host:port`.
            scrape_seconds: How often; 1 for a demo, 15 to be like a usual cluster.
            pods: File that names further targets, and may change; see `pod_targets`.
        """
        self._directory = directory
        self._targets = list(targets)
        self._scrape_seconds = scrape_seconds
        self._pods = pods
        self._stack = AsyncExitStack()
        self._session: aiohttp.ClientSession
        self.daemon: Daemon
        self.port = 0

    async def __aenter__(self) -> Self:
        config = configuration(self._targets, self._scrape_seconds, self._pods)
        self._config_file.write_text(json.dumps(config))
        async with AsyncExitStack() as stack:
            self._session = await stack.enter_async_context(aiohttp.ClientSession())
            stack.callback(shutil.rmtree, self._data, ignore_errors=True)
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def url(self) -> str:
        """What the operator's `--prometheus-address` takes."""
        return f"http://127.0.0.1:{self.port}"

    async def query(self, promql: str) -> list[Sample]:
        """Return the series of an instant query.

        Raises:
            QueryError: Prometheus refused the query or does not answer.
        """
        try:
            async with self._session.get(
                f"{self.url}/api/v1/query", params={"query": promql}
            ) as response:
                answer = await response.json()
        except (aiohttp.ClientError, ValueError) as error:
            raise QueryError(f"Prometheus did not answer {promql!r}: {error!r}") from error
        if answer.get("status") != "success":
            raise QueryError(f"Prometheus refused {promql!r}: {answer.get('error')}")
        return [_sample(item) for item in answer["data"]["result"]]

    async def value(self, promql: str) -> float | None:
        """Return the number of a query that gives one series; `None` for none.

        Raises:
            QueryError: there are several, or no answer at all.
        """
        match await self.query(promql):
            case []:
                return None
            case [sample]:
                return sample.value
            case several:
                raise QueryError(f"{promql!r} gives {len(several)} series instead of one")

    async def wait_for(
        self, promql: str, condition: Callable[[float | None], bool], seconds: float = 30.0
    ) -> float | None:
        """Ask until the value meets `condition`, and return it.

        Raises:
            TimeoutError: it did not happen in time; the message has the last value.
        """
        deadline = time.monotonic() + seconds
        while not condition(value := await self.value(promql)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{promql!r} was still {value} after {seconds:g} s")
            await asyncio.sleep(min(0.1, self._scrape_seconds / 2))
        return value

    async def _start(self, stack: AsyncExitStack) -> None:
        """Start on a free port; Prometheus cannot be told to choose one and say which."""
        program = find_program("prometheus", REMEDY, DEBIAN_PLACE)
        for attempt in range(PORT_ATTEMPTS):
            self.port = _free_port()
            async with AsyncExitStack() as this_attempt:
                self.daemon = await this_attempt.enter_async_context(self._prepared(program))
                try:
                    await self._ready()
                except DaemonError as error:
                    taken = "address already in use" in str(error)
                    if not taken or attempt == PORT_ATTEMPTS - 1:
                        raise
                    continue
                await stack.enter_async_context(this_attempt.pop_all())
                return

    def _prepared(self, program: Path) -> Daemon:
        return Daemon(
            [
                program,
                f"--config.file={self._config_file}",
                f"--storage.tsdb.path={self._data}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--log.level=warn",
            ],
            self._directory / "prometheus.log",
        )

    async def _ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not await self._answers():
            self.daemon.check()
            if time.monotonic() > deadline:
                raise DaemonError(
                    f"Prometheus was not ready after {START_SECONDS:g} s. Its last lines:\n"
                    + self.daemon.tail()
                )
            await asyncio.sleep(POLL_SECONDS)

    async def _answers(self) -> bool:
        try:
            async with self._session.get(f"{self.url}/-/ready") as response:
                return response.status == HTTPStatus.OK
        except aiohttp.ClientError:
            return False

    @property
    def _data(self) -> Path:
        return self._directory / "prometheus-data"

    @property
    def _config_file(self) -> Path:
        return self._directory / "prometheus.yml"


def configuration(
    targets: Sequence[str], scrape_seconds: float, pods: Path | None = None
) -> dict[str, Any]:
    """Return Prometheus' configuration; JSON is YAML.

    `honor_labels` keeps the `instance`, `pod` and `namespace` that the exporter gives, since one
    target speaks for all proxies.
    """
    interval = f"{round(scrape_seconds * 1000)}ms"
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval},
        "scrape_configs": [
            {
                "job_name": "istio-proxies",
                "honor_labels": True,
                "static_configs": [{"targets": list(targets)}],
            },
            *([{"job_name": "pods", "file_sd_configs": [{"files": [str(pods)]}]}] if pods else ()),
        ],
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _sample(item: Mapping[str, Any]) -> Sample:
    return Sample(item["metric"], float(item["value"][1]))
