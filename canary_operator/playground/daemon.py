"""Real programs (Envoy, Prometheus) as children that never outlive the playground.

A child gets a process group of its own, so that Ctrl-C in a terminal reaches only the playground,
which then stops the children in order. Where `setpriv` exists (util-linux, every Debian), the
kernel stops a child even when the playground itself is killed.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

STOP_SECONDS = 5.0
TAIL_LINES = 15
STREAM_LIMIT = 1 << 20
"""Longest line of a child's output, in bytes; an access log line carries whole header values."""


class DaemonError(RuntimeError):
    """A program of the playground did not start, or died; the message ends with its last words."""


class ProgramMissingError(DaemonError):
    """A program is not installed; the message says how to get it."""


class Daemon:
    """One child process whose errors go to a log file; use it as an async context manager."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        capture: bool = False,
        directory: Path | None = None,
    ) -> None:
        """Prepare, start nothing yet.

        Args:
            command: Program and arguments.
            log: File for the child's stderr, and for its stdout unless that is captured.
            capture: Offer the child's stdout as `output` instead of logging it.
            directory: Where the child runs; relative paths in its configuration start there.
        """
        self._command = [str(part) for part in command]
        self._log = log
        self._capture = capture
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None

    @property
    def name(self) -> str:
        """What the program is called in messages."""
        return Path(self._command[0]).name

    @property
    def pid(self) -> int:
        """Identify the running child; `setpriv` replaces itself, so this is the program."""
        return self._running.pid

    @property
    def alive(self) -> bool:
        """Whether the child has been started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def output(self) -> asyncio.StreamReader:
        """The child's stdout; only with `capture`."""
        if self._running.stdout is None:
            raise RuntimeError(f"{self.name} was started without capture")
        return self._running.stdout

    async def __aenter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_dying_with_us(),
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if self._capture else log,
                stderr=log,
                cwd=self._directory,
                start_new_session=True,
                limit=STREAM_LIMIT,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is None:
            return
        # asyncio sees the end only after all output is read, which nobody else may be doing now.
        draining = asyncio.create_task(self._drain())
        self._signal(signal.SIGTERM)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        finally:
            # Also reached when the wait is cancelled: nothing survives this line.
            self._signal(signal.SIGKILL)
            await self._process.wait()
            draining.cancel()

    async def wait(self) -> int:
        """Return the exit code when the child ends."""
        return await self._running.wait()

    def check(self) -> None:
        """Raise a `DaemonError` with the child's last lines when it has died."""
        if not self.alive:
            code = self._process.returncode if self._process else None
            raise DaemonError(
                f"{self.name} ended with exit code {code}. Its last lines ({self._log.name}):\n"
                + self.tail()
            )

    def tail(self, lines: int = TAIL_LINES) -> str:
        """Return the last lines of the log."""
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    async def _drain(self) -> None:
        with suppress(RuntimeError):  # somebody is still reading, so the pipe does get empty
            while self._capture and await self.output.read(STREAM_LIMIT):
                pass

    @property
    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError(f"{self.name} has not been started: `async with daemon: …`")
        return self._process

    def _signal(self, number: signal.Signals) -> None:
        """Signal the whole group, so that a child's own children go with it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._running.pid, number)


def find_program(name: str, remedy: str, *places: Path) -> Path:
    """Return the path of a program from `places` or `PATH`.

    Raises:
        ProgramMissingError: it is nowhere; the message ends with `remedy`.
    """
    for place in places:
        if os.access(place / name, os.X_OK):
            return place / name
    found = shutil.which(name)
    if found is None:
        raise ProgramMissingError(f"The program {name!r} is not installed. {remedy}")
    return Path(found)


def _dying_with_us() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
