"""Builds the operator: the only module that names concrete adapters."""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kubernetes.aio.config import ConfigException

from canary_operator.adapters.cluster.cache import Caches
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.configuration import load_configuration
from canary_operator.adapters.cluster.events import ClusterEvents
from canary_operator.adapters.cluster.rollouts import ClusterRollouts
from canary_operator.adapters.cluster.workloads import ClusterWorkloads
from canary_operator.adapters.metrics.prometheus import PrometheusMetrics, PrometheusSettings
from canary_operator.adapters.traffic import build_router
from canary_operator.controller.handlers import Watched
from canary_operator.controller.login import login_with
from canary_operator.controller.operator import Address, Parts, run
from canary_operator.domain.objects import ROLLOUT_LABEL
from canary_operator.domain.situation import Settings
from canary_operator.engine.checks import Checks
from canary_operator.engine.scheduler import Scheduler
from canary_operator.engine.tick import Ticker
from canary_operator.ports import Key, Ports


class ConfigurationError(Exception):
    """The operator cannot start as it was told to; the message says what to change."""


@dataclass(frozen=True, slots=True)
class PrometheusOptions:
    """Where measurements come from."""

    address: str
    timeout: timedelta = timedelta(seconds=5)
    scrape_interval: timedelta = timedelta(seconds=15)
    ca_file: Path | None = None
    bearer_token_file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    prometheus: PrometheusOptions
    namespaces: tuple[str, ...] = ()
    """Namespaces to watch; empty means all."""
    allowed_hosts: tuple[str, ...] = ()
    custom_queries: tuple[str, ...] | None = None
    cluster_domain: str = "cluster.local"
    health_address: tuple[str, int] | None = None
    max_concurrent_ticks: int = 16


def now() -> datetime:
    """Return the wall-clock time to the millisecond, as the status stores it."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def watched(caches: Caches) -> tuple[Watched, ...]:
    """Return what is watched, and the cache that each watch feeds."""
    ours = ROLLOUT_LABEL
    return (
        Watched("canary-operator.dev", "v1alpha1", "canaryrollouts", caches.rollouts),
        Watched("apps", "v1", "deployments", caches.deployments, ours),
        Watched("apps", "v1", "controllerrevisions", caches.records, ours),
        Watched("", "v1", "services", caches.services, ours),
        Watched("", "v1", "pods", caches.pods, ours),
        Watched("networking.istio.io", "v1", "virtualservices", caches.virtual_services, ours),
    )


def build(options: Options, client: Client) -> Parts:
    """Connect everything."""
    settings = Settings(
        scrape_interval=options.prometheus.scrape_interval,
        cluster_domain=options.cluster_domain,
        allowed_hosts=options.allowed_hosts,
        custom_queries=options.custom_queries,
    )
    caches = Caches()
    metrics = PrometheusMetrics(_connection(options.prometheus), settings)
    events = ClusterEvents(client, socket.gethostname(), now)
    ports = Ports(
        rollouts=ClusterRollouts(client, caches),
        workloads=ClusterWorkloads(client, caches),
        router=build_router(client, caches, settings, options.namespaces),
        metrics=metrics,
        events=events,
    )

    def wake(key: Key) -> None:
        scheduler.wake(key)

    checks = Checks(metrics, wake)
    ticker = Ticker(ports, settings, checks, now)
    scheduler = Scheduler(ticker.tick, now, options.max_concurrent_ticks)

    async def close_metrics() -> None:
        metrics.close()

    closing = (events.stop, close_metrics, client.close)
    login = login_with(load_configuration)
    return Parts(login, watched(caches), scheduler, checks, (events.start,), closing)


def _connection(prometheus: PrometheusOptions) -> PrometheusSettings:
    return PrometheusSettings(
        address=prometheus.address,
        timeout=prometheus.timeout,
        ca_file=prometheus.ca_file,
        bearer_token_file=prometheus.bearer_token_file,
        headers=prometheus.headers,
    )


def run_operator(options: Options) -> None:
    """Run the operator until it is told to stop."""
    asyncio.run(_run(options))


async def _run(options: Options) -> None:
    address = Address(*options.health_address) if options.health_address else None
    await run(await _parts(options), options.namespaces, address)


async def _parts(options: Options) -> Parts:
    try:
        return build(options, Client(await load_configuration()))
    except ConfigException as error:
        raise ConfigurationError(
            f"No cluster to talk to: {error}. Run inside a cluster, or set KUBECONFIG."
        ) from error
    except ValueError as error:  # an address that is no URL
        raise ConfigurationError(str(error)) from error
