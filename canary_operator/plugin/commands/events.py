"""`events`: what happened and why."""

from typing import TYPE_CHECKING

import click

from canary_operator.plugin.options import (
    cluster_options,
    look_options,
    output_option,
    rollout_argument,
)
from canary_operator.plugin.target import Target

if TYPE_CHECKING:
    from canary_operator.plugin.console import Look


@click.command("events", short_help="Show what happened and why, newest first")
@rollout_argument
@output_option("json", "yaml")
@look_options
@cluster_options
def events(target: Target, look: "Look", name: str, output: str | None) -> None:
    """Show the Events of a rollout, newest first.

    The API server forgets them, usually after an hour; `history` remembers.
    """
    import asyncio

    asyncio.run(_events(target, look, name, output))


async def _events(target: Target, look: "Look", name: str, output: str | None) -> None:
    from canary_operator.plugin.console import open_sheet
    from canary_operator.plugin.formats import formatted, list_of
    from canary_operator.plugin.live import reads
    from canary_operator.plugin.live.access import connect
    from canary_operator.plugin.live.rollouts import find
    from canary_operator.plugin.presenting import now
    from canary_operator.plugin.screens.events import events_table, newest_first

    async with connect(target) as cluster:
        sight = await find(cluster, name)
        found = newest_first(await reads.events(cluster, sight))
    if output is not None:
        click.echo(formatted(list_of(found), output))
        return
    sheet = open_sheet(look)
    sheet.print(*events_table(found, now(), sheet))
