"""`get`: one rollout, with everything that belongs to it."""

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


@click.command("get", short_help="Show a rollout with its Deployments, pods, steps and metrics")
@rollout_argument
@output_option("wide", "json", "yaml", "name")
@look_options
@cluster_options
def get(target: Target, look: "Look", name: str, output: str | None) -> None:
    """Show a rollout: steps, metrics, Deployments, pods, and how rollouts before it ended.

    `wide` shows all pods and the whole history.
    """
    import asyncio

    asyncio.run(_get(target, look, name, output))


async def _get(target: Target, look: "Look", name: str, output: str | None) -> None:
    from canary_operator.plugin.console import open_sheet
    from canary_operator.plugin.formats import formatted, without_noise
    from canary_operator.plugin.live.access import connect
    from canary_operator.plugin.live.reads import family, images
    from canary_operator.plugin.live.rollouts import find
    from canary_operator.plugin.presenting import now
    from canary_operator.plugin.screens.get import whole
    from canary_operator.plugin.sight import CANARY_ROLLOUT

    async with connect(target) as cluster:
        sight = await find(cluster, name)
        if output in {"json", "yaml"}:
            click.echo(formatted(without_noise(sight.raw), output))
            return
        if output == "name":
            click.echo(f"{CANARY_ROLLOUT}/{sight.name}")
            return
        relatives, known = await family(cluster, sight), await images(cluster, sight)
    sheet = open_sheet(look)
    wide = output == "wide"
    sheet.print(*whole(sight, relatives, known, now(), sheet, wide=wide))
