"""`set image`: another image, which starts a rollout."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from canary_operator.plugin.exits import Exit, UsageProblemError
from canary_operator.plugin.options import cluster_options, look_options, rollout_argument
from canary_operator.plugin.target import Target

if TYPE_CHECKING:
    from canary_operator.plugin.console import Look
    from canary_operator.plugin.live.images import ImagePlan


@click.group("set", short_help="Set the image of a container, which starts a rollout")
def set_() -> None:
    """Set the image of a container, which starts a rollout."""


@set_.command("image")
@rollout_argument
@click.argument("images", metavar="CONTAINER=IMAGE...", nargs=-1, required=True)
@click.option("--watch", is_flag=True, help="Follow the rollout until it ends.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@cluster_options
@look_options
def image(  # noqa: PLR0913 - one for each option
    *, name: str, images: Sequence[str], watch: bool, dry_run: bool, target: Target, look: "Look"
) -> int:
    """Set the image of one or more containers, by their names.

    `*=IMAGE` means all of them, init containers too. Nothing is changed where somebody else changed
    the images meanwhile.
    """
    plan = asyncio.run(_set(target, name, _wishes(images), dry_run=dry_run))
    _show(plan, dry_run=dry_run, look=look)
    if watch and plan.changes and not dry_run:
        from canary_operator.plugin.commands.watch import follow_rollout

        return follow_rollout(target, look, name)
    return Exit.DONE


def _wishes(images: Sequence[str]) -> dict[str, str]:
    wishes: dict[str, str] = {}
    for word in images:
        container, equals, wanted = word.partition("=")
        if not (container and equals and wanted.strip()):
            raise UsageProblemError(
                f"{word!r} is not CONTAINER=IMAGE", "Write such as: app=shop:v2"
            )
        if container in wishes:
            raise UsageProblemError(f"Container {container} is named twice")
        wishes[container] = wanted.strip()
    return wishes


async def _set(
    target: Target, name: str, wishes: Mapping[str, str], *, dry_run: bool
) -> "ImagePlan":
    from canary_operator.plugin.live.access import connect
    from canary_operator.plugin.live.images import plan_images, set_images
    from canary_operator.plugin.live.rollouts import find

    async with connect(target) as cluster:
        plan = plan_images(await find(cluster, name), wishes)
        return await set_images(cluster, plan, wishes) if plan.changes and not dry_run else plan


def _show(plan: "ImagePlan", *, dry_run: bool, look: "Look") -> None:
    from canary_operator.domain.revision import revision_of
    from canary_operator.plugin.console import open_sheet
    from canary_operator.plugin.live.managers import hint_about
    from canary_operator.plugin.screens.wanted import consequence

    sheet, sight = open_sheet(look), plan.sight
    for change in plan.changes:
        words = f"{sight.name}: {change.container} {change.old or 'no image'} → {change.new}"
        sheet.print(sheet.text(words))
    if not plan.changes:
        sheet.print(sheet.text(f"{sight.name}: nothing to change, the images are the same."))
        return
    sheet.print(sheet.text(consequence(sight, revision_of(plan.template))))
    hint = hint_about(sight.raw)
    if hint:
        sheet.print(sheet.text(f"Note: {hint}"))
    if dry_run:
        sheet.print("Nothing was changed: this is a dry run.")
