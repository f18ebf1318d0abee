"""Shows a rollout while it changes: a frame on a terminal, lines in a log, JSON for programs."""

import signal
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from rich.live import Live
from rich.text import Text

from canary_operator.plugin.console import Sheet
from canary_operator.plugin.family import Family
from canary_operator.plugin.formats import json_line
from canary_operator.plugin.screens.watch import News, change_of, frame, is_news, line
from canary_operator.plugin.sight import Sight
from canary_operator.plugin.trail import Trail

OPERATORS_MOMENT = timedelta(seconds=2)
"""How long an operator that runs may take to look at a new spec."""

NEWS_KEPT = 6
"""Changes that stand below the frame."""


def now() -> datetime:
    """Return the time by this machine's clock."""
    return datetime.now(UTC)


class Presenter(Protocol):
    """Shows one rollout again and again."""

    def show(self, sight: Sight, family: Family, moment: datetime) -> None:
        """Show how it looks at `moment`; the same again where only time passed."""
        ...

    def tell(self, words: Text) -> None:
        """Say something else, above what is shown."""
        ...


@dataclass(slots=True)
class _Desk:
    """Tells news from what was said already."""

    _last: Sight | None = None
    _unseen_since: datetime | None = None

    def news(self, sight: Sight, moment: datetime) -> News | None:
        """Return what is new; an operator gets a moment to look at a new spec."""
        self._unseen_since = None if sight.seen else self._unseen_since or moment
        if self._unseen_since and moment - self._unseen_since < OPERATORS_MOMENT:
            return None
        before, self._last = self._last, sight
        return News(moment, sight) if is_news(before, sight) else None


@dataclass(slots=True)
class Lines:
    """One line for each change: for logs, and for terminals that cannot move the cursor."""

    sheet: Sheet
    _desk: _Desk = field(default_factory=_Desk)

    def show(self, sight: Sight, family: Family, moment: datetime) -> None:
        """Print a line, if there is news."""
        del family
        news = self._desk.news(sight, moment)
        if news is not None:
            self.sheet.print(line(news, self.sheet))

    def tell(self, words: Text) -> None:
        """Print it."""
        self.sheet.print(words)


@dataclass(slots=True)
class JsonLines:
    """One JSON object for each change."""

    sheet: Sheet
    _last: Sight | None = None

    def show(self, sight: Sight, family: Family, moment: datetime) -> None:
        """Print an object, if there is news."""
        del family
        if is_news(self._last, sight):
            content = change_of(News(moment, sight))
            words = json_line(content, ascii_only=self.sheet.ascii_only)
            self.sheet.console.file.write(words + "\n")
            self.sheet.console.file.flush()
        self._last = sight

    def tell(self, words: Text) -> None:
        """Say nothing: a program reads this."""


@dataclass(slots=True)
class Frame:
    """A picture on a terminal, drawn anew in place."""

    sheet: Sheet
    live: Live
    _trail: Trail = field(default_factory=Trail)
    _desk: _Desk = field(default_factory=_Desk)
    _news: deque[News] = field(default_factory=lambda: deque(maxlen=NEWS_KEPT))

    def show(self, sight: Sight, family: Family, moment: datetime) -> None:
        """Draw the frame."""
        self._trail.add(sight.status)
        news = self._desk.news(sight, moment)
        if news is not None:
            self._news.append(news)
        seen = (self._trail, [*self._news])
        self.live.update(frame(sight, family, seen, moment, self.sheet), refresh=True)

    def tell(self, words: Text) -> None:
        """Print it above the frame."""
        self.live.console.print(words)


@contextmanager
def presenter(sheet: Sheet, output: str | None = None) -> Iterator[Presenter]:
    """Open what shows a rollout best: a frame on a terminal, else lines.

    Args:
        sheet: What it is drawn on.
        output: `json` for lines of JSON.
    """
    if output == "json":
        yield JsonLines(sheet)
    elif not sheet.frames:
        yield Lines(sheet)
    else:
        with drawing(sheet) as live:
            yield Frame(sheet, live)


@contextmanager
def drawing(sheet: Sheet) -> Iterator[Live]:
    """Open what draws in place, on a sheet that has frames; the terminal is whole again after it.

    SIGTERM ends it as Ctrl-C does, since the cursor would stay hidden otherwise.
    """
    with (
        _termination_interrupts(),
        Live(console=sheet.console, auto_refresh=False, vertical_overflow="crop") as live,
    ):
        yield live


def _interrupt(*_: object) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    free = threading.current_thread() is threading.main_thread()
    if not free or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield  # somebody else sees to it
        return
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
