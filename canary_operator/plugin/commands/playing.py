"""Options of the commands that play rollouts."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from canary_operator.parameters import Duration

Command = TypeVar("Command", bound=Callable[..., Any])

FILES = click.Path(allow_dash=True)


def playing_options(command: Command) -> Command:
    """Give a command what says which rollout is played, under which traffic.

    The parameters are those of `offline.simulation.asked.Asked`.
    """
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "-f",
        "--filename",
        "files",
        multiple=True,
        required=True,
        type=FILES,
        metavar="FILE",
        help="File, directory, or - for standard input; may be given several times.",
    ),
    click.option("--name", metavar="NAME", help="Which rollout, where the files have several."),
    click.option(
        "--rps",
        metavar="N",
        help="Requests a second of both versions together.",
    ),
    click.option(
        "--base-error-rate",
        metavar="PERCENT",
        help="Share of the requests that fail with either version.  [0.1%]",
    ),
    click.option(
        "--base-latency",
        type=Duration(),
        metavar="DURATION",
        help="Median time to a response of either version.  [40ms]",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        metavar="N",
        help="What chance begins with; the same seed gives the same output.  [0]",
    ),
    click.option(
        "--prometheus-scrape-interval",
        "scrape_interval",
        type=Duration(),
        default="15s",
        show_default=True,
        help="What the operator was started with.",
    ),
)
