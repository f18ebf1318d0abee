"""Tables that leave out what has no room, as whole columns, rather than cut what they show."""

from collections.abc import Mapping, Sequence

from rich.text import Text

from canary_operator.plugin.console import Sheet
from canary_operator.plugin.screens.table import GAP, NARROW_GAP, Cell, Column, Row, table

Cells = Mapping[str, Cell]
"""What stands in a row, by the headers of the columns."""


def fitting_table(
    columns: Sequence[Column], rows: Sequence[Cells], spare: Sequence[str], sheet: Sheet
) -> list[Text]:
    """Return the lines of a table with the columns that say something and have room.

    Args:
        columns: All of them, in their order.
        rows: What stands in them; a cell that is left out is empty.
        spare: Headers of the columns that can be left out, the least important first.
        sheet: What it is drawn on.
    """
    shown = [one for one in columns if any(_length(row.get(one.header, "")) for row in rows)]
    gap = NARROW_GAP if sheet.narrow else GAP
    for header in spare:
        if sum(_width(one, rows) + gap for one in shown) - gap <= sheet.console.width:
            break
        shown = [one for one in shown if one.header != header]
    return table(shown, [Row([row.get(one.header, "") for one in shown]) for row in rows], sheet)


def _width(column: Column, rows: Sequence[Cells]) -> int:
    cells = (_length(row.get(column.header, "")) for row in rows)
    return max(len(column.header), *cells)


def _length(cell: Cell) -> int:
    return len(cell)
