"""Where text goes: how wide it is, whether it has colours, and which signs it may use.

Colours are the sixteen of the terminal's own theme, none for the background, so that they can be
read on light and on dark alike.
"""

import os
import sys
from dataclasses import dataclass
from typing import IO, Any, cast

from rich.console import Console, Group, RenderableType
from rich.text import Text
from rich.theme import Theme

from canary_operator.plugin.harmless import BLANKS, harmless, harmless_line, knows_unicode

NARROW = 110
"""Columns below which screens leave out what is not needed at once."""

UNBOUNDED = 100_000
"""Columns and lines of a pipe or file: nothing is wrapped or left out there."""

THEME = Theme(
    {
        "good": "green",
        "bad": "red",
        "busy": "bold",
        "warn": "bold magenta",
        "canary": "magenta",
        "stable": "",
        "muted": "dim",
        "title": "bold",
    }
)
"""What light or dark terminals do not show well is left out: yellow, white, blue, cyan."""


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
    arrow: str
    ellipsis: str
    branch: str
    last_branch: str
    trunk: str


UNICODE = Glyphs(
    full="█",
    empty="░",
    ticks="▁▂▃▄▅▆▇█",
    passed="✔",
    failed="✖",
    unclear="?",
    here="▶",
    done="●",
    to_come="○",
    dash="–",
    arrow="→",
    ellipsis="…",
    branch="├─ ",
    last_branch="└─ ",
    trunk="│  ",
)
ASCII = Glyphs(
    full="#",
    empty=".",
    ticks="_.-=+*%@",
    passed="+",
    failed="x",
    unclear="?",
    here=">",
    done="*",
    to_come="o",
    dash="-",
    arrow="->",
    ellipsis="...",
    branch="|- ",
    last_branch="`- ",
    trunk="|  ",
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
    """None finds out: colours on a terminal or with FORCE_COLOR, unless NO_COLOR is set."""
    width: int | None = None
    """Columns; None finds out."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What screens are drawn on."""

    console: Console
    glyphs: Glyphs
    live: bool
    """Whether somebody looks at it, rather than a file or a program; colours say nothing of it."""

    @property
    def frames(self) -> bool:
        """Whether what was drawn can be drawn anew in place."""
        return self.live and not self.console.is_dumb_terminal

    @property
    def ascii_only(self) -> bool:
        """Whether no sign beyond ASCII is used."""
        return self.glyphs is ASCII

    @property
    def narrow(self) -> bool:
        """Whether there is room for the most important things only."""
        return self.console.width < NARROW

    def text(self, words: str, *, lines: bool = False) -> str:
        """Return words from elsewhere, harmless and with signs that the output can show.

        Screens call it for words that are not theirs, before anything is laid out, since a sign
        may become two.

        Args:
            words: From elsewhere.
            lines: Whether they may have several lines.
        """
        words = harmless(words) if lines else harmless_line(words)
        if not self.ascii_only:
            return words
        return words.translate(_PLAIN).encode("ascii", "replace").decode()

    def print(self, *renderables: RenderableType) -> None:
        """Print one after the other; in pipes and files no line ends in blanks or is broken.

        A `Text` is one line, whatever is in it; text of several lines is a `str`.
        """
        shown = [one_line(one) if isinstance(one, Text) else one for one in renderables]
        if self.live:  # in a group, a text keeps how it is cut
            self.console.print(Group(*shown))
            return
        with self.console.capture() as captured:
            for one in shown:
                self.console.print(one, soft_wrap=True)
        lines = captured.get().split("\n")
        self.console.file.write("\n".join(line.rstrip() for line in lines))
        self.console.file.flush()


def one_line(text: Text) -> Text:
    """Return a text without what would begin another line."""
    plain = text.plain.translate(BLANKS)
    if plain == text.plain:
        return text
    text = text.copy()
    text.plain = plain
    return text


def open_sheet(look: Look | None = None, stream: IO[str] | None = None) -> Sheet:
    """Return where to print to.

    Args:
        look: Wishes; everything is found out when left out.
        stream: Standard output when left out.
    """
    look, stream = look or Look(), stream or sys.stdout
    terminal = stream.isatty()
    color = look.color or (look.color is None and bool(os.environ.get("FORCE_COLOR")))
    ascii_only = look.ascii if look.ascii is not None else not knows_unicode(stream)
    console = Console(
        file=cast("IO[str]", _AsciiStream(stream)) if ascii_only else stream,
        theme=THEME,
        width=look.width or (None if terminal else UNBOUNDED),
        height=None if terminal else UNBOUNDED,
        force_terminal=terminal or color,
        color_system="standard" if color else "auto",
        no_color=None if look.color is None else not look.color,
        highlight=False,
        emoji=False,
        markup=False,
        safe_box=ascii_only,
        legacy_windows=False,
    )
    return Sheet(console, ASCII if ascii_only else UNICODE, terminal)


class _AsciiStream:
    """Lets through what ASCII has; what rich itself draws, such as its ellipsis, is replaced."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text, sign for sign, so that columns stay where they are."""
        plain = text.replace("…", "~").encode("ascii", "replace").decode()
        return self._stream.write(plain)
