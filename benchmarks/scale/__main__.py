"""`make bench`: what 1 to 2,000 rollouts cost, and how late the operator is.

The operator runs as a process of its own, on one core. Everything else shares the others: the
embedded API (or, with KUBEBUILDER_ASSETS, a real control plane), and a real Prometheus up to 200
rollouts, above that a stand-in. What was measured is kept in a file, and measured again only when
asked for with --only: so a run that was interrupted goes on.
"""

import asyncio
import logging
import tempfile
import time
from pathlib import Path

import click

from benchmarks.scale.measuring import Report, measure, measure_whole
from benchmarks.scale.picture import draw
from benchmarks.scale.process import leave_core_to_the_operator
from benchmarks.scale.report import claims, page, write_into
from benchmarks.scale.rows import Machine, Results
from tests.support.realplane import assets_folder

FLEETS = (1, 10, 100, 500, 2000)
RESULTS = Path("build/bench-scale.json")


@click.command(help=__doc__)
@click.option("--only", type=int, multiple=True, help="So many rollouts; repeatable. [missing]")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
@click.option("--picture", type=click.Path(path_type=Path), help="Draw into this file.")
@click.option("--page", "file", type=click.Path(path_type=Path), help="Write into this page.")
def main(only: tuple[int, ...], results: Path, picture: Path | None, file: Path | None) -> None:
    """Measure what is missing; exit code 1 where something that is claimed does not hold."""
    logging.disable(logging.WARNING)
    leave_core_to_the_operator()
    found = Results.read(results)
    found.machine = Machine.here("a real control plane" if assets_folder() else "the embedded API")
    report = _reporter()
    if found.whole is None:
        with tempfile.TemporaryDirectory() as folder:
            found.whole = asyncio.run(measure_whole(Path(folder), report))
        found.write()
    for rollouts in only or [many for many in FLEETS if not found.of(many)]:
        with tempfile.TemporaryDirectory() as folder:
            found.keep(asyncio.run(measure(rollouts, Path(folder), report)))
    text = page(found)
    click.echo(text)
    if picture:
        draw(found.rows, picture)
    if file:
        write_into(file, text)
    raise SystemExit(not all(claim.holds for claim in claims(found)))


def _reporter() -> Report:
    began = time.monotonic()
    return lambda words: click.echo(f"[{time.monotonic() - began:5.0f} s] {words}", err=True)


if __name__ == "__main__":
    main()
