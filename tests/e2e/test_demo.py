"""`make demo` as people run it: a process that tells a story and leaves nothing behind."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.clusters import eventually
from tests.support.terminal import terminal

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")

DEMO_SECONDS = 200.0
END_SECONDS = 15.0
HAS_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

Identity = tuple[int, str]
"""Process id and start time: an id alone may be given to another process."""


def processes() -> dict[Identity, int]:
    """Return every process of this machine, with its parent."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            text = (folder / "stat").read_text()
        except OSError:  # it ended meanwhile
            continue
        fields = text.rpartition(")")[2].split()  # the name before may contain anything
        if fields[0] != "Z":
            found[int(folder.name), fields[19]] = int(fields[1])
    return found


def descendants(pid: int) -> set[Identity]:
    """Return the children of a process, and theirs."""
    everyone = processes()
    children = {each for each, parent in everyone.items() if parent == pid}
    return children | {more for child in children for more in descendants(child[0])}


class Demo:
    """The demo's process, its output line by line, and everything that it ever started."""

    def __init__(self, process: asyncio.subprocess.Process, temporary: Path) -> None:
        self.process = process
        self.temporary = temporary
        self.lines: list[str] = []
        self.started: set[Identity] = set()

    async def until(self, words: str) -> None:
        """Read until a line has these words; the end of the output is a failure."""
        assert self.process.stdout is not None
        while not (self.lines and re.search(words, self.lines[-1])):
            line = await self.process.stdout.readline()
            assert line, f"{words!r} was never said:\n{self.text}"
            self.lines.append(HAS_COLOURS.sub("", line.decode()).rstrip("\n"))
            self.started |= descendants(self.process.pid)

    @property
    def text(self) -> str:
        """Everything that was said."""
        return "\n".join(self.lines)

    async def check_nothing_is_left(self) -> None:
        """No process, no file."""

        async def all_gone() -> bool:
            return not self.started & processes().keys()

        await eventually(all_gone)
        assert list(self.temporary.iterdir()) == []


@asynccontextmanager
async def demo(folder: Path) -> AsyncIterator[Demo]:
    """Start the demo with a folder for its temporary files and one for its picture."""
    temporary = folder / "tmp"
    temporary.mkdir()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "canary_operator.playground.demo",
        f"--output={folder / 'picture'}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "TMPDIR": str(temporary), "MPLCONFIGDIR": str(folder / "matplotlib")},
        start_new_session=True,
    )
    try:
        yield Demo(process, temporary)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.timeout(DEMO_SECONDS + END_SECONDS)
async def test_the_whole_story(tmp_path: Path) -> None:
    async with demo(tmp_path) as run, asyncio.timeout(DEMO_SECONDS):
        await run.until("nothing is left running")
        assert await run.process.wait() == 0, run.text
        assert len(run.started) >= 5  # Envoy, Prometheus, the operator, two servers
        await run.check_nothing_is_left()
    for version in ("v1", "v2"):
        assert re.search(rf"answered by {version} +\d+, failed 0$", run.text, re.MULTILINE)
    assert re.search(r"answered by v3 +\d+, failed [1-9]", run.text)
    assert re.search(r"failed by routing +0$", run.text, re.MULTILINE)
    assert re.search(r"time to roll back +\d+\.\d s", run.text)
    png, svg = (tmp_path / "picture" / f"rollout.{kind}" for kind in ("png", "svg"))
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "<svg" in svg.read_text()


async def test_on_a_terminal_it_is_drawn_and_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "canary_operator.playground.demo"]
    command.append(f"--output={tmp_path / 'picture'}")
    environment = {"TMPDIR": str(temporary), "MPLCONFIGDIR": str(tmp_path / "matplotlib")}
    async with terminal(command, (100, 45), environment) as screen:
        for words in ("▶ 5 %", "left of 6s", "helloworld-canary", "helloworld:v2"):
            await screen.until(words, DEMO_SECONDS)
        started = descendants(screen.process.pid)
        assert len(started) >= 5
        screen.type("\x03")
        assert await screen.end(END_SECONDS) == 130
    assert "Interrupted; everything is stopped" in screen.text
    assert "Traceback" not in screen.text
    assert b"\x1b[?25h" in screen.raw  # the cursor is back

    async def all_gone() -> bool:
        return not started & processes().keys()

    await eventually(all_gone)
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "picture").exists()
