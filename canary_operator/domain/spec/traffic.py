"""Who splits the requests."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field
from pydantic.alias_generators import to_camel

from canary_operator.domain.spec.conditions import Conditions
from canary_operator.domain.spec.http import FEW, anything, label_key, label_value
from canary_operator.domain.spec.kinds import text
from canary_operator.domain.spec.policy import TrafficPolicy
from canary_operator.domain.spec.route import (
    CorsPolicy,
    HeaderChanges,
    Retries,
    Rewrite,
    Timeout,
)
from canary_operator.domain.spec.schema import Place, Rule, Written, exactly_one_of, unique
from canary_operator.domain.spec.template import RESERVED_PREFIX

HOST = text(
    "a DNS name such as shop.example.com or *.example.com",
    253,
    "^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
)
_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
GATEWAY = text(
    "mesh, or a Gateway as name or namespace/name",
    317,
    f"^{_LABEL}(/{_LABEL}|([.]{_LABEL})*)$",
)


def _covered_hosts(istio: "IstioTraffic") -> Iterable[Place]:
    for index, host in enumerate(istio.hosts):
        others = (other for other in istio.hosts if other != host and other.startswith("*."))
        if any(host.endswith(other[1:]) for other in others):
            yield ("hosts", index)


def _reserved(field: str) -> Rule:
    """Return the rule that a map has no key that is the operator's own."""

    def broken_at(istio: "IstioTraffic") -> Iterable[Place]:
        keys = getattr(istio, field)
        return [(field,)] if any(key.startswith(RESERVED_PREFIX) for key in keys) else []

    return Rule(
        f"must have no key that begins with {RESERVED_PREFIX}",
        f"!has(self.{field}) || self.{field}.all(key, !key.startsWith('{RESERVED_PREFIX}'))",
        broken_at,
    )


def _hosts_changed_twice(istio: "IstioTraffic") -> Iterable[Place]:
    of_headers = istio.headers.hosts if istio.headers else 0
    of_rewrite = 1 if istio.rewrite and istio.rewrite.authority else 0
    if of_headers + of_rewrite > 1:
        yield ("rewrite", "authority") if of_rewrite else ("headers", "request")


def _written_in_the_virtual_service(istio: "IstioTraffic") -> Iterable[Place]:
    if istio.virtual_service is None:
        return
    for field in _OF_THE_MANAGED_ROUTE:
        if getattr(istio, field) not in (None, (), {}):
            yield (to_camel(field),)


_OF_THE_MANAGED_ROUTE = (
    *("hosts", "gateways", "match", "timeout", "retries", "headers", "rewrite", "cors_policy"),
    *("labels", "annotations"),
)
"""Fields that say what the operator's own VirtualService looks like."""
_COLLECTIONS = frozenset({"hosts", "gateways", "match", "labels", "annotations"})


def _cel_of_managed_route() -> str:
    """Return CEL that is true where a field of the managed route is given."""
    names = ((field, f"self.{to_camel(field)}") for field in _OF_THE_MANAGED_ROUTE)
    given = (
        f"(has({name}) && size({name}) > 0)" if field in _COLLECTIONS else f"has({name})"
        for field, name in names
    )
    return " || ".join(given)


LabelKey = Annotated[str, label_key()]
Annotation = Annotated[str, anything(4096)]


NAME = text(
    "the name of an object: lower-case letters, digits, hyphens and dots",
    253,
    "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
)
RouteName = Annotated[str, text("the name of a route", 253)]


class VirtualServiceReference(Written):
    """A VirtualService of your own: only the weights of stable and canary are changed in it."""

    rules = (unique("routes"),)

    name: Annotated[str, NAME]
    """Name of the VirtualService, in the namespace of the CanaryRollout."""

    routes: Annotated[tuple[RouteName, ...], Field(max_length=20)] = ()
    """Names of its HTTP routes that are split; may be left out where it has only one."""


class IstioTraffic(Written):
    """Split requests with an Istio VirtualService."""

    rules = (
        unique("hosts"),
        unique("gateways"),
        Rule(
            "must not be below another entry such as *.example.com: Istio takes only one of the "
            "two in one VirtualService",
            "!has(self.hosts) || self.hosts.all(one, !self.hosts.exists(other, other != one && "
            "other.startsWith('*.') && one.endsWith(other.substring(1))))",
            _covered_hosts,
        ),
        Rule(
            "must not change the host of requests in a second place: rewrite.authority, or one "
            "header host or :authority",
            None,
            _hosts_changed_twice,
        ),
        _reserved("labels"),
        _reserved("annotations"),
        Rule(
            "must not be given beside virtualService: that VirtualService is yours, so write it "
            "there",
            f"!has(self.virtualService) || !({_cel_of_managed_route()})",
            _written_in_the_virtual_service,
        ),
    )

    virtual_service: VirtualServiceReference | None = None
    """A VirtualService of your own whose weights are changed; the operator makes one, with the
    fields below, when left out."""

    hosts: Annotated[tuple[Annotated[str, HOST], ...], Field(max_length=20)] = ()
    """Hosts beside the rollout's own Service; the cluster's admin has to allow them."""

    gateways: Annotated[tuple[Annotated[str, GATEWAY], ...], Field(max_length=20)] = ()
    """Gateways that route the hosts, beside the mesh itself."""

    match: Conditions = ()
    """Which requests are routed: those that meet one of the conditions. For all others there is no
    route (404). All requests when left out."""

    timeout: Timeout | None = None
    """How long a request may take, with its retries; no limit when left out."""

    retries: Retries | None = None
    """How often a request is sent again; as the mesh does it when left out."""

    headers: HeaderChanges | None = None
    """Changes of headers on the way."""

    rewrite: Rewrite | None = None
    """What a request asks for, written anew."""

    cors_policy: CorsPolicy | None = None
    """Which pages of other origins may call."""

    traffic_policy: TrafficPolicy | None = None
    """How proxies treat stable and canary: a DestinationRule for each, with the same policy."""

    labels: Annotated[Mapping[LabelKey, Annotated[str, label_value()]], *FEW] = Field(
        default_factory=dict
    )
    """Labels of the VirtualService; those of the operator are added, and win."""

    annotations: Annotated[Mapping[LabelKey, Annotation], *FEW] = Field(default_factory=dict)
    """Annotations of the VirtualService; those of the operator are added."""


class ReplicasTraffic(Written):
    """Split requests by the number of pods behind one Service; needs no mesh."""

    rounding: Literal["Exact", "Up"] = "Exact"
    """What becomes of a weight below the share of one canary pod: `Exact` refuses it, `Up` gives
    that pod's share; `Exact` when left out."""


class TrafficSpec(Written):
    """Who splits the requests between stable and canary: exactly one router."""

    rules = (exactly_one_of("istio", "replicas"),)

    istio: IstioTraffic | None = None
    """An Istio VirtualService, the default."""

    replicas: ReplicasTraffic | None = None
    """The number of pods of both versions behind one Service, for clusters without a mesh."""

    @property
    def virtual_service(self) -> VirtualServiceReference | None:
        """The VirtualService of the user's own, where one is to be split."""
        return self.istio.virtual_service if self.istio else None
