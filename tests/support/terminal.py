"""A terminal without a window: what a person would see of a program that draws."""

import asyncio
import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pyte

PATIENCE_SECONDS = 60.0
_CHUNK = 65_536
IGNORED = frozenset({"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"})
"""Variables of those who run the tests; the size is the one of this terminal."""


class Terminal:
    """A program in a pseudo-terminal, and the screen that it drew."""

    def __init__(
        self, process: asyncio.subprocess.Process, master: int, size: tuple[int, int]
    ) -> None:
        columns, lines = size
        self.process = process
        self.screen = pyte.HistoryScreen(columns, lines, history=2_000)
        self.raw = b""
        """Everything that was written, control sequences and all."""
        self._stream = pyte.ByteStream(self.screen)
        self._master = master
        self._changed = asyncio.Event()
        self._ended = False
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            chunk = os.read(self._master, _CHUNK)
        except OSError:  # the other side is closed (EIO on Linux)
            chunk = b""
        if chunk:
            self.raw += chunk
            self._stream.feed(chunk)
        else:
            self._ended = True
            asyncio.get_running_loop().remove_reader(self._master)
        self._changed.set()

    @property
    def lines(self) -> list[str]:
        """The lines on the screen, without blanks at their ends."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        """What is on the screen, without empty lines at the end."""
        return "\n".join(self.lines).rstrip("\n")

    def type(self, keys: str) -> None:
        """Press keys; `\\x03` is Ctrl-C."""
        os.write(self._master, keys.encode())

    async def until(self, words: str, seconds: float = PATIENCE_SECONDS) -> str:
        """Wait until the screen shows some words, and return all that it shows."""
        try:
            async with asyncio.timeout(seconds):
                while words not in self.text:
                    assert not self._ended, f"{words!r} was never shown:\n{self.text}"
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{words!r} was not shown in {seconds} s:\n{self.text}") from None
        return self.text

    async def end(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait until the program ended and all was read; return its exit code."""
        async with asyncio.timeout(seconds):
            code = await self.process.wait()
            while not self._ended:
                self._changed.clear()
                await self._changed.wait()
        return code

    async def close(self) -> None:
        """End the program, if it runs."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()
        if not self._ended:
            asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)


@asynccontextmanager
async def terminal(
    command: Sequence[str],
    size: tuple[int, int] = (100, 40),
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Terminal]:
    """Start a program in a terminal of `size`, columns and lines."""
    master, slave = pty.openpty()
    columns, lines = size
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    settings = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONUTF8": "1"}
    plain = {name: one for name, one in os.environ.items() if name not in IGNORED}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        env={**plain, **settings, **(environment or {})},
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # Ctrl-C goes to it
    )
    os.close(slave)
    opened = Terminal(process, master, size)
    try:
        yield opened
    finally:
        await opened.close()
