"""Rules that take traffic from a canary and let its trial go on, once the cause is gone."""

from canary_operator.domain.actions import Action, Lower
from canary_operator.domain.capacity import carried_weight
from canary_operator.domain.situation import Situation
from canary_operator.domain.steps import CAPACITY_PATIENCE


def stop_traffic_without_pods(at: Situation) -> Action | None:
    """A canary without an available pod cannot serve anything."""
    return Lower(0) if at.weight > 0 and at.canary_available == 0 else None


def stop_share_beyond_weight(at: Situation) -> Action | None:
    """Where pods are traffic and `replicas` fell, even one canary pod may get more than it earned.

    Its traffic goes before stable's pods do; it comes back as a raise, in the first step or where
    more pods are wanted again.
    """
    beyond = at.weight > 0 and at.split.pods_at(at.weight) == 0
    return Lower(0) if beyond else None


def stop_traffic_on_broken_route(at: Situation) -> Action | None:
    """What cannot be told in full is told nothing but to stop: stable serves until it is mended.

    The traffic comes back as a raise to what was reached.
    """
    return Lower(0) if at.weight > 0 and at.route.broken else None


def shed_weight_to_capacity(at: Situation) -> Action | None:
    """Pods that stay away take their share of the requests with them.

    Where pods are traffic they do that by themselves.

    They are waited for only at a weight that the router has already: it is never raised, not even
    to repair it, beyond what the pods that are available now carry.
    """
    since, available = at.attempt.short_of_pods_since, at.canary_available
    if since is None or available is None or at.split.pods_are_traffic:
        return None
    rising = (at.route.weight or 0) < at.weight
    if at.now - since < CAPACITY_PATIENCE and not rising:
        return None
    steps = at.spec.strategy.resolved_steps
    return Lower(carried_weight(at.split.replicas, available, steps, up_to=at.weight - 1))
