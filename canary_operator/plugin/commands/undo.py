"""`undo`: back to an earlier template, from the operator's own records."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.options import cluster_options, look_options, rollout_argument
from canary_operator.plugin.target import Target

if TYPE_CHECKING:
    from canary_operator.plugin.console import Look
    from canary_operator.plugin.live.records import Record
    from canary_operator.plugin.live.undoing import Undo
    from canary_operator.plugin.sight import Sight


@click.command("undo", short_help="Go back to an earlier template")
@rollout_argument
@click.option("--to", metavar="REVISION", help="Where to go back to, or the beginning of its name.")
@click.option("--watch", is_flag=True, help="Follow the rollout until it ends.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@cluster_options
@look_options
def undo(  # noqa: PLR0913 - one for each option
    *, name: str, to: str | None, watch: bool, dry_run: bool, target: Target, look: "Look"
) -> int:
    """Go back to an earlier template.

    While a canary is on trial, or after it was rolled back, that is stable's template: all traffic
    goes back at once. Else it is the revision that was stable before, which goes on trial as any
    other. Only the pod template is set back, no other field.
    """
    sight, way = asyncio.run(_undo(target, name, to, dry_run=dry_run))
    _show(sight, way, dry_run=dry_run, look=look)
    if watch and way.needed and not dry_run:
        from canary_operator.plugin.commands.watch import follow_rollout

        return follow_rollout(target, look, name)
    return Exit.DONE


async def _undo(
    target: Target, name: str, to: str | None, *, dry_run: bool
) -> tuple["Sight", "Undo"]:
    from canary_operator.plugin.live.access import connect
    from canary_operator.plugin.live.records import records_of
    from canary_operator.plugin.live.rollouts import find
    from canary_operator.plugin.live.undoing import UnknownRevisionError, go_back, undo_target

    async with connect(target) as cluster:
        sight = await find(cluster, name)
        records = await records_of(cluster, sight)
        try:
            way = undo_target(sight, records, to)
        except UnknownRevisionError as error:
            raise _with_known(error, sight, records) from None
        if way.needed and not dry_run:
            await go_back(cluster, sight, way)
        return sight, way


def _with_known(error: PluginError, sight: "Sight", records: "Sequence[Record]") -> PluginError:
    from canary_operator.plugin.presenting import now
    from canary_operator.plugin.screens.revisions import known_revisions

    known = known_revisions(sight, records, now())
    words = f"there are:\n{known}" if known else "there is none"
    return PluginError(f"{error.format_message()}; {words}", code=Exit.FAILED)


def _show(sight: "Sight", way: "Undo", *, dry_run: bool, look: "Look") -> None:
    from canary_operator.plugin.console import open_sheet
    from canary_operator.plugin.live.images import template_of
    from canary_operator.plugin.live.managers import hint_about
    from canary_operator.plugin.presenting import now
    from canary_operator.plugin.screens.revisions import difference, way_back

    sheet = open_sheet(look)
    for words in way_back(sight, way, now()):
        sheet.print(sheet.text(words))
    hint = hint_about(sight.raw)
    if hint and way.needed:
        sheet.print(sheet.text(f"Note: {hint}"))
    if dry_run and way.needed:
        changes = difference(template_of(sight), way.record.template)
        sheet.print(sheet.text(changes, lines=True))
        sheet.print("Nothing was changed: this is a dry run.")
