"""Which hosts a rollout may claim: its own Service's always, others by the admin's allow-list.

A host that Istio or DNS may read as the name of a Service leads to somebody else's callers. So a
pattern opens such names only where it spells out their namespace, however much it matches:

| pattern | opens | does not open |
|---|---|---|
| `shop.example.com` | that host | |
| `*.example.com` | every host below it, `*.eu.example.com` too | `example.com` itself |
| `*.local` | `printer.local` | `web.bank.svc.cluster.local` |
| `*.bank.svc.cluster.local` | every Service of namespace bank, so spelled | those of others |

A name without dots is a Service of the rollout's own namespace, as Istio reads it; one of several
labels is taken as it stands, also where a client's DNS would complete it (`web.bank`).
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from canary_operator.domain.errors import HostNotAllowedError
from canary_operator.domain.spec.kinds import dns_label
from canary_operator.domain.spec.traffic import HOST

Labels = tuple[str, ...]

_STAR = "*"
_KINDS = ("svc", "pod")
"""First labels of the zones in which the cluster's DNS answers for namespaces."""
_CLUSTER_SET: Labels = ("clusterset", "local")
"""Domain of Services that several clusters share (Kubernetes Multi-Cluster Services API)."""
_NOBODY = 1 << 10
"""More labels than a name can have."""


def own_hosts(name: str, namespace: str, cluster_domain: str) -> frozenset[str]:
    """Return the names by which a Service can be called from its own namespace."""
    full = f"{name}.{namespace}.svc.{cluster_domain}"
    return frozenset({name, f"{name}.{namespace}", f"{name}.{namespace}.svc", full})


def check_hosts(
    hosts: Iterable[str],
    *,
    own: frozenset[str],
    namespace: str,
    allowed: Iterable[str],
    cluster_domain: str = "cluster.local",
) -> None:
    """Refuse a host that neither is the rollout's own nor was allowed by the admin.

    Args:
        hosts: `spec.traffic.istio.hosts`.
        own: Names of the rollout's own Service.
        namespace: The rollout's namespace.
        allowed: Patterns `[namespace/]host` of `--allowed-host`; a host may begin with `*.`.
        cluster_domain: End of the full names of Services.

    Raises:
        HostNotAllowedError: names the host and who can allow it.
    """
    domain = _labels(cluster_domain)
    here = ("", namespace)
    patterns = [
        _full(host, namespace, domain) for home, host in map(_split, allowed) if home in here
    ]
    for host in hosts:
        if normal(host) in own:
            continue
        wanted = _full(host, namespace, domain)
        needed = _named_labels(wanted, domain)
        if not any(_covers(one, wanted) and _literal(one) >= needed for one in patterns):
            raise HostNotAllowedError(_refusal(host, namespace, possible=needed < _NOBODY))


def can_be_allowed(host: str, namespace: str, cluster_domain: str = "cluster.local") -> bool:
    """Tell whether some pattern allows a host: not where it reaches Services of every namespace."""
    domain = _labels(cluster_domain)
    return _named_labels(_full(host, namespace, domain), domain) < _NOBODY


def check_pattern(pattern: str) -> None:
    """Check one value of `--allowed-host`.

    Raises:
        ValueError: it is none; the message says what one looks like.
    """
    namespace, host = _split(pattern)
    try:
        if "/" in pattern:
            dns_label().read(namespace)
        HOST.read(normal(host))
    except ValueError:
        raise ValueError(
            f"{pattern!r} is not a host such as shop.example.com, or *.example.com for all hosts "
            "below a domain, optionally as namespace/host; * stands for whole labels at the "
            "beginning only, and not alone"
        ) from None


def normal(host: str) -> str:
    """Return a host as the resource allows it: lower case, ASCII, without the dot of the root.

    Example:
        >>> normal("Bücher.Example.")
        'xn--bcher-kva.example'
    """
    text = host.strip().lower().removesuffix(".")
    if text.isascii():
        return text
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError:
        return text


def _split(pattern: str) -> tuple[str, str]:
    """Return namespace and host of a pattern; no namespace means every one."""
    namespace, _, host = pattern.strip().rpartition("/")
    return namespace, host


def _labels(host: str) -> Labels:
    return tuple(normal(host).split("."))


def _full(host: str, namespace: str, domain: Labels) -> Labels:
    """Return the labels of a host; one without dots is a Service of the namespace."""
    labels = _labels(host)
    is_short = len(labels) == 1 and labels != (_STAR,)
    return (*labels, namespace, "svc", *domain) if is_short else labels


def _literal(labels: Labels) -> int:
    """Return how many labels are spelled out."""
    return len(labels) - labels.count(_STAR)


def _covers(pattern: Labels, host: Labels) -> bool:
    """Whether everything that `host` reaches is reached by `pattern`."""
    if pattern[0] != _STAR:
        return pattern == host
    return len(host) >= len(pattern) and host[1 - len(pattern) :] == pattern[1:]


def _named_labels(host: Labels, domain: Labels) -> int:
    """Return how many labels at the end of a host a pattern has to spell out."""
    if _STAR in host[1:] or host == (_STAR,):
        return _NOBODY
    if _is_address(host):
        return len(host)
    zones = tuple(_zones(domain))
    if host[0] == _STAR and any(_ends_with(zone, host[1:]) for zone in zones):
        return _NOBODY  # it reaches every namespace
    zone = max((one for one in zones if _ends_with(host, one)), key=len, default=None)
    if zone is None:
        return 1
    return min(len(host), len(zone) + 1) if zone[0] in _KINDS else len(host)


def _zones(domain: Labels) -> Iterator[Labels]:
    """Yield the ends of names that the cluster's DNS answers, also where clients complete them."""
    for whole in (domain, _CLUSTER_SET):
        yield whole
        for kind in _KINDS:
            for length in range(len(whole) + 1):
                yield (kind, *whole[:length])


def _ends_with(host: Labels, end: Labels) -> bool:
    return len(end) <= len(host) and host[len(host) - len(end) :] == end


def _is_address(host: Labels) -> bool:
    try:
        IPv4Address(".".join(host))
    except ValueError:
        return False
    return True


def _refusal(host: str, namespace: str, *, possible: bool) -> str:
    refused = f"spec.traffic.istio.hosts: {host!r} is not allowed in namespace {namespace}"
    if not possible:
        return f"{refused}: it reaches Services of every namespace. Name the hosts instead."
    return (
        f"{refused}. Remove it, or ask the cluster's admin to start the operator with "
        f"--allowed-host {namespace}/{normal(host)}"
    )
