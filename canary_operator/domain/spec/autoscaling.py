"""Autoscalers of both versions: fields of autoscaling/v2, judged by the API server."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from canary_operator.domain.spec.http import MOST_ENTRIES
from canary_operator.domain.spec.kinds import whole
from canary_operator.domain.spec.policy import Part, any_object
from canary_operator.domain.spec.schema import Place, Rule, Written

INT32 = 2**31 - 1


class Capacity(Written):
    """Which pods are kept for the traffic that may come back."""

    stable_floor: Literal["Baseline", "HPA"] = "Baseline"
    """What keeps stable from scaling down while a canary is on trial: `Baseline` holds the pods of
    the full load, `HPA` leaves it to the autoscaler; `Baseline` when left out."""


def _upside_down(scaling: "Autoscaling") -> Iterable[Place]:
    if scaling.max_replicas < scaling.min_replicas:
        yield ("maxReplicas",)


class Autoscaling(Written):
    """A HorizontalPodAutoscaler for each version, instead of `replicas`."""

    rules = (
        Rule(
            "must not be less than minReplicas (1 when left out)",
            "self.maxReplicas >= (has(self.minReplicas) ? self.minReplicas : 1)",
            _upside_down,
        ),
    )

    min_replicas: Annotated[int, whole(1, INT32)] = 1
    """Fewest pods of stable; 1 when left out. The canary has the pods that its weight needs."""

    max_replicas: Annotated[int, whole(1, INT32)]
    """Most pods of each version."""

    metrics: Annotated[
        tuple[Annotated[Mapping[str, Any], any_object()], ...], Field(max_length=MOST_ENTRIES)
    ] = ()
    """What the number of pods follows, as in a HorizontalPodAutoscaler; a CPU utilization of 80 %
    when left out, which is what Kubernetes does then."""

    behavior: Part = None
    """How fast it is scaled up and down, as in a HorizontalPodAutoscaler."""

    capacity: Capacity = Capacity()
    """Which pods are kept for the traffic that may come back."""
