"""Who answers the queries: a real Prometheus, or for thousands of rollouts a stand-in."""

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.scale.stand_in import StandIn
from benchmarks.shared_queries.__main__ import queries_answered
from canary_operator.playground.client import Client
from canary_operator.playground.prometheus import Prometheus
from canary_operator.playground.synthetic import (
    FollowedWeights,
    SyntheticTelemetry,
    SyntheticTraffic,
)


@dataclass(frozen=True)
class Rate:
    """How much is seen of each rollout."""

    scrape_seconds: float
    requests_per_second: float


FLEET = Rate(scrape_seconds=5.0, requests_per_second=10.0)
QUICK = Rate(scrape_seconds=0.5, requests_per_second=200.0)
"""For a rollout with checks each few seconds."""


class Source(Protocol):
    """Answers queries about rollouts, whose canaries may be made to fail."""

    name: str

    @property
    def url(self) -> str:
        """What the operator's `--prometheus-address` takes."""
        ...

    async def queries(self) -> int:
        """Return how many were answered so far."""
        ...

    async def fail(self, rollout: str) -> float:
        """Let every request to a canary fail.

        Returns:
            When the first failure could be read in Prometheus, in seconds since 1970.
        """
        ...


class StandInSource:
    """The stand-in."""

    name = "stand-in"

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self.url = stand_in.url

    async def queries(self) -> int:
        """Return how many it answered."""
        return self._stand_in.queries

    async def fail(self, rollout: str) -> float:
        """Answer from now on that all requests failed."""
        now = time.time()
        self._stand_in.failing[f"{rollout}-canary"] = now
        return now


class PrometheusSource:
    """A real Prometheus, which scrapes what synthetic requests to each rollout caused."""

    name = "Prometheus"

    def __init__(self, prometheus: Prometheus, traffic: dict[str, SyntheticTraffic]) -> None:
        self._prometheus = prometheus
        self._traffic = traffic
        self.url = prometheus.url

    async def queries(self) -> int:
        """Return how many it answered, by its own count."""
        return await queries_answered(self._prometheus)

    async def fail(self, rollout: str) -> float:
        """Let requests fail, and wait until Prometheus has scraped the first of them."""
        self._traffic[rollout].canary.error_rate = 1.0
        failed = f'{{destination_workload="{rollout}-canary",response_code="500"}}'
        await self._prometheus.wait_for(f"sum(istio_requests_total{failed})", bool)
        return time.time()


@asynccontextmanager
async def stand_in() -> AsyncIterator[StandInSource]:
    """Start a stand-in; it knows any rollout."""
    async with StandIn() as started:
        yield StandInSource(started)


@asynccontextmanager
async def prometheus(
    folder: Path, client: Client, rollouts: Iterable[tuple[str, str]], rate: Rate = FLEET
) -> AsyncIterator[PrometheusSource]:
    """Start a real Prometheus, and requests to some rollouts, given as namespace and name."""
    async with AsyncExitStack() as stack:
        telemetry = await stack.enter_async_context(SyntheticTelemetry())
        weights = await stack.enter_async_context(FollowedWeights(client))
        started = await stack.enter_async_context(
            Prometheus(folder, [telemetry.target], scrape_seconds=rate.scrape_seconds)
        )
        traffic = {
            name: telemetry.traffic(
                namespace,
                name,
                weight=weights.of(namespace, name),
                requests_per_second=rate.requests_per_second,
            )
            for namespace, name in rollouts
        }
        yield PrometheusSource(started, traffic)
