"""The operator as a process of its own, on one core, and what the kernel says of it."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from benchmarks.processes import cpu_seconds, most_resident_megabytes, resident_megabytes
from benchmarks.scale.recorder import Tick, read_ticks
from canary_operator.playground.daemon import Daemon

OPERATORS_CORE = 0
CENSUS_SECONDS = 30.0
PROFILE = "BENCH_PROFILE"
"""Environment variable with the file that gets a profile, for `python -m pstats`."""


def leave_core_to_the_operator() -> None:
    """Keep this process, and those that it starts, from the operator's core, if there are more."""
    others = os.sched_getaffinity(0) - {OPERATORS_CORE}
    if others:
        os.sched_setaffinity(0, others)


class MeasuredOperator:
    """`canary-operator run` on one core; an async context manager."""

    def __init__(
        self, kubeconfig: Path, prometheus: str, folder: Path, arguments: Sequence[str] = ()
    ) -> None:
        """Remember how to start it.

        Args:
            kubeconfig: Which cluster, and as whom.
            prometheus: Where Prometheus answers.
            folder: For its log and the record of its ticks.
            arguments: Further flags of `canary-operator run`.
        """
        self.log = folder / "operator.log"
        self._profile = os.environ.get(PROFILE)
        self._ticks, self._census = folder / "ticks", folder / "census"
        self._command = [
            "/usr/bin/env",
            f"KUBECONFIG={kubeconfig}",
            *("taskset", "--cpu-list", str(OPERATORS_CORE)),
            *(sys.executable, "-m", "benchmarks.scale.recorder"),
            *(str(self._ticks), str(self._census)),
            *(("--profile", self._profile) if self._profile else ()),
            "run",
            f"--prometheus-address={prometheus}",
            "--metrics-address=",
            "--log-level=warning",
            *arguments,
        ]
        self._daemon: Daemon
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._daemon = await stack.enter_async_context(Daemon(self._command, self.log))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def pid(self) -> int:
        """Return which process it is."""
        return self._daemon.pid

    def check(self) -> None:
        """Raise with the last lines of its log when it has died."""
        self._daemon.check()

    @property
    def cpu_seconds(self) -> float:
        """Return the CPU time so far, of all threads."""
        return cpu_seconds(self.pid)

    @property
    def megabytes(self) -> float:
        """Return the memory that is resident now."""
        return resident_megabytes(self.pid)

    @property
    def most_megabytes(self) -> float:
        """Return the most memory that was ever resident."""
        return most_resident_megabytes(self.pid)

    def profile(self, *, begin: bool) -> None:
        """Begin or end a profile, if one is wanted."""
        if self._profile:
            os.kill(self.pid, signal.SIGUSR1 if begin else signal.SIGUSR2)

    async def tasks(self) -> int:
        """Return how many tasks its event loop has, after a garbage collection."""
        self._census.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGHUP)
        async with asyncio.timeout(CENSUS_SECONDS):
            while not self._census.exists():  # noqa: ASYNC110 - the other side sends no signal
                await asyncio.sleep(0.02)
        return int(self._census.read_text())

    def ticks(self, since: float = 0.0) -> list[Tick]:
        """Return the ticks that ended at second `since` of the monotonic clock or later."""
        return list(read_ticks(self._ticks, since))
