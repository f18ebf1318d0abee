"""`simulate`: a rollout, played with the operator's own rules."""

from typing import TYPE_CHECKING, Any

import click

from canary_operator.parameters import Duration
from canary_operator.plugin.commands.playing import playing_options
from canary_operator.plugin.exits import Exit
from canary_operator.plugin.options import look_options, output_option

if TYPE_CHECKING:
    from canary_operator.plugin.console import Look
    from canary_operator.plugin.offline.simulation.setup import Setup
    from canary_operator.plugin.offline.simulation.timeline import End

MOST_RUNS = 1_000_000


@click.command("simulate", short_help="Play a rollout with the operator's own rules")
@playing_options
@click.option(
    "--scenario",
    default="healthy",
    show_default=True,
    metavar="WHAT",
    help="What happens meanwhile, in words such as errors=5%@step2, or a YAML file.",
)
@click.option(
    "--runs",
    type=click.IntRange(1, MOST_RUNS),
    default=1,
    metavar="N",
    help="Play so many, and show how often they end in which way.",
)
@click.option(
    "--pod-start",
    type=Duration(),
    default="5s",
    show_default=True,
    help="Time until a new pod is available.",
)
@click.option(
    "--approve-after",
    metavar="DURATION",
    help="How long a step waits for a person's approval; or never.  [10s]",
)
@click.option(
    "--expect",
    type=click.Choice(["promoted", "rolled-back"]),
    help="Fail unless every rollout ends so.",
)
@output_option("json", "yaml")
@look_options
def simulate(
    *, look: "Look", runs: int, expect: str | None, output: str | None, **asked: Any
) -> Exit:
    """Play a rollout of a manifest without a cluster: the operator's own decisions, drawn requests.

    The version before serves; then the manifest's template is on trial. Words for --scenario, of
    which several may be joined by commas:

    \b
      errors=5%         the canary fails 5 % of its requests
      latency=2s        the canary answers after 2 s (median)
      hangup=5%         callers of the canary give up
      outage            both versions fail half of theirs, for 2m from step 2 on
      no-traffic        nobody sends a request
      rps=10            so many requests a second
      bypass            no caller follows the route
      crashloop         the canary's pods crash
      prometheus-down   nothing can be measured

    Each may have @step2, @90s or @promotion for when it begins, and /1m for how long it lasts:
    errors=50%@step2/1m. A YAML file has more, such as what a person asks for.

    Ends with 1 where --expect is given and something else happened.
    """  # noqa: D301 - click reads the \b
    from canary_operator.plugin.offline.simulation.asked import Asked, setup_of

    setup, seed = setup_of(Asked(**asked))
    if runs > 1:
        ends = _many(setup, range(seed, seed + runs), look, output)
    else:
        ends = [_one(setup, seed, look, output)]
    return _judged(ends, expect)


def _one(setup: "Setup", seed: int, look: "Look", output: str | None) -> "End":
    from canary_operator.plugin.console import open_sheet
    from canary_operator.plugin.formats import formatted
    from canary_operator.plugin.offline.simulation.exported import timeline_data
    from canary_operator.plugin.offline.simulation.play import simulate
    from canary_operator.plugin.screens.timeline import timeline_screen

    timeline = simulate(setup, seed)
    if output is not None:
        click.echo(formatted(timeline_data(timeline), output))
    else:
        sheet = open_sheet(look)
        sheet.print(*timeline_screen(timeline, sheet))
    return timeline.end


def _many(setup: "Setup", seeds: range, look: "Look", output: str | None) -> list["End"]:
    from canary_operator.plugin.console import open_sheet
    from canary_operator.plugin.formats import formatted
    from canary_operator.plugin.offline.simulation.exported import runs_data
    from canary_operator.plugin.offline.simulation.outcomes import groups_of
    from canary_operator.plugin.offline.simulation.progress import progress
    from canary_operator.plugin.offline.simulation.runs import player
    from canary_operator.plugin.offline.simulation.setup import assumed_answers
    from canary_operator.plugin.screens.runs import runs_screen

    with player(len(seeds)) as plays, progress(len(seeds), "rollouts", look) as told:
        ends = plays.play(setup, seeds, told)
    groups, assumed = groups_of(ends, seeds), assumed_answers(setup)
    if output is not None:
        click.echo(formatted(runs_data(setup, groups, seeds, assumed), output))
    else:
        sheet = open_sheet(look)
        sheet.print(*runs_screen(setup, groups, seeds, assumed, sheet))
    return ends


def _judged(ends: list["End"], expect: str | None) -> Exit:
    other = [end for end in ends if expect is not None and end.ending.value != expect]
    if not other:
        return Exit.DONE
    found = f"{other[0].ending.value}, {other[0].reason}"
    many = f" in {len(other)} of {len(ends)} rollouts" if len(ends) > 1 else ""
    click.echo(f"Expected {expect}, but found{many}: {found}", err=True)
    return Exit.FAILED
