"""`history`: how rollouts ended."""

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


@click.command("history", short_help="Show finished rollouts, newest first")
@rollout_argument
@output_option("json", "yaml")
@look_options
@cluster_options
def history(target: Target, look: "Look", name: str, output: str | None) -> None:
    """Show finished rollouts, newest first: how far they came, why they ended, whom they hurt.

    The operator keeps the latest ten.
    """
    import asyncio

    asyncio.run(_history(target, look, name, output))


async def _history(target: Target, look: "Look", name: str, output: str | None) -> None:
    from canary_operator.plugin.console import open_sheet
    from canary_operator.plugin.formats import formatted
    from canary_operator.plugin.live.access import connect
    from canary_operator.plugin.live.reads import images
    from canary_operator.plugin.live.rollouts import find
    from canary_operator.plugin.presenting import now
    from canary_operator.plugin.screens import history as screen

    async with connect(target) as cluster:
        sight = await find(cluster, name)
        known = await images(cluster, sight)
    if output is not None:
        click.echo(formatted(screen.entries(sight, known), output))
        return
    sheet = open_sheet(look)
    sheet.print(*screen.history(sight, known, now(), sheet))
