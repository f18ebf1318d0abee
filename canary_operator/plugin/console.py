"""Where text goes: how wide it is, whether it has colours, and which signs it may use.

Colours are the sixteen of the terminal's own theme, none for the background, so that they can be
read on light and on dark alike.
"""

import sys
from dataclasses import dataclass
from typing import IO

from rich.console import Console
from rich.theme import Theme

UNBOUNDED = 100_000
"""Columns of a pipe or file: nothing is wrapped there."""

THEME = Theme(
    {
        "good": "green",
        "bad": "red",
        "busy": "cyan",
        "warn": "magenta",
        "canary": "bold cyan",
        "stable": "blue",
        "muted": "dim",
        "title": "bold",
    }
)
"""No yellow and no white: light terminals do not show them."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Signs that text is drawn with."""

    full: str
    empty: str
    ticks: str
    """Levels of a sparkline, lowest first."""
    passed: str
    failed: str
    unclear: str
    here: str
    done: str
    to_come: str
    dash: str
    middle_dot: str
    arrow: str
    at_least: str
    at_most: str
    ellipsis: str


UNICODE = Glyphs("█", "░", "▁▂▃▄▅▆▇█", "✔", "✖", "?", "▶", "●", "○", "–", "·", "→", "≥", "≤", "…")
ASCII = Glyphs(
    "#", ".", "_.-=+*%@", "ok", "x", "?", ">", "*", "o", "-", ".", "->", ">=", "<=", "..."
)

_PLAIN = str.maketrans(
    {
        "≥": ">=",
        "≤": "<=",
        "→": "->",
        "–": "-",
        "—": "-",
        "…": "...",
        "·": ".",
        "×": "x",
        "’": "'",
        "\u00a0": " ",
    }
)


@dataclass(frozen=True, slots=True)
class Look:
    """How a person wants to see it."""

    ascii: bool | None = None
    """Only ASCII; None finds out from the encoding of the output."""
    color: bool | None = None
    """None finds out: colours on a terminal, unless NO_COLOR is set."""
    width: int | None = None
    """Columns; None finds out."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What screens are drawn on."""

    console: Console
    glyphs: Glyphs

    @property
    def live(self) -> bool:
        """Whether somebody looks at it, rather than a file or a program."""
        return self.console.is_terminal

    def text(self, words: str) -> str:
        """Return words with signs that the output can show."""
        if self.glyphs is UNICODE:
            return words
        return words.translate(_PLAIN).encode("ascii", "replace").decode()


def open_sheet(look: Look | None = None, stream: IO[str] | None = None) -> Sheet:
    """Return where to print to.

    Args:
        look: Wishes; everything is found out when left out.
        stream: Standard output when left out.
    """
    look, stream = look or Look(), stream or sys.stdout
    terminal = stream.isatty()
    ascii_only = look.ascii if look.ascii is not None else not _knows_unicode(stream)
    console = Console(
        file=stream,
        theme=THEME,
        width=look.width or (None if terminal else UNBOUNDED),
        force_terminal=True if look.color else None,
        no_color=None if look.color is None else not look.color,
        highlight=False,
        emoji=False,
        markup=False,
        safe_box=ascii_only,
        legacy_windows=False,
    )
    return Sheet(console, ASCII if ascii_only else UNICODE)


def _knows_unicode(stream: IO[str]) -> bool:
    encoding = (getattr(stream, "encoding", None) or "ascii").lower()
    return encoding.replace("-", "").startswith("utf")
