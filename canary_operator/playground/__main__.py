"""`make playground`: a local cluster for kubectl, with the operator and steady load."""

import asyncio
import sys
import tempfile
from pathlib import Path

import click

from canary_operator.playground.daemon import DaemonError
from canary_operator.playground.shell import run


@click.command()
@click.option("--namespace", default="demo", show_default=True, help="Namespace to begin with.")
@click.option(
    "--rate",
    type=click.FloatRange(min=0),
    default=100.0,
    show_default=True,
    help="Requests per second for every rollout.",
)
@click.option(
    "--istio/--no-istio",
    default=True,
    show_default=True,
    help="Whether Istio is installed; without it Envoy only balances Services.",
)
def main(namespace: str, rate: float, *, istio: bool) -> None:
    """Run a cluster on this machine until Ctrl-C: for kubectl, and for the examples."""
    with tempfile.TemporaryDirectory(prefix="canary-playground-") as folder:
        try:
            asyncio.run(run(Path(folder), namespace, rate, istio=istio))
        except DaemonError as error:
            click.echo(f"The playground stopped: {error}", err=True)
            sys.exit(1)


if __name__ == "__main__":
    main()
