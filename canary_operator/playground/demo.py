"""`make demo`: a good version is promoted and a faulty one is rolled back, on this machine.

Real Envoy carries real requests to real server processes, real Prometheus scrapes what Envoy saw,
and the operator is the process that runs in clusters. Only the API server and the controllers that
make pods of Deployments are the playground's own.
"""

import asyncio
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from canary_operator.playground.client import APPLY
from canary_operator.playground.daemon import DaemonError
from canary_operator.playground.loadgen import Counts, Failure, LoadGenerator
from canary_operator.playground.local import ROLLOUTS, LocalCluster
from canary_operator.playground.mesh.background import Background
from canary_operator.playground.picture import ImageFormat, render
from canary_operator.playground.story import Story, recording
from canary_operator.plugin.console import open_sheet
from canary_operator.plugin.live.access import connect
from canary_operator.plugin.live.watching import Scene, scenes
from canary_operator.plugin.presenting import Presenter, now, presenter
from canary_operator.plugin.target import Target

NAMESPACE, NAME = "demo", "helloworld"
REQUESTS_PER_SECOND = 120
QUIET_SECONDS = 4.0
"""How long the picture shows what was before a release."""
PATIENCE_SECONDS = 150.0
WATCH_SECONDS = 0.5


def manifest(version: str) -> dict[str, Any]:
    """Return the CanaryRollout of one version; short holds, so that the demo takes two minutes."""
    return {
        "apiVersion": "canary-operator.dev/v1alpha1",
        "kind": "CanaryRollout",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "replicas": 2,
            "template": {
                "metadata": {"labels": {"app": NAME}},
                "spec": {
                    "containers": [
                        {
                            "name": "app",
                            "image": f"{NAME}:{version}",
                            "ports": [{"name": "http", "containerPort": 8080}],
                            "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
                        }
                    ],
                },
            },
            "service": {"port": 80, "targetPort": "http"},
            "strategy": {
                "steps": [{"weight": weight, "hold": "6s"} for weight in (5, 20, 50)],
                "progressDeadline": "2m",
                "scaleDownDelay": "3s",
            },
            "analysis": {
                "interval": "5s",
                "window": "6s",
                "failureLimit": 1,
                "minRequests": 20,
                "metrics": [{"name": "success-rate", "successRate": {"min": 99}}],
            },
        },
    }


class Demo:
    """One run of the demo."""

    def __init__(self, cluster: LocalCluster, load: LoadGenerator, shown: Presenter) -> None:
        self._cluster = cluster
        self._load = load
        self._shown = shown
        self.story = Story()
        self._changed = asyncio.Event()

    def say(self, words: str, style: str = "") -> None:
        """Tell people something, above what is shown."""
        self._shown.tell(Text(words, style))

    async def follow(self) -> None:
        """Show the rollout as `kubectl canary watch` does, and remember its story."""
        last: Scene | None = None
        async with (
            connect(Target(kubeconfig=self._cluster.kubeconfig, namespace=NAMESPACE)) as cluster,
            scenes(cluster, NAME, expected=False) as seen,
        ):
            async for scene in seen:
                last = scene or last
                if last is None or last.sight.status.phase is None:
                    continue
                if scene is not None:
                    self.story.look(self._load.elapsed, scene.sight.raw["status"])
                    self._changed.set()
                self._shown.show(last.sight, last.family, now())

    async def apply(self, version: str) -> None:
        """Release a version as `kubectl apply --server-side` does."""
        self.say("")
        self.say(f"kubectl apply: image {NAME}:{version}", "bold")
        self.story.releases.append((self._load.elapsed, version))
        await self._cluster.client.patch(
            ROLLOUTS, NAME, manifest(version), NAMESPACE, ctype=APPLY, fieldManager="demo"
        )

    async def until(self, *, phase: str, outcome: str | None = None) -> None:
        """Wait for a phase and, where given, the outcome of the latest rollout.

        Raises:
            TimeoutError: it did not come.
        """
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self._is(phase, outcome):
                self._cluster.operator.check()
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(WATCH_SECONDS):
                        await self._changed.wait()

    def _is(self, phase: str, outcome: str | None) -> bool:
        if not self.story.seen or self.story.seen[-1].phase != phase:
            return False
        history = self.story.seen[-1].history
        return outcome is None or bool(history and history[0].get("outcome") == outcome)


