"""`list`: rollouts, one line each."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from canary_operator.plugin.harmless import harmless_line
from canary_operator.plugin.options import cluster_options, look_options, output_option
from canary_operator.plugin.target import Target

if TYPE_CHECKING:
    import asyncio

    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from canary_operator.adapters.cluster.feed import Change
    from canary_operator.plugin.console import Look, Sheet
    from canary_operator.plugin.live.access import Cluster
    from canary_operator.plugin.sight import Sight

QUIET_SECONDS = 0.1
"""How long changes are gathered before they are drawn together."""


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
    from canary_operator.plugin.sight import Sight

    found = await rollouts(cluster, everywhere=everywhere)
    if output in {"json", "yaml"}:
        click.echo(formatted(list_of(found), output))
    elif output == "name":
        _print_names(found)
    elif not found:
        where = "this cluster" if everywhere else f"namespace {cluster.namespace}"
        click.echo(f"No CanaryRollouts in {where}.", err=True)
    else:
        sights = [Sight.of(one) for one in found]
        sheet.print(*_table(sights, sheet, namespaces=everywhere, wide=output == "wide"))


def _print_names(found: Sequence[Mapping[str, Any]]) -> None:
    from canary_operator.plugin.sight import CANARY_ROLLOUT

    for one in found:
        click.echo(f"{CANARY_ROLLOUT}/{one['metadata']['name']}")


async def _follow(
    cluster: "Cluster", sheet: "Sheet", output: str | None, *, everywhere: bool
) -> None:
    """Show the table anew in place, or, where nobody looks, a line or object for each change."""
    import asyncio

    from canary_operator.plugin.live.rollouts import changes

    text = output in {None, "wide"}
    teller = _Teller(sheet if text else None)
    namespace = None if everywhere else cluster.namespace
    feed = changes(cluster, namespace=namespace, on_trouble=teller.complain)
    async with aclosing(feed) as news:
        if text and sheet.frames:
            board = _Board(sheet, asyncio.Event(), namespaces=everywhere, wide=output == "wide")
            await _draw(news, board, teller)
        else:
            await _print(news, sheet, output)


async def _print(news: AsyncIterator["Change"], sheet: "Sheet", output: str | None) -> None:
    import asyncio

    from canary_operator.adapters.cluster.feed import ChangeKind

    async for change in news:
        if change.kind is not ChangeKind.SYNCED:
            _print_change(change.kind, change.object, sheet, output)
            await asyncio.sleep(0)  # Ctrl-C is heard, however many there are


async def _draw(news: AsyncIterator["Change"], board: "_Board", teller: "_Teller") -> None:
    """Draw once everything is known, then after changes; several at a time are drawn once."""
    import asyncio

    from canary_operator.plugin.presenting import drawing

    reader = asyncio.create_task(board.read(news))
    reader.add_done_callback(lambda _: board.changed.set())
    try:
        with drawing(board.sheet) as live:
            teller.live = live
            while not reader.done():
                await board.changed.wait()
                await asyncio.sleep(QUIET_SECONDS)
                board.changed.clear()
                if not reader.done():
                    live.update(board.drawn(), refresh=True)
        await reader  # a feed ends with an error only
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


@dataclass(slots=True)
class _Board:
    """The rollouts that there are, and the table of those that a terminal has room for."""

    sheet: "Sheet"
    changed: "asyncio.Event"
    """Whether there is something to draw that was not drawn."""
    namespaces: bool
    wide: bool
    _known: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _sights: dict[str, "Sight"] = field(default_factory=dict)
    """Those that were shown; an object is read when it is shown for the first time."""

    async def read(self, news: AsyncIterator["Change"]) -> None:
        """Take in every change."""
        from canary_operator.adapters.cluster.feed import ChangeKind

        synced = False
        async for change in news:
            if change.kind is ChangeKind.SYNCED:
                synced = True
            else:
                self._take_in(change.object, gone=change.kind is ChangeKind.DELETED)
            if synced:
                self.changed.set()

    def _take_in(self, manifest: Mapping[str, Any], *, gone: bool) -> None:
        meta = manifest["metadata"]
        key = f"{meta['namespace']}/{meta['name']}"
        self._sights.pop(key, None)
        if gone:
            self._known.pop(key, None)
        else:
            self._known[key] = manifest

    def drawn(self) -> "Group":
        """Return the table, as high as the terminal at most."""
        from rich.console import Group
        from rich.text import Text

        from canary_operator.plugin.screens.table import rows_in

        each = 2 if self.sheet.narrow else 1  # the message stands below
        keys = sorted(self._known)
        shown = keys[: rows_in(self.sheet.console.height, len(keys), each)]
        rows = [self._sight(key) for key in shown]
        table = _table(rows, self.sheet, namespaces=self.namespaces, wide=self.wide)
        left = len(keys) - len(shown)
        more = Text(f"{self.sheet.glyphs.ellipsis} {left} more", "muted")
        return Group(*table, more) if left else Group(*table)

    def _sight(self, key: str) -> "Sight":
        from canary_operator.plugin.sight import Sight

        if key not in self._sights:
            self._sights[key] = Sight.of(self._known[key])
        return self._sights[key]


@dataclass(slots=True)
class _Teller:
    """Says why nothing can be seen for now, each sentence once."""

    sheet: "Sheet | None"
    """None where a program reads standard output."""
    live: "Live | None" = None
    _told: set[str] = field(default_factory=set)

    def complain(self, words: str) -> None:
        """Print a warning, above what is drawn in place."""
        from rich.text import Text

        if words in self._told:
            return
        self._told.add(words)
        if self.sheet is None:
            click.echo(f"warning: {harmless_line(words)}", err=True)
            return
        text = Text(self.sheet.text(f"warning: {harmless_line(words)}"), "warn")
        if self.live is None:
            self.sheet.print(text)
        else:
            self.live.console.print(text)


def _table(found: list["Sight"], sheet: "Sheet", *, namespaces: bool, wide: bool) -> list["Text"]:
    from canary_operator.plugin.presenting import now
    from canary_operator.plugin.screens.rollouts import rollouts_table

    return rollouts_table(found, now(), sheet, namespaces=namespaces, wide=wide)


def _print_change(
    kind: str, manifest: Mapping[str, Any], sheet: "Sheet", output: str | None
) -> None:
    from canary_operator.plugin.formats import formatted, json_line, without_noise
    from canary_operator.plugin.presenting import now
    from canary_operator.plugin.screens.watch import News, named_line
    from canary_operator.plugin.sight import Sight

    if output == "json":
        click.echo(json_line(without_noise(manifest)))
    elif output == "yaml":
        click.echo("---\n" + formatted(without_noise(manifest), "yaml"))
    elif output == "name":
        _print_names([manifest])
    else:
        words = "deleted" if kind == "DELETED" else ""
        sheet.print(named_line(News(now(), Sight.of(manifest)), sheet, words))
