"""What autoscalers may do to the pods of both versions, and what their doing tells of the load.

An autoscaler sees the pods and the load of one version, and no weight. So floors are given to it:
the canary's is lifted before the weight is, and stable's stays where it is enough for what may come
back. Above its floor each follows its own load.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from canary_operator.domain.phase import IN_STEPS, ON_TRIAL, UNDER_WAY, Phase
from canary_operator.domain.situation import Situation, full_load
from canary_operator.domain.spec.policy import Part
from canary_operator.domain.steps import full_weight, next_raise, pause_reason, step_is_done

_ALL = 100

_USUAL_WINDOW = timedelta(minutes=5)
"""As in Kubernetes, where `behavior` says nothing."""

_OF_PODS = frozenset({"Resource", "ContainerResource", "Pods"})
"""Types of metrics that are measured at the pods of one version."""


def stable_floor(at: Situation) -> int:
    """Return the pods below which stable must not go: `replicas`, or its autoscaler's floor.

    Before it takes all traffic back it needs the pods for that, and keeps them until its autoscaler
    has seen that traffic. Only while the canary has its share may the spec leave stable to its
    autoscaler: what a canary lost, or never had, stable serves.
    """
    scaling = at.spec.autoscaling
    if scaling is None:
        return at.spec.replicas
    known = _unseen(at)
    if at.status.phase in UNDER_WAY:
        known = max(known, at.status.full_load or 0)
    if at.status.phase in IN_STEPS and scaling.capacity.stable_floor == "HPA" and full_weight(at):
        known = 0
    wanted = max(scaling.min_replicas, known, place_to_take(at))
    return min(wanted, scaling.max_replicas)


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
        return seen.own_replicas if at.takes_place else 0
    return record.replicas if ref.scales_down and record.scaled_down_at is None else 0


def load_at_start(at: Situation) -> int | None:
    """Return what the full load takes as a trial begins; None without autoscalers.

    Stable has the pods for it, unless it serves a part only, or did so a moment ago.
    """
    if at.spec.autoscaling is None:
        return None
    return max(full_load(at), min(_unseen(at), at.spec.autoscaling.max_replicas))


def load_seen(at: Situation) -> int | None:
    """Return what the full load is known to take; None where there is nothing to know.

    It never falls during a trial. It grows with what either autoscaler asks for beyond its floor.
    That is looked at where something is about to happen and while promoting: the floor stays as it
    is until then, also while a person is waited for, so what goes beyond it is given up again when
    the load ends.
    """
    scaling, known = at.spec.autoscaling, at.status.full_load
    if scaling is None or at.status.phase not in ON_TRIAL:
        return known if scaling is not None else None
    if known is None:  # autoscalers came while the canary was on trial
        return full_load(at)
    goes_on = step_is_done(at) and pause_reason(at) is None
    due = at.status.phase is Phase.PROMOTING or goes_on or next_raise(at) is not None
    shown = max(_shown_by_stable(at, known), _shown_by_canary(at)) if due else 0
    return max(known, min(shown, scaling.max_replicas))


def _shown_by_stable(at: Situation, known: int) -> int:
    """Return the pods for all requests, as far as stable's autoscaler shows more than is known.

    On its floor, or on what it was left with when the weight rose, it says nothing of the load.
    While its pods are replaced, what they use is not only requests.
    """
    scaler, pods = at.stable.scaler, at.stable.replicas
    if scaler is None or pods <= max(scaler.least, known):
        return 0
    return pods if at.status.phase is Phase.PROMOTING else _for_all(at, pods, _ALL - at.weight)


def _shown_by_canary(at: Situation) -> int:
    """Return the pods for all requests, as far as the canary's share tells; 0 where it does not.

    Stable has enough pods for its share, so these too say how many would be enough for all of it;
    the lower one is nearer to the truth. One pod more at a small weight would mean a lot.
    """
    canary = at.canary
    beyond = canary.scaler is not None and canary.replicas > canary.scaler.least
    if not beyond or at.weight == 0 or canary.revision != at.status.canary_revision:
        return 0
    by_canary = _for_all(at, canary.replicas, at.weight)
    if at.weight == _ALL or not _follows_share(at):
        return by_canary
    return min(by_canary, _for_all(at, at.stable.replicas, _ALL - at.weight))


def _for_all(at: Situation, pods: int, share: int) -> int:
    """Return the pods for all requests where `pods` carry `share` percent of them."""
    return -(-pods * _ALL // share) if share and _follows_share(at) else pods


def _follows_share(at: Situation) -> bool:
    """Whether autoscalers follow what pods do, so that half of the requests take half of the pods.

    A metric of anything else, as the length of a queue, asks for the same of either version.
    """
    metrics = at.spec.autoscaling.metrics if at.spec.autoscaling else ()
    return all(one.get("type") in _OF_PODS for one in metrics)


def floor_falls_at(at: Situation) -> Sequence[datetime]:
    """Return until when pods are kept for traffic that stable's autoscaler has not seen yet.

    An autoscaler goes down to the largest number that it thought enough within its window, whatever
    its floor was: a floor that falls before is followed at once.
    """
    return [until for until, _ in _kept_until(at)]


def _kept_until(at: Situation) -> Iterator[tuple[datetime, int]]:
    """Yield until when how many pods are kept for what came to stable."""
    scaling, off, workload = at.spec.autoscaling, at.status.traffic_off_at, at.status.workload
    if scaling is None:
        return
    window = _window(scaling.behavior)
    if off is not None:
        yield off + max(window, at.spec.strategy.scale_down_delay), at.status.full_load or 0
    if workload is not None and workload.scaled_down_at is not None:
        yield workload.scaled_down_at + window, workload.replicas


def _window(behavior: Part) -> timedelta:
    """Return how long an autoscaler remembers, before it scales down."""
    down = (behavior or {}).get("scaleDown")
    told = down.get("stabilizationWindowSeconds") if isinstance(down, Mapping) else None
    return timedelta(seconds=told) if isinstance(told, int) else _USUAL_WINDOW


def _unseen(at: Situation) -> int:
    """Return the pods for what stable got a moment ago; 0 where its autoscaler has seen it."""
    return max((pods for until, pods in _kept_until(at) if at.now < until), default=0)
