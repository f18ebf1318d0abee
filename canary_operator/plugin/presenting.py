"""Shows a rollout while it changes: a frame on a terminal, lines in a log, JSON for programs."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from rich.live import Live

from canary_operator.plugin.console import Sheet
from canary_operator.plugin.family import Family
from canary_operator.plugin.formats import json_line
from canary_operator.plugin.screens.watch import News, change_of, frame, is_news, line
from canary_operator.plugin.sight import Sight
from canary_operator.plugin.trail import Trail

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


@dataclass(slots=True)
class Lines:
    """One line for each change: for logs, and for terminals that cannot move the cursor."""

    sheet: Sheet
    _last: Sight | None = None

    def show(self, sight: Sight, family: Family, moment: datetime) -> None:
        """Print a line, if there is news."""
        del family
        if is_news(self._last, sight):
            self.sheet.print(line(News(moment, sight), self.sheet))
        self._last = sight


@dataclass(slots=True)
class JsonLines:
    """One JSON object for each change."""

    sheet: Sheet
    _last: Sight | None = None

    def show(self, sight: Sight, family: Family, moment: datetime) -> None:
        """Print an object, if there is news."""
        del family
        if is_news(self._last, sight):
            self.sheet.console.file.write(json_line(change_of(News(moment, sight))) + "\n")
            self.sheet.console.file.flush()
        self._last = sight


@dataclass(slots=True)
class Frame:
    """A picture on a terminal, drawn anew in place."""

    sheet: Sheet
    live: Live
    _trail: Trail = field(default_factory=Trail)
    _news: deque[News] = field(default_factory=lambda: deque(maxlen=NEWS_KEPT))

    def show(self, sight: Sight, family: Family, moment: datetime) -> None:
        """Draw the frame."""
        self._trail.add(sight.status)
        if is_news(self._news[-1].sight if self._news else None, sight):
            self._news.append(News(moment, sight))
        drawn = frame(sight, family, (self._trail, [*self._news]), moment, self.sheet)
        self.live.update(drawn, refresh=True)


@contextmanager
def presenter(sheet: Sheet, output: str | None = None) -> Iterator[Presenter]:
    """Open what shows a rollout best: a frame on a terminal, else lines.

    Args:
        sheet: What it is drawn on.
        output: `json` for lines of JSON.
    """
    if output == "json":
        yield JsonLines(sheet)
    elif not sheet.live or sheet.console.is_dumb_terminal:
        yield Lines(sheet)
    else:
        with Live(console=sheet.console, auto_refresh=False, vertical_overflow="crop") as live:
            yield Frame(sheet, live)
