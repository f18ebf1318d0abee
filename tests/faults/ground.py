"""Where many operators live side by side, each for one namespace and behind a gate of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from canary_operator.playground.operator_process import OperatorProcess
from canary_operator.playground.prometheus import Prometheus
from canary_operator.playground.synthetic import FollowedWeights, SyntheticTelemetry
from tests.support.bed import SCRAPE_SECONDS, Bed, Release, open_cluster, quick_spec
from tests.support.clusters import DEFINITION_FOLDERS, Cluster, eventually
from tests.support.gate import Gate
from tests.support.rights import KINDS_OF_RIGHTS, Account, give_rights, manifests


@dataclass(frozen=True)
class Stand:
    """One rollout, its operator, and the gate between that and the API server."""

    release: Release
    operator: OperatorProcess
    gate: Gate


@dataclass(frozen=True)
class Ground:
    """What all operators share."""

    cluster: Cluster
    telemetry: SyntheticTelemetry
    weights: FollowedWeights
    prometheus: Prometheus
    account: Account
    folder: Path

    @asynccontextmanager
    async def stand(self, name: str) -> AsyncIterator[Stand]:
        """Make a namespace and start an operator for it; nothing is applied yet."""
        namespace = await self.cluster.namespace()
        async with AsyncExitStack() as stack:
            gate = await stack.enter_async_context(Gate(self.cluster.access))
            access = gate.seen_from(self.account.access)
            folder = Path(mkdtemp(prefix=f"{name}-", dir=self.folder))  # a story is told often
            operator = OperatorProcess(
                access.write_kubeconfig(folder / "kubeconfig"),
                self.prometheus.url,
                folder / "operator.log",
                [f"--namespace={namespace}"],
            )
            await stack.enter_async_context(operator)
            bed = Bed(
                self.cluster,
                self.telemetry,
                self.weights,
                self.prometheus,
                operator,
                self.account.user,
            )
            weight = self.weights.of(namespace, "web")
            traffic = self.telemetry.traffic(
                namespace, "web", weight=weight, requests_per_second=60.0
            )
            yield Stand(Release(bed, namespace, "web", quick_spec(), traffic), operator, gate)
            traffic.requests_per_second = 0.0
            text = operator.log.read_text()
            assert "Traceback" not in text, text


@asynccontextmanager
async def open_ground(folder: Path) -> AsyncIterator[Ground]:
    """Start everything but operators."""
    async with (
        open_cluster(folder, *DEFINITION_FOLDERS) as cluster,
        SyntheticTelemetry() as telemetry,
        FollowedWeights(cluster.client) as weights,
        Prometheus(folder, [telemetry.target], scrape_seconds=SCRAPE_SECONDS) as prometheus,
    ):
        account = await give_rights(cluster, manifests(*KINDS_OF_RIGHTS))

        async def is_scraped() -> bool:
            return telemetry.scrapes > 1

        await eventually(is_scraped)
        yield Ground(cluster, telemetry, weights, prometheus, account, folder)
        assert not cluster.denied(account.user), "the operators lack rights"
