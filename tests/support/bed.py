"""The operator end to end: its own process, a Kubernetes API over HTTP, a real Prometheus.

One bed serves all tests of a process; each test has a namespace of its own. The operator has the
rights of `deploy/manifests` and no others, and a bed in which it was denied anything fails.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from canary_operator.playground.api import EmbeddedAPI
from canary_operator.playground.client import (
    APPLY,
    DEPLOYMENTS,
    MERGE,
    Manifest,
    NotFoundError,
    Resource,
)
from canary_operator.playground.controllers.instant import InstantRuntime
from canary_operator.playground.controllers.runtime import PodRuntime
from canary_operator.playground.local import ROLLOUTS
from canary_operator.playground.operator_process import OperatorProcess
from canary_operator.playground.prometheus import Prometheus
from canary_operator.playground.synthetic import (
    FollowedWeights,
    SyntheticTelemetry,
    SyntheticTraffic,
)
from tests.support.clusters import (
    DEFINITION_FOLDERS,
    Cluster,
    EmbeddedCluster,
    RealCluster,
    eventually,
    load_definitions,
)
from tests.support.gate import Gate
from tests.support.realplane import RealControlPlane, assets_folder
from tests.support.rights import KINDS_OF_RIGHTS, give_rights, manifests

VIRTUAL_SERVICES = Resource("virtualservices", "networking.istio.io", "v1")
EVENTS = Resource("events")
REQUEST = "canary-operator.dev/request"
SCRAPE_SECONDS = 0.5
PATIENCE_SECONDS = 60.0


def template(version: str = "v1", **container: Any) -> dict[str, Any]:
    """Return a pod template; the tag of the image decides how its pods behave."""
    port = {"name": "http", "containerPort": 8080}
    app = {"name": "app", "image": f"app:{version}", "ports": [port], **container}
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [app]}}


def quick_spec(version: str = "v1", **changes: Any) -> dict[str, Any]:
    """Return a spec whose rollout takes some twelve seconds, as a user writes it."""
    size = {} if "autoscaling" in changes else {"replicas": 2}
    return {
        **size,
        "template": template(version),
        "service": {"port": 80, "targetPort": "http"},
        "strategy": {
            "steps": [{"weight": 20, "hold": "1s"}, {"weight": 50, "hold": "1s"}],
            "progressDeadline": "30s",
            "scaleDownDelay": "1s",
        },
        "analysis": {"interval": "5s", "window": "5s", "failureLimit": 0, "minRequests": 5},
    } | changes


@dataclass
class Release:
    """One CanaryRollout under test."""

    bed: "Bed"
    namespace: str
    name: str
    spec: dict[str, Any]
    traffic: SyntheticTraffic
    seen: list[Mapping[str, Any]] = field(default_factory=list)
    """Every status that a wait saw, in order."""

    def manifest(self) -> dict[str, Any]:
        """Return the whole object as a user's file has it."""
        return {
            "apiVersion": "canary-operator.dev/v1alpha1",
            "kind": "CanaryRollout",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": deepcopy(self.spec),
        }

    async def apply(self, **changes: Any) -> None:
        """Change the spec and apply it as `kubectl apply --server-side` does."""
        self.spec = {**self.spec, **changes}
        await self.bed.client.patch(
            ROLLOUTS,
            self.name,
            self.manifest(),
            self.namespace,
            ctype=APPLY,
            fieldManager="kubectl",
        )

    async def ask(self, request: str) -> None:
        """Set the request annotation."""
        body = {"metadata": {"annotations": {REQUEST: request}}}
        await self.bed.client.patch(ROLLOUTS, self.name, body, self.namespace, ctype=MERGE)

    async def get(self) -> dict[str, Any]:
        """Return the object."""
        return await self.bed.client.get(ROLLOUTS, self.name, self.namespace)

    async def status(self) -> dict[str, Any]:
        """Return its status."""
        return (await self.get()).get("status") or {}

    async def until(
        self, met: Callable[[dict[str, Any]], Any], seconds: float = PATIENCE_SECONDS
    ) -> dict[str, Any]:
        """Wait until the status meets a condition, and return it."""

        async def look() -> dict[str, Any] | None:
            status = await self.status()
            if not self.seen or self.seen[-1] != status:
                self.seen.append(status)
            return status if met(status) else None

        try:
            return await eventually(look, seconds)
        except TimeoutError:
            log = self.bed.operator.log.read_text()[-3000:]
            raise AssertionError(f"never met; last status {self.seen[-1]}\n{log}") from None

    async def until_phase(self, phase: str, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait for a phase."""
        return await self.until(lambda status: status.get("phase") == phase, seconds)

    async def until_weight(self, weight: int) -> dict[str, Any]:
        """Wait until router and status agree on a weight."""
        status = await self.until(lambda status: status.get("weight") == weight)

        async def told() -> bool:
            return await self.route_weight() == weight

        await eventually(told)
        return status

    async def until_request_answered(self, outcome: str) -> dict[str, Any]:
        """Wait until the request annotation is gone and its outcome is recorded."""

        async def gone() -> bool:
            return REQUEST not in ((await self.get())["metadata"].get("annotations") or {})

        await eventually(gone)
        return await self.until(
            lambda status: (status.get("lastRequest") or {}).get("outcome") == outcome
        )

    async def deployment(self, track: str) -> dict[str, Any]:
        """Return the Deployment of a track."""
        name = f"{self.name}-{track}"
        return await self.bed.client.get(DEPLOYMENTS, name, self.namespace)

    async def image(self, track: str) -> str:
        """Return the image that a track asks for."""
        pod = (await self.deployment(track))["spec"]["template"]["spec"]
        return str(pod["containers"][0]["image"])

    async def route_weight(self) -> int | None:
        """Return the canary's weight in the VirtualService."""
        try:
            route = await self.bed.client.get(VIRTUAL_SERVICES, self.name, self.namespace)
        except NotFoundError:
            return None
        split = route["spec"]["http"][0]["route"]
        return next(
            int(part["weight"])
            for part in split
            if part["destination"]["host"].startswith(f"{self.name}-canary.")
        )

    async def event_reasons(self) -> list[str]:
        """Return the reasons of all Events about the rollout."""
        found = await self.bed.client.list(EVENTS, self.namespace)
        return [
            event["reason"]
            for event in found["items"]
            if event["involvedObject"]["kind"] == "CanaryRollout"
        ]

    async def until_event(self, reason: str) -> None:
        """Wait for an Event."""

        async def told() -> bool:
            return reason in await self.event_reasons()

        await eventually(told)


def condition(status: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return a condition; an absent one is not true."""
    found = (c for c in status.get("conditions", []) if c["type"] == kind)
    return next(found, {"type": kind, "status": "False", "reason": ""})


@dataclass
class Bed:
    """Everything that runs."""

    cluster: Cluster
    telemetry: SyntheticTelemetry
    weights: FollowedWeights
    prometheus: Prometheus
    operator: OperatorProcess
    user: str
    """Who the operator is for the API server: a ServiceAccount with the rights of a cluster."""
    provoked: set[str] = field(default_factory=set)
    """What a test has the operator be denied, such as `patch services`; all else fails the bed."""

    @property
    def client(self) -> Any:
        """Acts as an administrator."""
        return self.cluster.client

    async def release(
        self,
        name: str = "web",
        *,
        namespace: str | None = None,
        wait: bool = True,
        rps: float = 60.0,
        **changes: Any,
    ) -> Release:
        """Apply a CanaryRollout in a namespace of its own; wait until its first version serves."""
        namespace = namespace or await self.cluster.namespace()
        traffic = self.telemetry.traffic(
            namespace,
            name,
            weight=self.weights.of(namespace, name),
            requests_per_second=rps,
        )
        release = Release(self, namespace, name, quick_spec(**changes), traffic)
        await release.apply()
        if wait:
            await release.until(lambda status: condition(status, "Ready")["status"] == "True")
        return release


@asynccontextmanager
async def open_bed(folder: Path) -> AsyncIterator[Bed]:
    """Start a bed with a cluster of its own.

    On a control plane that several share, the operators of two beds would write over each other.
    """
    async with (
        open_cluster(folder, *DEFINITION_FOLDERS) as cluster,
        bed_around(cluster, folder) as bed,
    ):
        yield bed


@asynccontextmanager
async def open_cluster(
    folder: Path, *definitions: Path, runtime: PodRuntime | None = None
) -> AsyncIterator[Cluster]:
    """Start a cluster that nobody else has, with the definitions of some folders.

    It is a real one where `KUBEBUILDER_ASSETS` says so. Its pods are ready at once unless a runtime
    does more.
    """
    assets = assets_folder()
    async with AsyncExitStack() as stack:
        cluster: Cluster
        if assets is not None:
            plane = await stack.enter_async_context(RealControlPlane(assets))
            cluster = RealCluster(plane, runtime or InstantRuntime())
        else:
            api = await stack.enter_async_context(EmbeddedAPI())
            cluster = EmbeddedCluster(api, folder / "kubeconfig", runtime or InstantRuntime())
        await stack.enter_async_context(cluster)
        await load_definitions(cluster.client, *definitions)
        yield cluster


@asynccontextmanager
async def bed_around(
    cluster: Cluster,
    folder: Path,
    arguments: Sequence[str] = (),
    rights: Sequence[Manifest] | None = None,
    gate: Gate | None = None,
) -> AsyncIterator[Bed]:
    """Start what a cluster lacks for a bed.

    Args:
        cluster: Where everything happens.
        folder: For files of all parts.
        arguments: Further flags of the operator.
        rights: ServiceAccount, Roles and bindings of the operator; by default those of
            `deploy/manifests`.
        gate: What the operator has to pass on its way to the API server.
    """
    log = folder / "operator.log"
    account = await give_rights(cluster, rights or manifests(*KINDS_OF_RIGHTS))
    access = gate.seen_from(account.access) if gate else account.access
    kubeconfig = access.write_kubeconfig(folder / "operator.kubeconfig")
    async with (
        SyntheticTelemetry() as telemetry,
        FollowedWeights(cluster.client) as weights,
        Prometheus(folder, [telemetry.target], scrape_seconds=SCRAPE_SECONDS) as prometheus,
        OperatorProcess(kubeconfig, prometheus.url, log, arguments) as operator,
    ):
        await eventually(_is_scraped(telemetry))
        bed = Bed(cluster, telemetry, weights, prometheus, operator, account.user)
        yield bed
        text = log.read_text()
        assert "Traceback" not in text, text
        surprises = {str(each) for each in cluster.denied(account.user)} - bed.provoked
        assert not surprises, "the operator lacks rights"


def _is_scraped(telemetry: SyntheticTelemetry) -> Callable[[], Awaitable[bool]]:
    """Prometheus finds its targets some seconds after it is ready; checks before see nothing."""

    async def look() -> bool:
        return telemetry.scrapes > 1

    return look


async def stays(look: Callable[[], Any], seconds: float) -> None:
    """Check that something holds, again and again, for some time."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        assert await look()
        await asyncio.sleep(0.1)
