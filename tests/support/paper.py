"""Sheets to draw on in tests: a terminal of any width, or a pipe."""

import re
from collections.abc import Iterable
from io import StringIO

from rich.console import RenderableType

from canary_operator.plugin.console import Look, Sheet, open_sheet

_CONTROL = re.compile(r"\x1b\[[0-9;]*m")


class Paper(StringIO):
    """A stream that says of itself that it is a terminal, or that it is none."""

    encoding = "utf-8"

    def __init__(self, *, terminal: bool = True) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def sheet(
    width: int = 100, *, terminal: bool = True, plain: bool = False, color: bool = False
) -> Sheet:
    """Return a sheet: `plain` for ASCII, `color` for colours."""
    paper = Paper(terminal=terminal)
    return open_sheet(Look(ascii=plain, color=color, width=width if terminal else None), paper)


def drawn(on: Sheet, what: Iterable[RenderableType], *, raw: bool = False) -> str:
    """Draw and return the text, without blanks at the ends of lines.

    Args:
        on: The sheet.
        what: To be drawn.
        raw: Whether control sequences are kept.
    """
    on.print(*what)
    text = on.console.file.getvalue()  # type: ignore[attr-defined]
    text = text if raw else _CONTROL.sub("", text)
    return "\n".join(line.rstrip() for line in text.split("\n"))
