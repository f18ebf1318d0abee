"""`promote`, `resume`, `approve`, `pause`, `abort`, `retry`: what a person asks of the operator."""

import asyncio
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from canary_operator.domain.requests import Verb
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
    from canary_operator.plugin.live.asking import Answered, Asked, Wish

PROMOTE = """Skip the remaining holds and checks.

Stable is rolled to the canary's template now, at the present weight. Refused while the canary has
too few pods for that.
"""
RESUME = """Go on after a pause, or approve a step.

Ends a pause that was asked for with `pause`; where there is none, approves the step that waits for
an approval.
"""
APPROVE = "The same as resume."
PAUSE = """Hold the weight where it is; checks go on.

They may roll the canary back. Go on with `resume`.
"""
ABORT = """Take all traffic back to stable.

The revision is rejected until `retry` or another template. An abort replaces a request that still
waits for the operator.
"""
RETRY = """Try a revision again that was rolled back.

It begins at the first step.
"""
NEXT = """
The request names the revision that is there now, so it cannot hit one that comes meanwhile. Only
an annotation is set: a GitOps tool finds its object unchanged.
"""


_SUBJECTS = {Verb.RETRY: "revision that was rolled back"}
"""What a request is about, where it is not the canary."""


def _command(word: str, verb: Verb, words: str) -> click.Command:
    """Return the command that asks for one thing."""

    @click.command(word, short_help=words.partition("\n")[0].rstrip("."), help=words + NEXT)
    @rollout_argument
    @click.option(
        "--revision",
        metavar="R",
        help=f"Ask only if this is the {_SUBJECTS.get(verb, 'canary')}.",
    )
    @click.option(
        "--wait/--no-wait", default=True, show_default=True, help="Wait for the operator's answer."
    )
    @click.option(
        "--timeout",
        type=Duration(),
        default="30s",
        show_default=True,
        help="Longest wait for the answer.",
    )
    @output_option("json", "yaml")
    @cluster_options
    @look_options
    def command(  # noqa: PLR0913 - one for each option
        *,
        name: str,
        revision: str | None,
        wait: bool,
        timeout: timedelta,
        output: str | None,
        target: Target,
        look: "Look",
    ) -> int:
        from canary_operator.plugin.live.asking import Wish

        wish, patience = Wish(verb, revision), timeout if wait else None
        asked, answered = asyncio.run(_ask(target, look, name, wish, patience))
        return _show(word, asked, answered, output, look)

    return command


async def _ask(
    target: Target, look: "Look", name: str, wish: "Wish", patience: timedelta | None
) -> tuple["Asked", "Answered | None"]:
    from canary_operator.plugin.live.access import connect
    from canary_operator.plugin.live.asking import answer_to, ask

    async with connect(target) as cluster:
        asked = await ask(cluster, name, wish)
        if patience is None:
            return asked, None
        try:
            async with asyncio.timeout(patience.total_seconds()):
                return asked, await answer_to(cluster, asked, _teller(look))
        except TimeoutError:
            raise _no_answer(asked, patience) from None


def _teller(look: "Look") -> Callable[[str], None]:
    """Return what tells of an outage, once."""
    from canary_operator.plugin.console import open_sheet

    sheet, told = open_sheet(look, sys.stderr), set[str]()

    def tell(words: str) -> None:
        if words not in told:
            told.add(words)
            sheet.print(sheet.text(f"{words} Still waiting."))

    return tell


def _no_answer(asked: "Asked", patience: timedelta) -> PluginError:
    from canary_operator.domain.durations import format_duration
    from canary_operator.plugin.live.asking import take_back

    return PluginError(
        f"{asked.sight.name}: the operator did not answer within {format_duration(patience)}; "
        "it may be down. The request stays, and is answered when the operator is back",
        f"Take it back with: {take_back(asked.sight)}",
        Exit.TIMEOUT,
    )


def _show(
    word: str, asked: "Asked", answered: "Answered | None", output: str | None, look: "Look"
) -> int:
    from canary_operator.plugin.console import open_sheet
    from canary_operator.plugin.formats import formatted
    from canary_operator.plugin.screens.requests import as_data, told

    words, refused = told(word, asked, answered), answered is not None and not answered.accepted
    sheet = open_sheet(look)
    if output:
        click.echo(formatted(as_data(asked, answered), output))
    elif not refused:
        sheet.print(sheet.text(words))
    if refused:
        raise PluginError(words, code=Exit.FAILED)
    return Exit.DONE


promote = _command("promote", Verb.PROMOTE, PROMOTE)
resume = _command("resume", Verb.RESUME, RESUME)
approve = _command("approve", Verb.RESUME, APPROVE)
pause = _command("pause", Verb.PAUSE, PAUSE)
abort = _command("abort", Verb.ABORT, ABORT)
retry = _command("retry", Verb.RETRY, RETRY)