async def run(output: Path) -> None:
    """Run the demo and leave the picture in `output`."""
    with tempfile.TemporaryDirectory(prefix="canary-demo-") as temporary:
        click.echo("Starting API server, controllers, Envoy, Prometheus and the operator …")
        async with LocalCluster(Path(temporary), NAMESPACE) as cluster:
            await _play(cluster, output)
        click.echo("Everything is stopped; nothing is left running.")


async def _play(cluster: LocalCluster, output: Path) -> None:
    mesh = cluster.mesh
    load = LoadGenerator(
        f"http://127.0.0.1:{mesh.port}",
        host=mesh.host_of(NAME, NAMESPACE),
        rate=0,
    )
    async with load:
        with presenter(open_sheet()) as shown:
            demo = Demo(cluster, load, shown)
            async with Background() as background:
                background.start(demo.follow(), "follow the rollout")
                await _tell(demo, load)
        counts = await load.stop()
    _summary(demo.story, counts)
    _draw(demo.story, load, output)


async def _tell(demo: Demo, load: LoadGenerator) -> None:
    """The story: v1 comes up, v2 is promoted, v3 is rolled back."""
    await demo.apply("v1")
    await demo.until(phase="Stable")
    load.rate = REQUESTS_PER_SECOND
    demo.say(f"{REQUESTS_PER_SECOND} requests per second flow through Envoy from now on.")
    await asyncio.sleep(QUIET_SECONDS)
    await demo.apply("v2")
    await demo.until(phase="Stable", outcome="Promoted")
    await asyncio.sleep(QUIET_SECONDS)
    await demo.apply("v3")
    await demo.until(phase="RolledBack", outcome="RolledBack")
    await asyncio.sleep(QUIET_SECONDS)


def _summary(story: Story, counts: Counts) -> None:
    click.echo(click.style("\nSummary", bold=True))
    click.echo(f"  requests sent       {counts.finished:6d}")
    for version, answers in sorted(counts.by_version.items()):
        failed = counts.failed_by_version[version]
        click.echo(f"    answered by {version}    {answers:6d}, failed {failed}")
    routing = counts.failures[Failure.MESH] + counts.failures[Failure.CONNECTION]
    click.echo(f"  failed by routing   {routing:6d}")
    seconds = story.time_to_roll_back()
    if seconds is not None:
        click.echo(
            f"  time to roll back   {seconds:6.1f} s from the faulty version's first request"
        )


def _draw(story: Story, load: LoadGenerator, output: Path) -> None:
    footnote = f"{REQUESTS_PER_SECOND} requests/s through Envoy; a check every 5 s"
    picture = recording(story, list(load.samples), footnote)
    output.mkdir(parents=True, exist_ok=True)
    for kind in ImageFormat:
        file = output / f"rollout.{kind}"
        file.write_bytes(render(picture, kind))
        click.echo(f"  picture             {file}")


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-out"),
    show_default=True,
    help="Folder for the picture.",
)
def main(output: Path) -> None:
    """Run a good and a faulty release on this machine."""
    try:
        asyncio.run(_until_interrupted(output))
    except (DaemonError, TimeoutError) as error:
        click.echo(f"The demo did not finish: {error or 'it took too long'}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("\nInterrupted; everything is stopped.", err=True)
        sys.exit(130)


async def _until_interrupted(output: Path) -> None:
    """SIGTERM ends the demo as Ctrl-C does: children are stopped and files removed."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await run(output)


if __name__ == "__main__":
    main()
