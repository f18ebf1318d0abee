"""Pod arithmetic: how many canary pods a weight needs, and which weight some pods carry."""

from collections.abc import Sequence
from math import ceil

from canary_operator.domain.spec import Step


def canary_pods(replicas: int, weight: int) -> int:
    """Return how many available canary pods `weight` needs.

    Args:
        replicas: Pods that carry the full load; 0 or more.
        weight: Share of requests for the canary, in whole percent, 0 to 100.

    Returns:
        0 for weight 0, else at least 1; the share rounds up, so that no canary pod gets more
        than the load of a stable pod.

    Example:
        >>> [canary_pods(4, weight) for weight in (0, 5, 50, 51, 100)]
        [0, 1, 2, 3, 4]
    """
    return max(1, ceil(replicas * weight / 100)) if weight else 0


def carried_weight(replicas: int, available: int, steps: Sequence[Step], up_to: int) -> int:
    """Return the highest weight of a step, not above `up_to`, that `available` pods carry.

    Returns:
        Percent; 0 where not even the first step is carried.
    """
    weights = (step.weight for step in steps if step.weight <= up_to)
    return max((w for w in weights if canary_pods(replicas, w) <= available), default=0)
