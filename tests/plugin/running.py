"""`kubectl canary` as a person runs it: in this process, or in one of its own."""

import asyncio
import io
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from canary_operator.plugin.main import run
from tests.support.bed import Release

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Said:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Plugin:
    """Runs commands against one cluster, in one namespace."""

    kubeconfig: Path
    namespace: str

    @classmethod
    def of(cls, release: Release) -> "Plugin":
        return cls(release.bed.cluster.kubeconfig, release.namespace)

    async def __call__(self, *arguments: str) -> Said:
        """Run a command in a thread; one at a time, since both streams are the process's."""
        return await asyncio.to_thread(_run, self.full(*arguments))

    def full(self, *arguments: str) -> list[str]:
        """Return the arguments with those that choose the cluster."""
        return [*arguments, f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}"]

    async def alone(self, *arguments: str) -> Said:
        """Run a command in a process of its own."""
        async with self.process(*arguments) as process:
            out, err = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
            return Said(process.returncode or 0, out.decode(), err.decode())

    @asynccontextmanager
    async def process(self, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start a command in a process of its own, which does not outlive the block."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "canary_operator.plugin.main",
            *self.full(*arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def _run(arguments: list[str]) -> Said:
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        code = run(arguments)
    return Said(code, _text(out), _text(err))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()  # type: ignore[attr-defined]
