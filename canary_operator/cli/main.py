"""`canary-operator`: the operator's command line."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from canary_operator.cli.options import (
    Header,
    ListenAddress,
    custom_query_namespaces,
    option,
    sorted_unique,
)
from canary_operator.parameters import Duration, HostPattern

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="canary-operator")
def main() -> None:
    """Release new versions of services a little at a time."""


@main.command()
@option("--namespace", multiple=True, metavar="NS", help="Namespace to watch; repeatable. [all]")
@option("--prometheus-address", required=True, metavar="URL", help="Where Prometheus answers.")
@option(
    "--prometheus-timeout",
    type=Duration(),
    default="5s",
    show_default=True,
    help="Longest wait for one answer of Prometheus.",
)
@option(
    "--prometheus-scrape-interval",
    type=Duration(),
    default="15s",
    show_default=True,
    help="How often Prometheus reads the proxies; the default window of a check follows it.",
)
@option("--prometheus-ca-file", type=FILE, help="Certificates to trust for Prometheus.")
@option(
    "--prometheus-bearer-token-file",
    type=FILE,
    help="Token that is sent to Prometheus; read anew each time.",
)
@option(
    "--prometheus-header",
    type=Header(),
    multiple=True,
    metavar="NAME=VALUE",
    help="Header that is sent to Prometheus, for example a tenant; repeatable.",
)
@option(
    "--allowed-host",
    type=HostPattern(),
    multiple=True,
    metavar="PATTERN",
    help="Host, beside its own Service, that a rollout may claim, or *. and a domain for all "
    "hosts below it: [namespace/]host. [none]",
)
@option(
    "--custom-queries",
    default="all",
    show_default=True,
    metavar="all|none|NS,…",
    help="Namespaces whose rollouts may use `query`: raw PromQL reads other tenants' metrics.",
)
@option(
    "--cluster-domain",
    default="cluster.local",
    show_default=True,
    help="End of the full names of Services, in routes and in telemetry.",
)
@option(
    "--metrics-address",
    type=ListenAddress(),
    default=":8080",
    show_default=True,
    help="Where /metrics, /healthz and /readyz are served; empty serves nothing.",
)
@option(
    "--leader-election/--no-leader-election",
    default=None,
    help="Let one of several operators write, by a Lease. [in a cluster]",
)
@option(
    "--leader-election-namespace",
    metavar="NS",
    help="Namespace of the Lease. [the pod's own]",
)
@option(
    "--leader-election-lease",
    default="canary-operator",
    show_default=True,
    metavar="NAME",
    help="Name of the Lease; operators for different namespaces need different ones.",
)
@option(
    "--max-concurrent-ticks",
    type=click.IntRange(1, 1000),
    default=16,
    show_default=True,
    help="Rollouts that may talk to the API server at once.",
)
@option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="Least severe messages to log.",
)
@option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or one JSON object per line.",
)
def run(**flags: Any) -> None:
    """Run the operator until SIGTERM or SIGINT.

    It finds its cluster as kubectl does: the service account in a pod, else KUBECONFIG or
    ~/.kube/config.
    """
    # Imported here, so that --help and the other commands start without the Kubernetes client.
    from canary_operator.cli.logs import StartError, set_up_logs
    from canary_operator.options import ConfigurationError, Options, PrometheusOptions
    from canary_operator.wiring import run_operator

    set_up_logs(flags["log_level"], flags["log_format"])
    timeout: timedelta = flags["prometheus_timeout"]
    prometheus = PrometheusOptions(
        address=flags["prometheus_address"],
        timeout=timeout,
        scrape_interval=flags["prometheus_scrape_interval"],
        ca_file=flags["prometheus_ca_file"],
        bearer_token_file=flags["prometheus_bearer_token_file"],
        headers=dict(flags["prometheus_header"]),
    )
    options = Options(
        prometheus=prometheus,
        namespaces=sorted_unique(flags["namespace"]),
        allowed_hosts=sorted_unique(flags["allowed_host"]),
        custom_queries=custom_query_namespaces(flags["custom_queries"]),
        cluster_domain=flags["cluster_domain"],
        health_address=flags["metrics_address"],
        leader_election=flags["leader_election"],
        leader_election_namespace=flags["leader_election_namespace"],
        leader_election_lease=flags["leader_election_lease"],
        max_concurrent_ticks=flags["max_concurrent_ticks"],
    )
    try:
        run_operator(options)
    except ConfigurationError as error:
        raise StartError(str(error)) from error


@main.command(
    "plugin",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def plugin(arguments: tuple[str, ...]) -> None:
    """See, steer and plan rollouts: the same as `kubectl canary`."""
    from canary_operator.plugin.main import main as run_plugin

    run_plugin(arguments, name="canary-operator plugin")


if __name__ == "__main__":
    main()
