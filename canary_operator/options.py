"""What the operator is told at its start, in the words of its command line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path


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
    leader_election: bool | None = None
    """None: in a cluster."""
    leader_election_namespace: str | None = None
    """None: the pod's own."""
    leader_election_lease: str = "canary-operator"
    max_concurrent_ticks: int = 16
