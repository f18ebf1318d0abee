"""The way back of a Deployment that stable took the place of: what comes next, one step at a time.

First its pods, then what leads to them, and only then may stable go: at no moment is there nobody
who serves. The canary goes before the Service is given back, which selects by labels that its pods
have too.
"""

from dataclasses import dataclass
from enum import Enum, auto

from canary_operator.domain.situation import TrackState
from canary_operator.domain.workload import Reference


class Step(Enum):
    """What is to be done."""

    SCALE_UP = auto()
    CLOSE_ROUTE = auto()
    """What leads around the Service to the pods of the rollout, or lets the canary be met."""
    STOP_CANARY = auto()
    GIVE_SERVICE_BACK = auto()
    LET_GO = auto()
    """Take the marks from the Deployment; stable may go."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may be done yet."""

    words: str
    """What is waited for, as a sentence."""
    for_proxies: bool = False
    """Whether it is over when proxies had time to follow; else something in the cluster changes."""


@dataclass(frozen=True, slots=True)
class Returning:
    """How far the way back is, as last seen."""

    replicas: int
    """Pods that the Deployment has to have; 0 where none were taken from it."""
    insists: bool
    """Whether it is scaled up to that; else somebody else keeps on setting another number."""
    reference: Reference | None
    """The Deployment; None where it is gone, and has no way back."""
    canary: TrackState
    route_is_open: bool
    """Whether requests are led to pods of the rollout otherwise than by the Service."""
    service_is_taken: bool
    """Whether a Service of somebody else leads to the pods of the rollout."""
    settled: bool
    """Whether proxies had time to follow what was changed last."""


def next_step(at: Returning) -> Step | Wait | None:
    """Return what comes next; None at the end."""
    if at.reference is None:
        return Step.GIVE_SERVICE_BACK if at.service_is_taken else None
    return _pods(at, at.reference) or _traffic(at) or Step.LET_GO


def _pods(at: Returning, reference: Reference) -> Step | Wait | None:
    """What was never replaced is let go as it is, also in the middle of an update of its own.

    Who keeps on setting another number of pods has the word about it, as long as there are any.
    """
    if at.replicas == 0:
        return None
    replicas = at.replicas
    if reference.replicas < replicas:
        if at.insists or reference.replicas == 0:
            return Step.SCALE_UP
        replicas = reference.replicas
    if reference.serves(replicas):
        return None
    pods = "1 pod" if replicas == 1 else f"{replicas} pods"
    return Wait(f"Deployment {reference.name} must have {pods} available first.")


def _traffic(at: Returning) -> Step | Wait | None:
    if at.service_is_taken and at.route_is_open:
        return Step.CLOSE_ROUTE
    if not at.settled:
        return Wait("Proxies need a moment to follow.", for_proxies=True)
    if not at.service_is_taken:
        return None
    if at.canary.replicas > 0:
        return Step.STOP_CANARY
    if at.canary.exists and not (at.canary.current and at.canary.pods == 0):
        return Wait("The canary's pods must stop first.")
    return Step.GIVE_SERVICE_BACK
