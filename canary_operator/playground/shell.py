"""The local cluster in the foreground, for kubectl and for hands.

A kubeconfig is written, every CanaryRollout that serves gets a steady load, and what happens to it
is told line by line, until Ctrl-C. Then everything ends and every file goes.
"""

import asyncio
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Self

import click

from canary_operator.adapters.cluster.feed import Change, ChangeKind
from canary_operator.playground.loadgen import LoadGenerator
from canary_operator.playground.local import ROLLOUTS, LocalCluster
from canary_operator.playground.mesh.background import Background
from canary_operator.plugin.console import open_sheet
from canary_operator.plugin.presenting import now
from canary_operator.plugin.screens.watch import News, is_news, named_line
from canary_operator.plugin.sight import Sight

CHECK_SECONDS = 1.0
Place = tuple[str, str]
"""Namespace and name of a rollout."""


class Visitors:
    """Sends requests to every rollout that serves; use it as an async context manager."""

    def __init__(self, cluster: LocalCluster, rate: float) -> None:
        """Remember whom to visit.

        Args:
            cluster: An opened cluster.
            rate: Requests per second for each rollout; 0 sends none.
        """
        self._cluster = cluster
        self._rate = rate
        self._sights: dict[Place, Sight] = {}
        self._sheet = open_sheet()
        self._loads: dict[Place, AsyncExitStack] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for place in list(self._loads):
            await self._leave(place)

    async def follow(self) -> None:
        """Tell about every rollout, and visit it from when it serves until it is deleted."""
        async for change in self._cluster.client.watch(ROLLOUTS):
            if change.kind is not ChangeKind.SYNCED:
                await self._follow(change)

    async def _follow(self, change: Change) -> None:
        meta = change.object["metadata"]
        place = (meta["namespace"], meta["name"])
        if change.kind is ChangeKind.DELETED:
            self._sights.pop(place, None)
            await self._leave(place)
            click.echo(f"{'/'.join(place)} is deleted.")
            return
        status = change.object.get("status") or {}
        if status.get("phase"):
            self._tell(place, Sight.of(change.object))
            await self._visit(place, status)

    def _tell(self, place: Place, sight: Sight) -> None:
        """Print a line, as `kubectl canary list --watch` does in a log."""
        if is_news(self._sights.get(place), sight):
            self._sheet.print(named_line(News(now(), sight), self._sheet))
        self._sights[place] = sight

    async def _visit(self, place: Place, status: Mapping[str, Any]) -> None:
        if place in self._loads or not self._rate or status["phase"] == "Initializing":
            return
        namespace, name = place
        mesh = self._cluster.mesh
        load = LoadGenerator(mesh.url, host=mesh.host_of(name, namespace), rate=self._rate)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(load)
            self._loads[place] = stack.pop_all()
        address = mesh.url_for(name, namespace)
        click.echo(
            f"{namespace}/{name} gets {self._rate:g} requests per second. Try: curl {address}"
        )

    async def _leave(self, place: Place) -> None:
        load = self._loads.pop(place, None)
        if load is not None:
            await load.aclose()


async def run(directory: Path, namespace: str, rate: float, *, istio: bool = True) -> None:
    """Run the cluster until SIGINT or SIGTERM.

    Args:
        directory: An existing folder for everything that is written; the caller removes it.
        namespace: Made at the start.
        rate: Requests per second for each rollout.
        istio: Whether Istio is installed.

    Raises:
        DaemonError: a part did not start, or died; the message ends with its last words.
    """
    click.echo("Starting API server, controllers, Envoy, Prometheus and the operator …")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with (
        LocalCluster(directory, namespace, istio=istio) as cluster,
        Visitors(cluster, rate) as visitors,
        Background() as background,
    ):
        background.start(visitors.follow(), "follow rollouts")
        click.echo(_welcome(cluster))
        while not stop.is_set():
            cluster.operator.check()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), CHECK_SECONDS)
    click.echo("\nEverything is stopped; nothing is left running.")


def _welcome(cluster: LocalCluster) -> str:
    return (
        "\nThe cluster runs until Ctrl-C. In another terminal:\n\n"
        f"  export KUBECONFIG={cluster.kubeconfig}\n"
        f"  export PATH={Path(sys.executable).parent}:$PATH    # for kubectl canary\n"
        f"  export PLAYGROUND=localhost:{cluster.mesh.port}"
        "    # for curl http://SERVICE.NAMESPACE.$PLAYGROUND\n"
        "  kubectl apply -f examples/helloworld/1-helloworld-v1.yaml\n"
        "  kubectl canary list --watch\n\n"
        f"Prometheus: {cluster.prometheus.url}\n"
        f"Operator's log: {cluster.operator.log}\n"
    )
