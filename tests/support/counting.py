"""What the operator asked of the API server, counted and told."""

from collections import Counter
from collections.abc import Iterable

from canary_operator.playground.api.requests import Request, RequestLog
from tests.support.clusters import Cluster

OPERATOR = "canary-operator/"
WATCHES = "kopf/"
READS = frozenset({"get", "list", "watch"})


def asked(cluster: Cluster, namespace: str | None = None) -> list[Request]:
    """Return the operator's requests since the last `forget_requests`, without watches and leases.

    Args:
        cluster: Whose log to read.
        namespace: Of the rollout; requests about other namespaces are left out, those about the
            whole cluster are not.
    """
    log = cluster.requests()
    return [
        request
        for agent in (OPERATOR, WATCHES)
        for request in log.matching(user_agent=agent)
        if request.verb != "watch"
        and request.resource != "leases"
        and (namespace is None or request.namespace in {namespace, ""})
    ]


def writes(requests: Iterable[Request]) -> list[Request]:
    """Return the requests that change something, Events aside."""
    return [
        request
        for request in requests
        if request.verb not in READS and request.resource != "events" and not request.dry_run
    ]


def breakdown(requests: Iterable[Request]) -> str:
    """Return one line per kind of request, most frequent first; for the message of an assertion."""
    counted = Counter(_words(request) for request in requests)
    lines = [f"{count:4d}  {words}" for words, count in counted.most_common()]
    return "\n".join([f"{counted.total()} requests", *lines])


def _words(request: Request) -> str:
    what = "/".join(filter(None, (request.resource, request.subresource)))
    dry = " (dry run)" if request.dry_run else ""
    return f"{request.user_agent.partition('/')[0]}: {request.verb} {what}{dry} {request.code}"


__all__ = ["OPERATOR", "WATCHES", "Request", "RequestLog", "asked", "breakdown", "writes"]
