"""What autoscalers may do to the pods of both versions, and what their doing tells of the load.

An autoscaler sees the pods and the load of one version, and no weight. So floors are given to it:
the canary's is lifted before the weight is, and stable's stays where it is enough for what may come
back. Above its floor each follows its own load.
"""

from canary_operator.domain.phase import IN_STEPS, ON_TRIAL, UNDER_WAY, Phase
from canary_operator.domain.situation import Situation, full_load
from canary_operator.domain.steps import next_raise, scale_down_at

_ALL = 100


def stable_floor(at: Situation) -> int:
    """Return the pods below which stable must not go: `replicas`, or its autoscaler's floor.

    Before it takes all traffic back it needs the pods for that, and keeps them until proxies have
    followed. Only while the canary climbs may the spec leave stable to its autoscaler.
    """
    scaling = at.spec.autoscaling
    if scaling is None:
        return at.spec.replicas
    if place := place_to_take(at):
        return min(max(scaling.min_replicas, place), scaling.max_replicas)
    takes_back = at.status.phase in UNDER_WAY or _drains(at)
    if at.status.phase in IN_STEPS and scaling.capacity.stable_floor == "HPA":
        takes_back = False
    known = (at.status.full_load or 0) if takes_back else 0
    return min(max(scaling.min_replicas, known), scaling.max_replicas)


def stable_pods(at: Situation) -> int:
    """Return how many available pods make stable whole.

    More than that is its autoscaler's to wait for, but a promotion ends with all traffic on it.
    """
    if at.status.phase is Phase.PROMOTING:
        return full_load(at)
    return stable_floor(at) if place_to_take(at) else at.spec.least_replicas


def place_to_take(at: Situation) -> int:
    """Return the pods of a Deployment whose place stable is about to take; 0 where it has none.

    No autoscaler of stable can tell before what its load will be.
    """
    ref, seen, record = at.spec.workload_ref, at.reference, at.status.workload
    if ref is None or seen is None:
        return 0
    if record is None:
        return seen.own_replicas
    return record.replicas if ref.scales_down and record.scaled_down_at is None else 0


def load_at_start(at: Situation) -> int | None:
    """Return what the full load takes as a trial begins; None without autoscalers.

    Stable has the pods for it, unless it serves a part only, or did so a moment ago.
    """
    if at.spec.autoscaling is None:
        return None
    recent = (at.status.full_load or 0) if _drains(at) else 0
    return max(full_load(at), min(recent, at.spec.autoscaling.max_replicas))


def load_seen(at: Situation) -> int | None:
    """Return what the full load is known to take; None where there is nothing to know.

    It never falls during a trial. It grows with what the canary's autoscaler asks for beyond its
    floor. That is looked at before a raise only: the floor stays as it is until then, so what goes
    beyond it can be given up again when the load ends.
    """
    scaling, known = at.spec.autoscaling, at.status.full_load
    if scaling is None or at.status.phase not in ON_TRIAL:
        return known if scaling is not None else None
    if known is None:  # autoscalers came while the canary was on trial
        return full_load(at)
    if at.status.phase not in IN_STEPS or next_raise(at) is None:
        return known
    return max(known, min(_carried(at), scaling.max_replicas))


def _carried(at: Situation) -> int:
    """Return the pods for all requests, as far as the canary's share tells; 0 where it does not.

    Each version has enough pods for its share, so either says how many would be enough for all of
    it; the lower one is nearer to the truth. One pod more at a small weight would mean a lot.
    """
    canary, weight = at.canary, at.weight
    beyond = canary.scaler is not None and canary.replicas > canary.scaler.least
    if not beyond or weight == 0 or canary.revision != at.status.canary_revision:
        return 0
    by_canary = -(-canary.replicas * _ALL // weight)
    if weight == _ALL:
        return by_canary
    return min(by_canary, -(-at.stable.replicas * _ALL // (_ALL - weight)))


def _drains(at: Situation) -> bool:
    """Whether the canary lost its traffic a moment ago."""
    ends = scale_down_at(at)
    return ends is not None and at.now < ends
