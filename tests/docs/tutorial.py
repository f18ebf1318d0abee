"""The tutorial, played: its commands in its order, against its playgrounds.

UPDATE_SNAPSHOTS=1 python -m pytest -m exhaustive tests/examples/test_tutorial.py

writes what the commands print into the pages of all languages; the diff is read like text.
"""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "docs" / "tutorial.md", ROOT / "docs" / "tutorial.ko.md")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLAYGROUND = re.compile(r"^make playground(?: OPTIONS=(?P<options>\S+))?$")
EXPORT = re.compile(r"^  export (\w+)=(.*?)(?:    # .*)?$")
START_SECONDS = 60.0
COMMAND_SECONDS = 400.0


@dataclass(frozen=True)
class Shown:
    """A command of the page, and what it prints there."""

    command: str
    output: str | None
    """`None` where the page does not show it."""


def shown_in(language: str, text: str) -> Iterator[Shown]:
    """Yield what a block tells people to run."""
    if language == "sh":
        yield from (Shown(line, None) for line in text.splitlines() if line)
    elif language == "console":
        for part in text.removeprefix("$ ").split("\n$ "):
            command, _, output = part.partition("\n")
            yield Shown(command, output.rstrip("\n"))


def parts(page: str) -> list[str]:
    """Cut a page before each playground that it starts; together they are the page."""
    starts = [f.start() for f in FENCE.finditer(page) if PLAYGROUND.match(f[2].partition("\n")[0])]
    cuts = [0, *starts[1:], len(page)]
    return [page[start:end] for start, end in pairwise(cuts)]


def with_outputs(page: str, outputs: Sequence[str]) -> str:
    """Return a page in which the commands of its console blocks print `outputs`, in their order."""
    coming = iter(outputs)

    def renewed(fence: re.Match[str]) -> str:
        if fence[1] != "console":
            return fence[0]
        lines = []
        for one in shown_in(*fence.groups()):
            lines += [f"$ {one.command}", *next(coming).splitlines()]
        return "\n".join(["```console", *lines, "```"])

    return FENCE.sub(renewed, page)


class Terminals:
    """Two terminals, as the reader has them: a playground in one, a shell in the other."""

    def __init__(self, folder: Path) -> None:
        """Remember where the shell is; a copy of `examples` lies there."""
        self._folder = folder
        self._exits = AsyncExitStack()
        self._shell: Process | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    async def run(self, command: str) -> str:
        """Run a command in its terminal, and return what it printed.

        Raises:
            AssertionError: it failed.
        """
        if playground := PLAYGROUND.match(command):
            await self._exits.aclose()
            await self._start([playground["options"]] if playground["options"] else [])
            return ""
        return await self._ask(command)

    async def _start(self, options: Sequence[str]) -> None:
        """Start a playground, and a shell that has run the lines that it prints."""
        playground = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "canary_operator.playground", *options, stdout=PIPE, stderr=STDOUT
        )
        self._exits.push_async_callback(_end, playground, signal.SIGINT)
        assert playground.stdout is not None
        environment = dict(os.environ)
        async with asyncio.timeout(START_SECONDS):
            while "PLAYGROUND" not in environment:
                line = (await playground.stdout.readline()).decode()
                assert line, "the playground ended"
                if export := EXPORT.match(line.rstrip("\n")):
                    environment[export[1]] = export[2].replace("$PATH", os.environ["PATH"])
        reading = asyncio.create_task(playground.stdout.read())
        self._exits.callback(reading.cancel)
        self._shell = await asyncio.create_subprocess_exec(
            "bash",
            cwd=self._folder,
            env=environment,
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
        )
        self._exits.push_async_callback(_end, self._shell, signal.SIGKILL)

    async def _ask(self, command: str) -> str:
        assert self._shell is not None, "the page starts no playground before this"
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{command}\nprintf '\\n<ended %s>\\n' $?\n".encode())
        async with asyncio.timeout(COMMAND_SECONDS):
            printed = (await self._shell.stdout.readuntil(b"\n<ended ")).decode()
            code = (await self._shell.stdout.readuntil(b">\n")).decode()
        output = printed.removesuffix("\n<ended ").rstrip("\n")
        assert code == "0>\n", f"{command}\n{output}"
        return output


async def _end(process: Process, number: signal.Signals) -> None:
    """End a process, and with a shell what runs behind it."""
    if process.returncode is None:
        if number is signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
    await process.wait()
