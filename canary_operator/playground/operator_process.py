"""The operator as users run it, as a process of its own that can be stopped, killed and started."""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from canary_operator.playground.daemon import Daemon


class OperatorProcess:
    """`canary-operator run` against the cluster of a kubeconfig; an async context manager."""

    def __init__(
        self,
        kubeconfig: Path,
        prometheus_address: str,
        log: Path,
        arguments: Sequence[str] = (),
        scrape_interval: str = "1s",
    ) -> None:
        """Remember how to start it.

        Args:
            kubeconfig: Which cluster, and as whom.
            prometheus_address: Where Prometheus answers.
            log: File that gets the operator's log, of all its lives.
            arguments: Further flags of `canary-operator run`.
            scrape_interval: How often Prometheus scrapes, as the operator is told.
        """
        self.log = log
        self._command = [
            "/usr/bin/env",
            f"KUBECONFIG={kubeconfig}",
            sys.executable,
            "-m",
            "canary_operator.cli.main",
            "run",
            f"--prometheus-address={prometheus_address}",
            f"--prometheus-scrape-interval={scrape_interval}",
            "--metrics-address=",
            *arguments,
        ]
        self._daemon: Daemon | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        """Return the process that runs now."""
        if self._daemon is None:
            raise RuntimeError("the operator does not run")
        return self._daemon.pid

    async def start(self) -> None:
        """Start a new process."""
        async with AsyncExitStack() as stack:
            self._daemon = await stack.enter_async_context(Daemon(self._command, self.log))
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """Stop it as a cluster would: SIGTERM, and SIGKILL if that does not help."""
        await self._stack.aclose()
        self._daemon = None

    async def kill(self) -> None:
        """Let it die without a last word (SIGKILL)."""
        if self._daemon is not None:
            os.kill(self._daemon.pid, signal.SIGKILL)
            await self._daemon.wait()
        await self.stop()

    def check(self) -> None:
        """Raise with the last lines of its log when it has died."""
        if self._daemon is not None:
            self._daemon.check()
