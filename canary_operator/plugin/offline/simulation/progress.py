"""How far many simulations are: on a terminal, on standard error, so that pipes stay clean."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from canary_operator.plugin.console import ASCII, Look, open_sheet
from canary_operator.plugin.offline.simulation.runs import Progress


@contextmanager
def progress(total: int, what: str, look: Look | None = None) -> Iterator[Progress]:
    """Open something to be told how many are done; it shows nothing where nobody looks.

    Args:
        total: How many there are, at most.
        what: What they are, such as `rollouts`.
        look: How a person wants to see it.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    sheet = open_sheet(look, sys.stderr)
    part = TaskProgressColumn() if sheet.glyphs is ASCII else BarColumn()
    columns = (TextColumn(what), part, MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=sheet.console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)
