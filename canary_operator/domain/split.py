"""How weights and pods hang together: pods that carry a share, or pods that are the share.

A router that splits requests gives any share to any number of pods, so pods come before their
weight. Where one Service balances over the pods of both tracks, each pod is traffic: the canary
has exactly the pods of its weight, those of the next step come with the raise, and a weight is
whatever share whole pods can give.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

from canary_operator.domain.capacity import canary_pods
from canary_operator.domain.spec import RolloutSpec, Step

_ALL = 100


class Split(Protocol):
    """What a weight means in pods, with so many stable ones."""

    pods_are_traffic: ClassVar[bool]
    """Whether a pod more or less changes the share of the requests by itself."""

    @property
    def replicas(self) -> int:
        """Pods for the full load: those of stable."""
        ...

    def share(self, weight: int) -> int:
        """Return the share, in percent, that the canary really gets where a step asks `weight`."""
        ...

    def pods_for(self, weight: int) -> int:
        """Return how many canary pods are needed to raise to `weight`."""
        ...

    def pods_at(self, weight: int) -> int:
        """Return how many canary pods keep `weight`, whatever `replicas` was when it was raised.

        0 where a single one would be more than `weight`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Routed:
    """A router splits requests; pods only have to carry their part."""

    replicas: int
    pods_are_traffic: ClassVar[bool] = False

    def share(self, weight: int) -> int:
        """Return the weight: a router gives any share."""
        return weight

    def pods_for(self, weight: int) -> int:
        """Return how many pods carry the weight."""
        return canary_pods(self.replicas, weight)

    def pods_at(self, weight: int) -> int:
        """Return how many pods carry the weight."""
        return canary_pods(self.replicas, weight)


@dataclass(frozen=True, slots=True)
class PodRatio:
    """One Service balances over stable's and the canary's pods; each gets the same share."""

    replicas: int
    pods_are_traffic: ClassVar[bool] = True

    def share(self, weight: int) -> int:
        """Return the share of the pods that `weight` asks for, rounded down to a whole percent.

        Example:
            >>> [PodRatio(3).share(weight) for weight in (0, 1, 25, 26, 50)]
            [0, 25, 25, 40, 50]
        """
        return self._share_of(self.pods_for(weight))

    def pods_for(self, weight: int) -> int:
        """Return how many pods give the share that is nearest to `weight` from above.

        Example:
            >>> [PodRatio(3).pods_for(weight) for weight in (0, 1, 25, 26, 50, 90)]
            [0, 1, 1, 2, 3, 27]
        """
        asked = min(weight, _ALL - 1)  # no number of pods beside stable's is everything
        return max(1, -(-self.replicas * asked // (_ALL - asked))) if weight else 0

    def pods_at(self, weight: int) -> int:
        """Return the most pods whose share is not above `weight`, as near to it as they come.

        Example:
            >>> [PodRatio(replicas).pods_at(25) for replicas in (0, 1, 3, 4, 6)]
            [0, 0, 1, 1, 2]
        """
        if self.replicas == 0:  # beside nothing, one pod is everything
            return 0
        needed = self.pods_for(weight)
        return needed if self._share_of(needed) <= weight else needed - 1

    def smallest_share(self) -> int:
        """Return what a single canary pod gets, to the nearest percent."""
        every = self.replicas + 1
        return (2 * _ALL + every) // (2 * every)

    def _share_of(self, pods: int) -> int:
        return _ALL * pods // (self.replicas + pods) if pods else 0


def split_of(spec: RolloutSpec, full_load: int | None = None) -> Split:
    """Return what weights mean in pods, with the router that a spec names.

    Args:
        spec: The spec in force.
        full_load: Pods for all requests; what the spec says where nothing else is known.
    """
    pods = spec.least_replicas if full_load is None else full_load
    return PodRatio(pods) if spec.traffic.replicas is not None else Routed(pods)


def steps_of(spec: RolloutSpec) -> tuple[Step, ...]:
    """Return the steps of a spec, each with the share that the canary really gets."""
    steps, split = spec.strategy.resolved_steps, split_of(spec)
    if not split.pods_are_traffic:
        return steps
    return tuple(replace(step, weight=split.share(step.weight)) for step in steps)


def stable_pods_for(weight: int) -> int:
    """Return how many stable pods make one canary pod's share no more than `weight`.

    Example:
        >>> [stable_pods_for(weight) for weight in (1, 10, 25, 50)]
        [99, 9, 3, 1]
    """
    return -(-(_ALL - weight) // weight)
