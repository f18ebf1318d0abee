"""Run the embedded API as a process of its own: `python -m canary_operator.playground.api`."""

import asyncio
import contextlib
import signal
from pathlib import Path

import click
import yaml

from canary_operator.playground.api.embedded import EmbeddedAPI
from canary_operator.playground.api.options import WriteOptions
from canary_operator.playground.api.targets import Target


@click.command()
@click.option("--port", default=0, help="Port on loopback; 0 takes a free one.")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Where to write a kubeconfig.")
@click.option(
    "--crd",
    "definitions",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="A file of CustomResourceDefinitions to start with (repeatable).",
)
def main(port: int, kubeconfig: Path | None, definitions: tuple[Path, ...]) -> None:
    """Serve a Kubernetes API from memory until interrupted."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(port, kubeconfig, definitions))


async def _serve(port: int, kubeconfig: Path | None, definitions: tuple[Path, ...]) -> None:
    async with EmbeddedAPI(port) as api:
        resource = api.cluster.registry.builtin("apiextensions.k8s.io", "customresourcedefinitions")
        for path in definitions:
            for crd in yaml.safe_load_all(path.read_text()):
                api.cluster.operations.create(Target(resource, "", ""), crd, WriteOptions())
        if kubeconfig is not None:
            api.write_kubeconfig(kubeconfig)
        click.echo(api.url)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        await stop.wait()


main()
