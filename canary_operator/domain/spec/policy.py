"""How proxies treat a destination: fields of Istio's TrafficPolicy, judged by the API server."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field

from canary_operator.domain.spec.http import MOST_ENTRIES
from canary_operator.domain.spec.kind import Kind
from canary_operator.domain.spec.schema import HERE, Place, Rule, Written


def any_object() -> Kind:
    """Return the kind of objects of which nobody but the API server knows the fields."""

    def read(value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError(value)  # noqa: TRY004 - pydantic collects ValueError
        return value

    return Kind(
        message="must be an object with fields",
        read=read,
        schema={"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    )


Part = Annotated[Mapping[str, Any], any_object()] | None


def _empty(policy: "TrafficPolicy") -> Iterable[Place]:
    given = (getattr(policy, name) for name in type(policy).model_fields)
    return [] if any(part is not None for part in given) else [HERE]


def _two_ways(policy: "TrafficPolicy") -> Iterable[Place]:
    both = policy.tunnel is not None and policy.proxy_protocol is not None
    return [HERE] if both else []


class TrafficPolicy(Written):
    """How proxies treat stable and canary, in the words of Istio's DestinationRule."""

    rules = (
        Rule(
            "must have one field or more",
            "has(self.loadBalancer) || has(self.connectionPool) || has(self.outlierDetection) || "
            "has(self.tls) || has(self.portLevelSettings) || has(self.tunnel) || "
            "has(self.proxyProtocol) || has(self.retryBudget)",
            _empty,
        ),
        Rule(
            "must not have both tunnel and proxyProtocol",
            "!(has(self.tunnel) && has(self.proxyProtocol))",
            _two_ways,
        ),
    )

    load_balancer: Part = None
    """Which pod gets a request."""

    connection_pool: Part = None
    """How many connections and requests there may be at a time."""

    outlier_detection: Part = None
    """When a pod that fails gets no requests for a while."""

    tls: Part = None
    """How connections to the pods are encrypted."""

    port_level_settings: (
        Annotated[
            tuple[Annotated[Mapping[str, Any], any_object()], ...], Field(max_length=MOST_ENTRIES)
        ]
        | None
    ) = None
    """The same for single ports."""

    tunnel: Part = None
    """Through which tunnel connections go."""

    proxy_protocol: Part = None
    """Whether connections begin with PROXY protocol."""

    retry_budget: Part = None
    """How many retries there may be at a time."""
