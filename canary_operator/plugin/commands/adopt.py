"""`adopt`: a CanaryRollout for a Deployment that runs now, printed and never applied."""

import asyncio
from typing import TYPE_CHECKING

import click

from canary_operator.plugin.exits import Exit, UsageProblemError
from canary_operator.plugin.options import cluster_options, look_options
from canary_operator.plugin.target import Target

if TYPE_CHECKING:
    from canary_operator.plugin.console import Look
    from canary_operator.plugin.live.adoption.surroundings import Surroundings

KINDS = frozenset({"deploy", "deployment", "deployments", "deployment.apps", "deployments.apps"})

HELP = """Print a CanaryRollout for a Deployment that runs now.

Nothing is applied. Comments say, in the order of what to do, what has to be looked at, how callers
and autoscalers are handed over, and what is not carried over:

\b
  kubectl canary adopt deployment/web > rollout.yaml
  kubectl canary lint -f rollout.yaml

The rollout has a template of its own and runs beside the Deployment, which is deleted in the end.
With --keep-deployment it takes its pods from the Deployment, which stays where it is written, and
takes the Service over.
"""


@click.command(
    "adopt", short_help="Print a CanaryRollout for a Deployment that runs now", help=HELP
)
@click.argument("workload", metavar="deployment/NAME")
@click.option("--service", metavar="NAME", help="Service that callers use.  [the only one]")
@click.option("--name", metavar="NAME", help="Name of the CanaryRollout.  [a free one]")
@click.option(
    "--keep-deployment", is_flag=True, help="Take the pods from the Deployment (workloadRef)."
)
@cluster_options
@look_options
def adopt(  # noqa: PLR0913 - one for each option
    *,
    workload: str,
    service: str | None,
    name: str | None,
    keep_deployment: bool,
    target: Target,
    look: "Look",
) -> int:
    """Print a CanaryRollout for a Deployment; never apply it."""
    from canary_operator.plugin.console import UNICODE, open_sheet
    from canary_operator.plugin.live.adoption.keeping import propose_keeping
    from canary_operator.plugin.live.adoption.proposal import propose
    from canary_operator.plugin.screens.adoption import proposal_text

    seen = asyncio.run(_survey(target, _deployment(workload)))
    proposed = propose_keeping if keep_deployment else propose
    proposal = proposed(seen, service=service, name=name)
    sheet = open_sheet(look)
    ascii_only = sheet.glyphs is not UNICODE
    sheet.console.file.write(sheet.text(proposal_text(proposal, ascii_only=ascii_only), lines=True))
    return Exit.DONE


def _deployment(workload: str) -> str:
    kind, slash, name = workload.rpartition("/")
    if not slash:
        raise UsageProblemError(f"{workload!r} has no kind", f"Write deployment/{workload}.")
    if kind.lower() not in KINDS or not name:
        raise UsageProblemError(f"{workload!r} is no Deployment", "Write deployment/NAME.")
    return name


async def _survey(target: Target, name: str) -> "Surroundings":
    from canary_operator.plugin.live.access import connect
    from canary_operator.plugin.live.adoption.surroundings import survey

    async with connect(target) as cluster:
        return await survey(cluster, name)
