"""Telemetry without traffic: tests say what Prometheus shall see, a real Prometheus scrapes it.

    async with SyntheticTelemetry() as telemetry:
        web = telemetry.traffic("demo", "web", weight=lambda: 20, requests_per_second=50)
        web.canary.error_rate = 0.05
        async with Prometheus(directory, [telemetry.target], scrape_seconds=0.2) as prometheus:
            ...

Both of Istio's views are produced, with the labels that the mesh of the playground gives them.
Nothing is random: a share of 5 % is exactly every twentieth request.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import cycle
from typing import Self

from canary_operator.adapters.cluster.feed import ChangeKind, Manifest
from canary_operator.playground.mesh.background import Background
from canary_operator.playground.mesh.bundle import VISITOR
from canary_operator.playground.mesh.control import VIRTUAL_SERVICES, ClusterView
from canary_operator.playground.mesh.exporter import Exporter
from canary_operator.playground.mesh.series import (
    Reporter,
    Request,
    RequestMetrics,
    RequestProtocol,
    ServiceIdentity,
    Workload,
)

TICK_SECONDS = 0.05
WHOLE = 100
EPSILON = 1e-9
FULL_VIEW = (Reporter.SOURCE, Reporter.DESTINATION)
CALLERS_ONLY = (Reporter.SOURCE,)


@dataclass
class Behaviour:
    """How one track answers; may be changed while traffic runs. Shares are 0 to 1."""

    error_rate: float = 0.0
    """Answered with a 500."""
    refused_rate: float = 0.0
    """Connections that fail: only callers see them."""
    hang_up_rate: float = 0.0
    """The caller gives up before an answer."""
    milliseconds: float = 20.0


class Outcome(StrEnum):
    """How one request ends."""

    REFUSED = "refused"
    HANG_UP = "hang-up"
    ERROR = "error"
    SUCCESS = "success"


@dataclass
class _Track:
    """One version of a rollout as telemetry names it."""

    behaviour: Behaviour
    service: ServiceIdentity
    pods: "cycle[Workload]"
    due: float = 0.0
    """Requests that are due, with the fraction that is not a whole one yet."""
    owed: dict[Outcome, float] = field(default_factory=lambda: dict.fromkeys(Outcome, 0.0))
    """How many outcomes of each kind the shares have promised and requests not yet shown."""

    def requests(self, amount: float) -> int:
        """Add to what is due and return the whole requests of it."""
        self.due += amount
        whole = int(self.due + EPSILON)
        self.due -= whole
        return whole

    def outcome(self) -> Outcome:
        """Return how the next request ends; each request has one outcome, owed ones wait."""
        self.owed[Outcome.REFUSED] += self.behaviour.refused_rate
        self.owed[Outcome.HANG_UP] += self.behaviour.hang_up_rate
        self.owed[Outcome.ERROR] += self.behaviour.error_rate
        ended = next(
            (outcome for outcome, owed in self.owed.items() if owed >= 1 - EPSILON),
            Outcome.SUCCESS,
        )
        if ended is not Outcome.SUCCESS:
            self.owed[ended] -= 1
        return ended


class SyntheticTraffic:
    """Requests to one rollout, split as its VirtualService would."""

    def __init__(
        self,
        metrics: RequestMetrics,
        namespace: str,
        rollout: str,
        *,
        weight: Callable[[], int],
        requests_per_second: float = 50.0,
    ) -> None:
        """Describe the traffic.

        Args:
            metrics: Where to count.
            namespace: The rollout's namespace.
            rollout: Its name.
            weight: Says the canary's present weight, in whole percent.
            requests_per_second: To both tracks together; may be changed while running.
        """
        self.stable = Behaviour()
        self.canary = Behaviour()
        self.requests_per_second = requests_per_second
        self.protocol = RequestProtocol.HTTP
        self._metrics = metrics
        self._weight = weight
        self._stable = _track(self.stable, namespace, f"{rollout}-stable")
        self._canary = _track(self.canary, namespace, f"{rollout}-canary")

    def advance(self, seconds: float) -> None:
        """Count the requests of the next `seconds`."""
        weight = self._weight()
        requests = self.requests_per_second * seconds
        self._serve(self._canary, requests * weight / WHOLE)
        self._serve(self._stable, requests * (WHOLE - weight) / WHOLE)

    def _serve(self, track: _Track, amount: float) -> None:
        for _ in range(track.requests(amount)):
            match track.outcome():
                case Outcome.REFUSED:
                    self._count(track, CALLERS_ONLY, 503, flags="URX,UF")
                case Outcome.HANG_UP:
                    self._count(track, FULL_VIEW, 0, flags="DC")
                case Outcome.ERROR:
                    self._count(track, FULL_VIEW, 500)
                case Outcome.SUCCESS:
                    self._count(track, FULL_VIEW, 200)

    def _count(
        self, track: _Track, views: tuple[Reporter, ...], code: int, *, flags: str = "-"
    ) -> None:
        pod = next(track.pods)
        is_grpc = self.protocol is RequestProtocol.GRPC
        request = Request(
            reporter=Reporter.SOURCE,
            source=VISITOR,
            destination=pod,
            service=track.service,
            # gRPC says what went wrong in its own status; the HTTP status stays 200.
            code=200 if is_grpc and code not in {0, 503} else code,
            flags=flags,
            protocol=self.protocol,
            grpc_status=_grpc_status(code) if is_grpc else "",
        )
        for view in views:
            destination = pod.any_pod() if view is Reporter.SOURCE else pod
            seen = replace(request, reporter=view, destination=destination)
            self._metrics.add(seen, track.behaviour.milliseconds)


class SyntheticTelemetry:
    """Serves the telemetry of any number of rollouts; use it as an async context manager."""

    def __init__(self) -> None:
        self.metrics = RequestMetrics()
        self._traffic: list[SyntheticTraffic] = []
        self._exporter = Exporter(self.metrics)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._exporter)
            background = await stack.enter_async_context(Background())
            background.start(self._run(), "synthetic traffic")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def target(self) -> str:
        """Host and port to scrape."""
        return self._exporter.target

    @property
    def scrapes(self) -> int:
        """How often Prometheus came by."""
        return self._exporter.scrapes

    def traffic(
        self,
        namespace: str,
        rollout: str,
        *,
        weight: Callable[[], int],
        requests_per_second: float = 50.0,
    ) -> SyntheticTraffic:
        """Let requests to a rollout flow from now on."""
        traffic = SyntheticTraffic(
            self.metrics,
            namespace,
            rollout,
            weight=weight,
            requests_per_second=requests_per_second,
        )
        self._traffic.append(traffic)
        return traffic

    async def _run(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            for traffic in self._traffic:
                traffic.advance(now - last)
            last = now


class FollowedWeights:
    """The canaries' weights as the VirtualServices of a cluster say; for `weight` above.

    async with FollowedWeights(client) as weights:
        telemetry.traffic("demo", "web", weight=weights.of("demo", "web"))
    """

    def __init__(self, cluster: ClusterView) -> None:
        self._cluster = cluster
        self._weights: dict[tuple[str, str], int] = {}
        self._background = Background()

    async def __aenter__(self) -> Self:
        self._background.start(self._follow(), "follow weights")
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._background.__aexit__(*error)

    def of(self, namespace: str, rollout: str) -> Callable[[], int]:
        """Return a function that says the present weight; 0 without a VirtualService."""
        return lambda: self._weights.get((namespace, rollout), 0)

    async def _follow(self) -> None:
        async for change in self._cluster.watch(VIRTUAL_SERVICES):
            if change.kind is ChangeKind.SYNCED:
                continue
            namespace = change.object["metadata"]["namespace"]
            for name, weight in canary_weights(change.object).items():
                gone = change.kind is ChangeKind.DELETED
                self._weights[namespace, name] = 0 if gone else weight


def canary_weights(virtual_service: Manifest) -> dict[str, int]:
    """Return the weight of each `<name>-canary` in the first route that also has its stable."""
    weights: dict[str, int] = {}
    for route in virtual_service["spec"].get("http") or ():
        shares = {
            entry["destination"]["host"].split(".")[0]: int(entry.get("weight") or 0)
            for entry in route.get("route") or ()
        }
        for host, weight in shares.items():
            name = host.removesuffix("-canary")
            if name != host and {f"{name}-stable", f"{name}-match"} & shares.keys():
                weights.setdefault(name, weight)
    return weights


def canary_weight(virtual_service: Manifest) -> int:
    """Return the weight that the first route gives to the Service `<name>-canary`."""
    canary = f"{virtual_service['metadata']['name']}-canary"
    for route in (virtual_service["spec"].get("http") or ())[:1]:
        for entry in route.get("route") or ():
            if entry["destination"]["host"].split(".")[0] == canary:
                return int(entry.get("weight") or 0)
    return 0


def _track(behaviour: Behaviour, namespace: str, name: str, pods: int = 2) -> _Track:
    host = f"{name}.{namespace}.svc.cluster.local"
    workloads = [
        Workload(name, namespace, f"{name}-{number}", f"127.1.0.{number}") for number in range(pods)
    ]
    return _Track(behaviour, ServiceIdentity(host, name, namespace), cycle(workloads))


def _grpc_status(code: int) -> str:
    """Return how gRPC says it: OK, internal, unavailable; nothing if nothing came."""
    return {200: "0", 500: "13", 503: "14"}.get(code, "")
