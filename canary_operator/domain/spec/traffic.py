"""Who splits the requests."""

from typing import Annotated, Literal

from pydantic import Field

from canary_operator.domain.spec.kinds import text
from canary_operator.domain.spec.schema import Written, exactly_one_of, unique

HOST = text(
    "a DNS name such as shop.example.com or *.example.com",
    253,
    "^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
)
GATEWAY = text(
    "mesh, or a Gateway as name or namespace/name",
    317,
    "^([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-.a-z0-9]*[a-z0-9])?$",
)


class IstioTraffic(Written):
    """Split requests with an Istio VirtualService."""

    rules = (unique("hosts"), unique("gateways"))

    hosts: Annotated[tuple[Annotated[str, HOST], ...], Field(max_length=20)] = ()
    """Hosts beside the rollout's own Service; the cluster's admin has to allow them."""

    gateways: Annotated[tuple[Annotated[str, GATEWAY], ...], Field(max_length=20)] = ()
    """Gateways that route the hosts, beside the mesh itself."""


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
