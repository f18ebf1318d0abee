"""`plan`: the timetable of a rollout, and what its analysis can find."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from canary_operator.plugin.commands.playing import playing_options
from canary_operator.plugin.options import look_options, output_option

if TYPE_CHECKING:
    from canary_operator.plugin.console import Look
    from canary_operator.plugin.offline.plan import Plan
    from canary_operator.plugin.offline.simulation.asked import Asked


@click.command("plan", short_help="Show when what will happen, and what the analysis can find")
@playing_options
@click.option(
    "--runs",
    type=click.IntRange(20, 100_000),
    default=100,
    show_default=True,
    metavar="N",
    help="Rollouts that are played for each question, at most; needs --rps.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw it, too: a .svg or .png file.",
)
@output_option("json", "yaml")
@look_options
def plan(*, look: "Look", runs: int, plot: Path | None, output: str | None, **asked: Any) -> None:
    """Show when the steps of a manifest come at the earliest, with how many pods and requests.

    With --rps also what the analysis can find with that traffic: how much more often than stable
    a version has to fail to be rolled back nearly always, how long that takes, how many requests
    go wrong until then, and how often a healthy version is rolled back. All that is measured:
    rollouts are played with the operator's own decisions, without a cluster.
    """
    from canary_operator.plugin.console import open_sheet
    from canary_operator.plugin.formats import formatted
    from canary_operator.plugin.offline.plan_data import plan_data
    from canary_operator.plugin.offline.plot import check_place, write
    from canary_operator.plugin.offline.simulation.asked import Asked
    from canary_operator.plugin.screens.plan import plan_screen

    if plot is not None:
        check_place(plot)
    planned = _planned(Asked(**asked), runs, look)
    if plot is not None:
        write(planned, plot)
        click.echo(f"{plot} was written.", err=True)
    if output is not None:
        click.echo(formatted(plan_data(planned), output))
    else:
        sheet = open_sheet(look)
        sheet.print(*plan_screen(planned, sheet))


def _planned(asked: "Asked", runs: int, look: "Look") -> "Plan":
    from dataclasses import replace

    from canary_operator.plugin.offline.plan import QUESTIONS, detect, plan_of
    from canary_operator.plugin.offline.simulation.asked import setup_of
    from canary_operator.plugin.offline.simulation.progress import progress
    from canary_operator.plugin.offline.simulation.runs import player

    setup, seed = setup_of(asked)
    planned = plan_of(setup)
    if asked.rps is None or not planned.timetable.counts_requests:
        return planned
    total = QUESTIONS * runs
    with player(total) as plays, progress(total, "rollouts", look) as told:
        return replace(planned, detection=detect(setup, runs, seed, plays, told))
