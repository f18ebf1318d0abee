"""How far many simulations are: on a terminal, on standard error, so that pipes stay clean."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from canary_operator.plugin.offline.simulation.runs import Progress


@contextmanager
def progress(total: int, what: str) -> Iterator[Progress]:
    """Open something to be told how many are done; it shows nothing where nobody looks.

    Args:
        total: How many there are, at most.
        what: What they are, such as `rollouts`.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)
