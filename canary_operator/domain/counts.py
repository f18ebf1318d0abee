"""How many requests each version got, and how many of them went wrong, in two views."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

GRPC_FAILURES = frozenset({"2", "4", "8", "13", "14", "15"})
"""UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE, DATA_LOSS."""

HUNG_UP_FLAG = "DC"
"""Envoy's response flag for a caller that closed the connection before the response."""


class View(StrEnum):
    """Whose proxies counted."""

    CALLERS = "callers"
    """The callers' proxies: they also see connections that never reached a pod."""
    PODS = "pods"
    """The proxies of the pods, or a waypoint in front of them."""


class Outcome(StrEnum):
    """What became of a request."""

    GOOD = "good"
    BAD = "bad"
    HUNG_UP = "hung up"


@dataclass(frozen=True, slots=True)
class Count:
    """Requests of one version in one view and window."""

    requests: float = 0
    """Without those whose caller hung up."""
    bad: float = 0
    hung_up: float = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(
            self.requests + other.requests, self.bad + other.bad, self.hung_up + other.hung_up
        )

    @property
    def arrived(self) -> float:
        """Every request, also those whose caller hung up."""
        return self.requests + self.hung_up

    @property
    def hung_up_share(self) -> float:
        """Share of the callers that hung up, 0 to 1."""
        return self.hung_up / self.arrived if self.arrived else 0.0

    @property
    def hurt(self) -> float:
        """Requests that did not get what they asked for."""
        return self.bad + self.hung_up

    @classmethod
    def of(cls, outcome: Outcome, amount: float) -> "Count":
        """Return the count of `amount` requests with the same outcome."""
        if outcome is Outcome.HUNG_UP:
            return cls(hung_up=amount)
        return cls(requests=amount, bad=amount if outcome is Outcome.BAD else 0)


@dataclass(frozen=True, slots=True)
class Tracks:
    """Both versions in one view and window."""

    stable: Count = field(default_factory=Count)
    canary: Count = field(default_factory=Count)


Traffic: TypeAlias = Mapping[View, Tracks]
"""What the proxies counted; a view that is missing saw nothing."""

Buckets: TypeAlias = Mapping[float, float]
"""A histogram: upper bound in milliseconds → requests that took at most so long."""


@dataclass(frozen=True, slots=True)
class Histograms:
    """How long the requests of both versions took, in one view and window."""

    stable: Buckets = field(default_factory=dict)
    canary: Buckets = field(default_factory=dict)


Durations: TypeAlias = Mapping[View, Histograms]
"""How long requests took; a view that is missing saw nothing."""


def outcome_of(code: str, flags: str, protocol: str, grpc_status: str) -> Outcome:
    """Return what the labels of Istio's telemetry say about a request.

    Args:
        code: `response_code`; `0` or anything but a status means that there was no response.
        flags: `response_flags`, joined by commas.
        protocol: `request_protocol`.
        grpc_status: `grpc_response_status`, a number; empty unless the request was gRPC.
    """
    if HUNG_UP_FLAG in flags.split(","):
        return Outcome.HUNG_UP
    if not code.isdigit() or code == "0" or code.startswith("5"):
        return Outcome.BAD
    if protocol == "grpc" and not grpc_status.isdigit():
        return Outcome.BAD
    return Outcome.BAD if grpc_status in GRPC_FAILURES else Outcome.GOOD
