"""Tables as kubectl prints them: no lines, capital headers, blanks between columns.

Every column is as wide as its widest cell; what does not fit on a terminal is cut, or wrapped, in
the last column only. In pipes and files nothing is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from canary_operator.plugin.console import Sheet, one_line

Cell = Text | str

GAP, NARROW_GAP = 3, 2
"""Blanks between columns."""
_LEAST_WRAPPED = 24
"""Columns below which the last cell is cut instead of wrapped."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    header: str
    right: bool = False
    """Whether numbers stand under each other by their last digit."""
    wraps: bool = False
    """Whether a terminal shows all of it, on several lines; for the last column."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row."""

    cells: Sequence[Cell]
    note: Cell = ""
    """A line below the row, indented."""


def table(columns: Sequence[Column], rows: Iterable[Row], sheet: Sheet) -> list[Text]:
    """Return the lines of a table, the header first."""
    shown = [*rows]
    headers = [Text(column.header, "title") for column in columns]
    cells = [[_text(cell) for cell in row.cells] for row in shown]
    widths = [max(cell.cell_len for cell in column) for column in zip(headers, *cells, strict=True)]
    lines = [*_lines(columns, headers, widths, sheet)]
    for row, line in zip(shown, cells, strict=True):
        lines += _lines(columns, line, widths, sheet)
        if row.note:
            note = Text.assemble("  ", _text(row.note))
            lines.append(_cut(note))
    return lines


def rows_in(lines: int, count: int, each: int) -> int:
    """Return how many rows a terminal shows, where the header and a word about the others fit too.

    Args:
        lines: Of the terminal.
        count: Rows that there are.
        each: Lines of one row.

    Example:
        >>> [rows_in(24, count, each=2) for count in (11, 12, 300)]
        [11, 11, 11]
        >>> [rows_in(24, count, each=1) for count in (23, 24)]
        [23, 22]
    """
    room = lines - 1
    return count if count * each <= room else max(1, (room - 1) // each)


def _lines(
    columns: Sequence[Column], cells: Sequence[Text], widths: Sequence[int], sheet: Sheet
) -> Iterator[Text]:
    """Yield a row as one line, or as several where the last cell is wrapped."""
    gap = NARROW_GAP if sheet.narrow else GAP
    line = Text()
    for column, cell, width in zip(columns[:-1], cells, widths, strict=False):
        padding = " " * (width - cell.cell_len)
        line.append_text(Text.assemble(padding, cell) if column.right else cell + Text(padding))
        line.append(" " * gap)
    last, room = cells[-1], sheet.console.width - line.cell_len
    if columns[-1].right:
        last = Text(" " * (widths[-1] - last.cell_len)) + last
    wraps = sheet.live and columns[-1].wraps and room >= _LEAST_WRAPPED
    parts = last.wrap(sheet.console, room) if wraps else [last]
    indent = Text(" " * line.cell_len)
    for index, part in enumerate(parts):
        whole = (indent if index else line) + part
        whole.rstrip()
        yield _cut(whole)


def _text(cell: Cell) -> Text:
    return one_line(Text(cell) if isinstance(cell, str) else cell)


def _cut(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
