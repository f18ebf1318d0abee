"""`watch`: follow a rollout until it ends."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from canary_operator.parameters import Duration
from canary_operator.plugin.exits import Exit, PluginError
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
    from canary_operator.plugin.presenting import Presenter
    from canary_operator.plugin.sight import Sight


@click.command("watch", short_help="Follow a rollout until it ends")
@rollout_argument
@click.option("--timeout", type=Duration(), help="Longest time to watch, such as 30m.  [no limit]")
@click.option("-f", "--forever", is_flag=True, help="Go on after the end, until Ctrl-C.")
@output_option("json")
@look_options
@cluster_options
def watch(  # noqa: PLR0913 - one for each option
    target: Target,
    look: "Look",
    name: str,
    output: str | None,
    *,
    timeout: timedelta | None,
    forever: bool,
) -> int:
    """Follow a rollout until it ends: exit code 0 promoted, 1 rolled back, 2 timeout.

    On a terminal the whole rollout is drawn in place; elsewhere, for example in the log of a CI
    job, every change is a line. A rollout that is not under way has ended already.
    """
    return follow_rollout(target, look, name, output=output, timeout=timeout, forever=forever)


def follow_rollout(  # noqa: PLR0913 - one for each option
    target: Target,
    look: "Look",
    name: str,
    *,
    output: str | None = None,
    timeout: timedelta | None = None,
    forever: bool = False,
) -> int:
    """Follow a rollout until it ends, and return the exit code."""
    import asyncio

    return asyncio.run(_watch(target, look, name, _Wish(output, timeout, forever)))


@dataclass(frozen=True, slots=True)
class _Wish:
    """How somebody wants to watch."""

    output: str | None
    timeout: timedelta | None
    forever: bool


async def _watch(target: Target, look: "Look", name: str, wish: _Wish) -> int:
    import asyncio

    from canary_operator.plugin.console import open_sheet
    from canary_operator.plugin.ending import check_still_wanted, exit_code
    from canary_operator.plugin.live.access import connect
    from canary_operator.plugin.live.rollouts import find
    from canary_operator.plugin.presenting import presenter

    async with connect(target) as cluster:
        sight = await find(cluster, name)
        wanted = sight.wanted_revision
        seconds = None if wish.timeout is None else wish.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                with presenter(open_sheet(look), wish.output) as shown:
                    sight = await _until_end(cluster, name, shown, forever=wish.forever)
        except TimeoutError:
            raise PluginError(
                f"{cluster.namespace}/{name} did not end within the --timeout",
                f"It goes on; look again with: kubectl canary watch {name} -n {cluster.namespace}",
                Exit.TIMEOUT,
            ) from None
    check_still_wanted(sight, wanted)
    return exit_code(sight, wanted)


async def _until_end(
    cluster: "Cluster", name: str, shown: "Presenter", *, forever: bool
) -> "Sight":
    from canary_operator.plugin.live.watching import Scene, scenes
    from canary_operator.plugin.presenting import now

    last: Scene | None = None
    async with scenes(cluster, name, on_trouble=_teller(shown)) as seen:
        async for scene in seen:
            last = scene or last
            if last is None:
                continue
            shown.show(last.sight, last.family, now())
            if last.sight.end and not forever:
                break
    if last is None:
        raise AssertionError("unreachable: a feed ends with an error only")
    return last.sight


def _teller(shown: "Presenter") -> Callable[[str], None]:
    """Return what tells of troubles above what is shown, each once."""
    from rich.text import Text

    from canary_operator.plugin.harmless import harmless

    told: set[str] = set()

    def tell(words: str) -> None:
        if words not in told:
            told.add(words)
            shown.tell(Text(f"warning: {harmless(words)} Still watching.", "warn"))

    return tell
