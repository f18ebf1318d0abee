"""`make bench-endurance`: release after release, and whether anything grows that should not.

First 200 rollouts with 20 releases each: the operator's own process, against the embedded API.
Then 2,000 rollouts with 50 releases each: its engine, on ports in memory and in virtual time. In
each round, one of ten rollouts is deleted and another one made. The warm-up ends with the release
that fills what is bounded for each rollout: 10 entries of history.
"""

import asyncio
import logging
import tempfile
from pathlib import Path

import click

from benchmarks.endurance import in_memory, over_http
from benchmarks.scale.process import leave_core_to_the_operator
from tests.support import virtual_time

WARM_UP = 12


@click.command(help=__doc__)
@click.option("--rollouts", default=200, show_default=True, help="Over HTTP.")
@click.option("--releases", default=20, show_default=True, help="Over HTTP; 0 leaves it out.")
@click.option("--rollouts-in-memory", default=2000, show_default=True)
@click.option("--releases-in-memory", default=50, show_default=True, help="0 leaves it out.")
def main(rollouts: int, releases: int, rollouts_in_memory: int, releases_in_memory: int) -> None:
    """Print each census; exit code 1 where something leaks."""
    logging.disable(logging.WARNING)
    found = []
    if releases:
        leave_core_to_the_operator()
        click.echo(f"Over HTTP: {rollouts} rollouts, {releases} releases of each")
        with tempfile.TemporaryDirectory() as folder:
            story = over_http.endure(rollouts, releases, WARM_UP, Path(folder), click.echo)
            found += asyncio.run(story)
    if releases_in_memory:
        click.echo(f"In memory: {rollouts_in_memory} rollouts, {releases_in_memory} releases")
        found += virtual_time.run(
            in_memory.endure(rollouts_in_memory, releases_in_memory, WARM_UP, click.echo)
        )
    click.echo("\n".join(found) or "Nothing leaks.")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
