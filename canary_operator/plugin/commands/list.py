"""`list`: rollouts, one line each."""

from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import click

from canary_operator.plugin.options import cluster_options, look_options, output_option
from canary_operator.plugin.target import Target

if TYPE_CHECKING:
    from canary_operator.plugin.console import Look, Sheet
    from canary_operator.plugin.live.access import Cluster


@click.command("list", short_help="Show rollouts, one line each")
@click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
@click.option("-w", "--watch", is_flag=True, help="Go on and show changes, until Ctrl-C.")
@output_option("wide", "json", "yaml", "name")
@look_options
@cluster_options
def list_(
    target: Target, look: "Look", output: str | None, *, all_namespaces: bool, watch: bool
) -> None:
    """Show rollouts, one line each: phase, weight, step, what the metrics say, and why."""
    import asyncio

    asyncio.run(_list(target, look, output, everywhere=all_namespaces, watch=watch))


async def _list(
    target: Target, look: "Look", output: str | None, *, everywhere: bool, watch: bool
) -> None:
    from canary_operator.plugin.console import open_sheet
    from canary_operator.plugin.live.access import connect

    sheet = open_sheet(look)
    async with connect(target) as cluster:
        if watch:
            await _follow(cluster, sheet, output, everywhere=everywhere)
        else:
            await _once(cluster, sheet, output, everywhere=everywhere)


async def _once(
    cluster: "Cluster", sheet: "Sheet", output: str | None, *, everywhere: bool
) -> None:
    from canary_operator.plugin.formats import formatted, list_of
    from canary_operator.plugin.live.reads import rollouts

    found = await rollouts(cluster, everywhere=everywhere)
    if output in {"json", "yaml"}:
        click.echo(formatted(list_of(found), output))
    elif output == "name":
        _print_names(found)
    elif not found:
        where = "this cluster" if everywhere else f"namespace {cluster.namespace}"
        click.echo(f"No CanaryRollouts in {where}.", err=True)
    else:
        sheet.print(*_table(found, sheet, output, everywhere=everywhere))


def _print_names(found: list[dict[str, Any]]) -> None:
    from canary_operator.plugin.sight import CANARY_ROLLOUT

    for one in found:
        click.echo(f"{CANARY_ROLLOUT}/{one['metadata']['name']}")


def _table(
    found: list[dict[str, Any]], sheet: "Sheet", output: str | None, *, everywhere: bool
) -> Any:
    from canary_operator.plugin.presenting import now
    from canary_operator.plugin.screens.rollouts import rollouts_table
    from canary_operator.plugin.sight import Sight

    sights = [Sight.of(one) for one in found]
    wide = output == "wide"
    return rollouts_table(sights, now(), sheet, namespaces=everywhere, wide=wide)


async def _follow(
    cluster: "Cluster", sheet: "Sheet", output: str | None, *, everywhere: bool
) -> None:
    """Show the table anew in place, or, where nobody looks, a line or object for each change."""
    from rich.console import Group
    from rich.live import Live

    from canary_operator.adapters.cluster.feed import ChangeKind
    from canary_operator.plugin.live.rollouts import changes

    known: dict[str, dict[str, Any]] = {}
    namespace = None if everywhere else cluster.namespace
    drawn = Live(console=sheet.console, auto_refresh=False, vertical_overflow="crop")
    draws = sheet.live and output in {None, "wide"}
    if draws:
        drawn.start()
    try:
        async with aclosing(changes(cluster, namespace=namespace)) as news:
            async for change in news:
                _take_in(known, change.kind, change.object)
                if draws:
                    rows = [known[key] for key in sorted(known)]
                    table = _table(rows, sheet, output, everywhere=everywhere)
                    drawn.update(Group(*table), refresh=True)
                elif change.kind is not ChangeKind.SYNCED:
                    _print_change(change.kind, change.object, sheet, output)
    finally:
        if draws:
            drawn.stop()


def _take_in(known: dict[str, dict[str, Any]], kind: str, manifest: Mapping[str, Any]) -> None:
    from canary_operator.adapters.cluster.feed import ChangeKind

    if kind == ChangeKind.SYNCED:
        return
    meta = manifest["metadata"]
    key = f"{meta['namespace']}/{meta['name']}"
    if kind == ChangeKind.DELETED:
        known.pop(key, None)
    else:
        known[key] = dict(manifest)


def _print_change(kind: str, manifest: dict[str, Any], sheet: "Sheet", output: str | None) -> None:
    from rich.text import Text

    from canary_operator.plugin.formats import formatted, json_line, without_noise
    from canary_operator.plugin.presenting import now
    from canary_operator.plugin.screens.watch import News, line
    from canary_operator.plugin.sight import Sight

    if output == "json":
        click.echo(json_line(without_noise(manifest)))
    elif output == "yaml":
        click.echo("---\n" + formatted(without_noise(manifest), "yaml"))
    elif output == "name":
        _print_names([manifest])
    else:
        sight = Sight.of(manifest)
        text = Text(f"{sight.namespace}/{sight.name}  ")
        gone = kind == "DELETED"
        sheet.print(text + (Text("deleted") if gone else line(News(now(), sight), sheet)))
