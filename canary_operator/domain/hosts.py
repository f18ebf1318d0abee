"""Which hosts a rollout may claim: its own Service's always, others by the admin's allow-list."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from canary_operator.domain.errors import HostNotAllowedError


def own_hosts(name: str, namespace: str, cluster_domain: str) -> frozenset[str]:
    """Return the names by which a Service can be called from its own namespace."""
    full = f"{name}.{namespace}.svc.{cluster_domain}"
    return frozenset({name, f"{name}.{namespace}", f"{name}.{namespace}.svc", full})


def check_hosts(
    hosts: Iterable[str], *, own: frozenset[str], namespace: str, allowed: Iterable[str]
) -> None:
    """Refuse a host that neither is the rollout's own nor was allowed by the admin.

    Args:
        hosts: `spec.traffic.istio.hosts`.
        own: Names of the rollout's own Service.
        namespace: The rollout's namespace.
        allowed: Patterns `[namespace/]pattern` of `--allowed-host`, `*` matching anything.

    Raises:
        HostNotAllowedError: names the host and who can allow it.
    """
    patterns = [pattern for pattern in map(_split, allowed) if fnmatchcase(namespace, pattern[0])]
    for host in hosts:
        permitted = any(fnmatchcase(host, pattern) for _, pattern in patterns)
        if host == "*" or not (host in own or permitted):
            raise HostNotAllowedError(
                f"spec.traffic.istio.hosts: {host!r} is not allowed in namespace {namespace}. "
                "Remove it, or ask the cluster's admin to start the operator with "
                f"--allowed-host {namespace}/{host}"
            )


def _split(pattern: str) -> tuple[str, str]:
    namespace, slash, host = pattern.rpartition("/")
    return (namespace, host) if slash else ("*", host)
