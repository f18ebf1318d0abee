"""`make bench-failover`: from the end of the leading operator to the first act of the other one.

Two operators, as processes of their own, on the embedded API. The leader is killed (SIGKILL) or
told to stop (SIGTERM), and at the same moment somebody changes `spec.replicas`; the time counts
until the other operator has changed the Deployment. So it includes the end of the Lease, the lists
of the new leader and its first tick. Who ended is started again, and stands by.
"""

import asyncio
import itertools
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click

from canary_operator.playground.api import EmbeddedAPI
from canary_operator.playground.client import (
    DEPLOYMENTS,
    MERGE,
    NAMESPACES,
    Client,
    NotFoundError,
    Resource,
)
from canary_operator.playground.controllers import Controllers
from canary_operator.playground.controllers.instant import InstantRuntime
from canary_operator.playground.local import DEFINITIONS, ROLLOUTS, definitions
from canary_operator.playground.operator_process import OperatorProcess

LIMIT_SECONDS = 15.0
KILLS, STOPS = 10, 5
NAMESPACE, NAME, LEASE = "demo", "web", "canary-operator"
LEASES = Resource("leases", "coordination.k8s.io")
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.02
NO_PROMETHEUS = "http://127.0.0.1:9"
"""No rollout is under way, so nobody asks it."""

FLAGS = ("--leader-election", f"--leader-election-namespace={NAMESPACE}")


async def until(met: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await met():  # noqa: ASYNC110 - the other side sends no signal
            await asyncio.sleep(LOOK_SECONDS)


def manifest(replicas: int) -> dict[str, Any]:
    """Return the CanaryRollout that is watched over."""
    container = {"name": "app", "image": "web:v1", "ports": [{"name": "http", "containerPort": 80}]}
    return {
        "apiVersion": "canary-operator.dev/v1alpha1",
        "kind": "CanaryRollout",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "template": {"spec": {"containers": [container]}},
            "service": {"port": 80, "targetPort": "http"},
        },
    }


class Pair:
    """Two operators, of which one leads."""

    def __init__(self, client: Client, operators: Sequence[OperatorProcess]) -> None:
        self._client = client
        self._operators = operators
        self._replicas = itertools.cycle((2, 3))

    async def begin(self) -> None:
        """Wait until a rollout is at rest and one operator stands by."""
        await self._client.create(ROLLOUTS, manifest(2), NAMESPACE)
        next(self._replicas)
        await until(lambda: self._asks_for(2))
        await until(self._one_stands_by)

    async def seconds_without(self, *, killed: bool) -> float:
        """End the leader and return how long it took until the other one acted."""
        leader, other = await self._leader_and_other()
        loop = asyncio.get_running_loop()
        began = loop.time()
        await (leader.kill() if killed else leader.stop())
        wanted = next(self._replicas)
        patch = {"spec": {"replicas": wanted}}
        await self._client.patch(ROLLOUTS, NAME, patch, NAMESPACE, ctype=MERGE)
        await until(lambda: self._asks_for(wanted))
        taken = loop.time() - began
        other.check()
        await leader.start()
        await until(self._one_stands_by)
        return taken

    async def _asks_for(self, replicas: int) -> bool:
        try:
            stable = await self._client.get(DEPLOYMENTS, f"{NAME}-stable", NAMESPACE)
        except NotFoundError:
            return False
        return bool(stable["spec"]["replicas"] == replicas)

    async def _leader_and_other(self) -> tuple[OperatorProcess, OperatorProcess]:
        lease = await self._client.get(LEASES, LEASE, NAMESPACE)
        holder = f"Leading: identity={lease['spec']['holderIdentity']}"
        first, second = self._operators
        return (first, second) if holder in first.log.read_text() else (second, first)

    async def _one_stands_by(self) -> bool:
        last = ("Leading:", "Standing by:")
        logs = [operator.log.read_text().splitlines() for operator in self._operators]
        states = [[word for line in log for word in last if word in line][-1:] for log in logs]
        return sorted(states) == [["Leading:"], ["Standing by:"]]


async def measure(kills: int, stops: int) -> tuple[list[float], list[float]]:
    """Return the seconds after each kill and after each orderly end."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        api = await stack.enter_async_context(EmbeddedAPI())
        api.write_kubeconfig(folder / "kubeconfig")
        client = await stack.enter_async_context(Client(api.url))
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        for definition in definitions():
            await client.create(DEFINITIONS, definition)
        await stack.enter_async_context(Controllers(client, runtime=InstantRuntime()))
        operators = [
            await stack.enter_async_context(
                OperatorProcess(folder / "kubeconfig", NO_PROMETHEUS, folder / f"{name}.log", FLAGS)
            )
            for name in ("first", "second")
        ]
        pair = Pair(client, operators)
        await pair.begin()
        after_kills = [await pair.seconds_without(killed=True) for _ in range(kills)]
        after_stops = [await pair.seconds_without(killed=False) for _ in range(stops)]
        return after_kills, after_stops


def line(name: str, found: Sequence[float]) -> str:
    """Return a row of the table."""
    cells = (min(found), statistics.median(found), max(found))
    return f"| {name} | {len(found)} | " + " | ".join(f"{cell:.1f} s" for cell in cells) + " |"


@click.command(help=__doc__)
@click.option("--kills", default=KILLS, show_default=True)
@click.option("--stops", default=STOPS, show_default=True)
def main(kills: int, stops: int) -> None:
    """Print a table; exit code 1 where a kill took longer than the limit."""
    after_kills, after_stops = asyncio.run(measure(kills, stops))
    click.echo("| the leader | times | shortest | median | longest |\n|---|---|---|---|---|")
    click.echo(line("is killed (SIGKILL)", after_kills))
    click.echo(line("is told to stop (SIGTERM)", after_stops))
    sys.exit(max(after_kills) >= LIMIT_SECONDS)


if __name__ == "__main__":
    main()
