"""`status`: one line and an exit code, for scripts."""

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from canary_operator.parameters import Duration
from canary_operator.plugin.options import (
    cluster_options,
    look_options,
    output_option,
    rollout_argument,
)
from canary_operator.plugin.target import Target

if TYPE_CHECKING:
    from canary_operator.plugin.console import Look
    from canary_operator.plugin.live.access import Cluster
    from canary_operator.plugin.sight import Sight


@click.command("status", short_help="Say in one line, and by exit code, how a rollout is")
@rollout_argument
@click.option("--timeout", type=Duration(), help="Wait for the end, at most so long.  [no wait]")
@output_option("json")
@look_options
@cluster_options
def status(
    target: Target, look: "Look", name: str, output: str | None, timeout: timedelta | None
) -> int:
    """Say in one line how a rollout is.

    Exit code 0: the wanted revision serves everything. 1: it was rolled back, or its spec is
    refused. 4: still under way. With --timeout it waits for the end; 2: the end did not come.
    """
    import asyncio

    return asyncio.run(_status(target, look, name, output, timeout))


async def _status(
    target: Target,
    look: "Look",
    name: str,
    output: str | None,
    patience: timedelta | None,
) -> int:
    from canary_operator.plugin.console import open_sheet
    from canary_operator.plugin.ending import check_still_wanted, exit_code
    from canary_operator.plugin.formats import json_line
    from canary_operator.plugin.live.access import connect
    from canary_operator.plugin.live.rollouts import find
    from canary_operator.plugin.presenting import now
    from canary_operator.plugin.screens.watch import News, change_of, summary

    async with connect(target) as cluster:
        sight = await find(cluster, name)
        wanted = sight.wanted_revision
        if patience is not None and sight.end is None:
            sight = await _wait(cluster, sight, patience)
    sheet = open_sheet(look)
    if output == "json":
        click.echo(json_line(change_of(News(now(), sight))))
    else:
        sheet.print(summary(sight, sheet))
    check_still_wanted(sight, wanted)
    return exit_code(sight, wanted, patient=patience is not None)


async def _wait(cluster: "Cluster", sight: "Sight", patience: timedelta) -> "Sight":
    """Return the rollout at its end, or as it is when the time is over."""
    import asyncio
    from contextlib import suppress

    from canary_operator.plugin.live.watching import scenes

    with suppress(TimeoutError):
        async with (
            asyncio.timeout(patience.total_seconds()),
            scenes(cluster, sight.name, children=()) as seen,
        ):
            async for scene in seen:
                sight = scene.sight if scene else sight
                if sight.end:
                    break
    return sight
