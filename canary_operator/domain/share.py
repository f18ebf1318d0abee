"""Whether the canary gets the share of the requests that it was given.

A verdict about a canary that gets other requests than it should says nothing about the route, and
little about the next step: callers that do not follow the route will not follow the next weight.
"""

from math import sqrt

from canary_operator.domain.counts import Traffic, View
from canary_operator.domain.figures import amount, share
from canary_operator.domain.reasons import Reason
from canary_operator.domain.status import Verdict
from canary_operator.domain.views import FULL_WEIGHT, Finding, Look, seen_by

FACTOR = 2.0
"""How far canary through stable may be from what the weight says, either way. Proxies need a moment
to follow a new weight, and retries count as requests."""

DEVIATIONS = 4.0
"""Standard deviations that chance is allowed beside that."""


def routing_not_applied(traffic: Traffic, look: Look) -> Finding | None:
    """Return what is wrong with the canary's share of the requests; None if nothing is seen.

    The pods also serve callers outside the mesh, which never meet a canary; so by their view only
    a share that is too large tells something.
    """
    return _off(traffic, View.CALLERS, look) or _off(traffic, View.PODS, look, only_above=True)


def _off(traffic: Traffic, view: View, look: Look, *, only_above: bool = False) -> Finding | None:
    tracks = traffic.get(view)
    if tracks is None or not 0 < look.weight <= FULL_WEIGHT:
        return None
    canary, stable = tracks.canary.arrived, tracks.stable.arrived
    together, asked = canary + stable, look.weight / FULL_WEIGHT
    if not look.enough(together * asked):
        return None
    above = canary > together * asked
    if _is_near(canary, stable, asked, look) or (only_above and not above):
        return None
    return Finding(
        Verdict.INCONCLUSIVE,
        f"{Reason.ROUTING_NOT_APPLIED}: the canary got {amount(canary)} of {amount(together)} "
        f"requests ({share(canary, together)}), although its weight is {look.weight} %; do all "
        f"callers follow the route? {seen_by(view).capitalize()}",
        reason=Reason.ROUTING_NOT_APPLIED,
    )


def _is_near(canary: float, stable: float, asked: float, look: Look) -> bool:
    together = canary + stable
    chance = DEVIATIONS * sqrt(max(asked * (1 - asked), 1 / together) / together)
    if abs(canary / together - asked) <= chance:
        return True
    if asked == 1:
        return not look.enough(stable)
    relation = asked / (1 - asked)
    return stable * relation / FACTOR <= canary <= stable * relation * FACTOR
