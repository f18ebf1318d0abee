"""Builds the operator: the only module that names concrete adapters."""

import asyncio
import socket
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException

from canary_operator.adapters.cluster.cache import Caches
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.configuration import load_configuration, pod_namespace
from canary_operator.adapters.cluster.events import ClusterEvents
from canary_operator.adapters.cluster.followed import Followed, catch_up
from canary_operator.adapters.cluster.handover import ClusterHandover
from canary_operator.adapters.cluster.leases import Lease
from canary_operator.adapters.cluster.resources import (
    AUTOSCALERS,
    DEPLOYMENTS,
    DESTINATION_RULES,
    PODS,
    RECORDS,
    ROLLOUTS,
    SERVICES,
    VIRTUAL_SERVICES,
)
from canary_operator.adapters.cluster.rollouts import ClusterRollouts
from canary_operator.adapters.cluster.workloads import ClusterWorkloads
from canary_operator.adapters.metrics.prometheus import PrometheusMetrics, PrometheusSettings
from canary_operator.adapters.telemetry.operator import OperatorTelemetry
from canary_operator.adapters.traffic import build_lenders, build_router
from canary_operator.controller.filling import Filling
from canary_operator.controller.health import Health, no_endless_tick, unless
from canary_operator.controller.leadership.election import Election
from canary_operator.controller.leadership.rules import Times
from canary_operator.controller.leadership.term import Term
from canary_operator.controller.login import Login, login_with
from canary_operator.controller.operator import Address, Parts, run
from canary_operator.controller.relisting import Relisting
from canary_operator.controller.tracing import trace
from canary_operator.domain.loans import DEPLOYMENT
from canary_operator.domain.situation import Settings
from canary_operator.engine.checks import Checks
from canary_operator.engine.scheduler import Scheduler
from canary_operator.engine.tick import Ticker
from canary_operator.engine.way_back import WayBack
from canary_operator.options import ConfigurationError, Options, PrometheusOptions
from canary_operator.ports import Key, Ports


def now() -> datetime:
    """Return the wall-clock time to the millisecond, as the status stores it."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


Read = Callable[..., Awaitable[frozenset[Key]]]
"""Brings caches up to what the API server has, and tells about which rollouts that was news."""


def followed(caches: Caches) -> tuple[Followed, ...]:
    """Return what is followed, and the cache that each watch feeds."""
    return (
        Followed(ROLLOUTS, caches.rollouts, required=True),
        Followed(DEPLOYMENTS, caches.deployments),
        Followed(RECORDS, caches.records),
        Followed(SERVICES, caches.services),
        Followed(PODS, caches.pods),
        Followed(VIRTUAL_SERVICES, caches.virtual_services),
        Followed(AUTOSCALERS, caches.autoscalers, optional=True),
        Followed(DESTINATION_RULES, caches.destination_rules, optional=True),
    )


def build(options: Options, configuration: Configuration) -> Parts:
    """Connect everything.

    Raises:
        ConfigurationError: the options contradict where this runs.
        ValueError: an address is no URL.
    """
    caches = Caches()
    telemetry, election, lease_client, client = _connect(options, configuration)
    settings = _settings(options)
    metrics = PrometheusMetrics(_connection(options.prometheus), settings, telemetry.queried)
    events = ClusterEvents(client, socket.gethostname(), now)

    def wake(key: Key) -> None:
        scheduler.wake(key)  # made below

    checks = Checks(metrics, wake)
    ports = Ports(
        rollouts=ClusterRollouts(client, caches),
        workloads=ClusterWorkloads(client, caches),
        router=build_router(client, caches, settings, options.namespaces, wake),
        metrics=metrics,
        events=events,
        lenders={
            **build_lenders(client, caches, settings),
            DEPLOYMENT: WayBack(ClusterHandover(client, caches), now),
        },
    )
    ticker = Ticker(ports, settings, checks, now, telemetry)
    scheduler = Scheduler(ticker.tick, now, options.max_concurrent_ticks, telemetry)
    read = _reader(client, caches, options.namespaces)
    filling = Filling(_first(read, caches), ROLLOUTS.full_name)
    relisting = Relisting(read, scheduler.wake, _is_confirmed(caches))
    return Parts(
        login=_login(configuration, telemetry, filling, relisting),
        followed=followed(caches),
        scheduler=scheduler,
        checks=checks,
        election=election,
        term=Term(scheduler, checks, read, caches.all_rollouts, (ticker.forget_all, events.drop)),
        health=_health(scheduler, events, election, filling),
        filling=filling,
        exposition=telemetry.exposition,
        starting=(events.start,),
        finishing=(relisting.stop, events.stop),
        closing=(metrics.aclose, client.close, lease_client.close),
    )


def _connect(
    options: Options, configuration: Configuration
) -> tuple[OperatorTelemetry, Election | None, Client, Client]:
    """Return what counts requests, who leads, and the clients of both: of leases and of all else.

    Leases have a client of their own, so that busy ticks hold up no renewal.
    """
    telemetry = OperatorTelemetry(
        version("canary-operator"), lambda: election is None or election.working
    )
    lease_client = Client(configuration, telemetry.answered)
    election = _election(options, lease_client)
    return telemetry, election, lease_client, _client(configuration, telemetry, election)


def _reader(client: Client, caches: Caches, namespaces: Sequence[str]) -> Read:
    """Return what reads everything into the caches, or one kind by its full name."""

    async def read(name: str | None = None) -> frozenset[Key]:
        every = followed(caches)
        chosen = [each for each in every if name in {None, each.resource.full_name}]
        return await catch_up(client, chosen, namespaces)

    return read


def _first(read: Read, caches: Caches) -> Callable[[], Awaitable[None]]:
    """Return what reads everything for the first time, which watches have to confirm."""

    async def read_first() -> None:
        await read()
        for each in followed(caches):
            each.cache.await_confirmation()

    return read_first


def _is_confirmed(caches: Caches) -> Callable[[str], bool]:
    """Return what knows whether a watch told of all of its kind that was read at first."""

    def is_confirmed(name: str) -> bool:
        asked = (each for each in followed(caches) if each.resource.full_name == name)
        return all(each.cache.is_confirmed for each in asked)

    return is_confirmed


def _login(
    configuration: Configuration,
    telemetry: OperatorTelemetry,
    filling: Filling,
    relisting: Relisting,
) -> Login:
    def asked(verb: str, resource: str, namespace: str) -> None:
        filling.asked(verb, resource, namespace)
        relisting.asked(verb, resource, namespace)

    return login_with(configuration, trace(asked, telemetry.answered))


def _settings(options: Options) -> Settings:
    return Settings(
        scrape_interval=options.prometheus.scrape_interval,
        cluster_domain=options.cluster_domain,
        allowed_hosts=options.allowed_hosts,
        custom_queries=options.custom_queries,
    )


def _client(
    configuration: Configuration, telemetry: OperatorTelemetry, election: Election | None
) -> Client:
    if election is None:
        return Client(configuration, telemetry.answered)
    return Client(configuration, telemetry.answered, election.seconds_to_write)


def _health(
    scheduler: Scheduler, events: ClusterEvents, election: Election | None, filling: Filling
) -> Health:
    """Return what the kubelet is told of."""
    health = Health()
    health.ready["caches"] = filling.missing
    health.alive["ticks"] = no_endless_tick(scheduler.longest_tick)
    health.alive["events"] = unless(lambda: events.alive, "no Event is sent any more")
    if election is not None:
        health.alive["leader election"] = unless(lambda: election.alive, "has ended")
    return health


def _election(options: Options, client: Client) -> Election | None:
    """Return who competes for the Lease; None where nobody has to."""
    home = pod_namespace()
    wanted = home is not None if options.leader_election is None else options.leader_election
    if not wanted:
        return None
    namespace = options.leader_election_namespace or home
    if namespace is None:
        raise ConfigurationError(
            "Leader election needs a namespace for its Lease, and this is no pod that has one: "
            "name it with --leader-election-namespace, or say --no-leader-election."
        )
    times = Times()
    client.timeout_seconds = times.renew_within / 2
    lease = Lease(client, namespace, options.leader_election_lease, 2 * times.lease)
    me = f"{socket.gethostname()}_{uuid.uuid4()}"
    return Election(lease, me, clock=now, times=times)


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
        return build(options, await load_configuration())
    except ConfigException as error:
        raise ConfigurationError(
            f"No cluster to talk to: {error}. Run inside a cluster, or set KUBECONFIG."
        ) from error
    except ValueError as error:  # an address that is no URL
        raise ConfigurationError(str(error)) from error
