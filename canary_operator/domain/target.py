"""What the cluster should look like, given what was decided."""

from dataclasses import dataclass

from canary_operator.domain.facts import pods_to_keep
from canary_operator.domain.phase import IN_STEPS, Phase
from canary_operator.domain.reasons import REASONS, Reason
from canary_operator.domain.scaling import stable_floor
from canary_operator.domain.situation import Situation, TrackState
from canary_operator.domain.steps import (
    PROXY_DELAY,
    pods_ahead,
    pods_now,
    pods_of_next_raise,
    scale_down_at,
    traffic_drained,
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which numbers of pods an autoscaler decides."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class TrackTarget:
    """What one Deployment should run."""

    revision: str
    replicas: int | None
    """Pods; None where its autoscaler has the word."""
    bounds: Bounds | None = None
    """Of its autoscaler; None where it has none."""


@dataclass(frozen=True, slots=True)
class RouteTarget:
    """What the router should do."""

    weight: int
    """Share of requests for the canary, in whole percent."""
    rejected: str | None = None
    """Mark of a rollback, written together with the weight."""
    rejected_because: Reason | None = None
    takes_over: bool = True
    """Whether a Service that the user gave leads to the rollout's pods now."""


@dataclass(frozen=True, slots=True)
class ReferenceTarget:
    """What becomes of the Deployment that the pods are taken from."""

    name: str
    replicas_before: int
    """Pods that it had, as a mark on it; it is scaled to zero."""


@dataclass(frozen=True, slots=True)
class Target:
    """The desired world of one rollout; None means: leave as it is."""

    stable: TrackTarget | None
    canary: TrackTarget | None
    route: RouteTarget | None
    reference: ReferenceTarget | None = None


NOTHING = Target(stable=None, canary=None, route=None)


def target_of(at: Situation) -> Target:
    """Return the world that the status, as it was just decided, asks for."""
    return Target(_stable(at), _canary(at), _route(at), _reference(at))


def _stable(at: Situation) -> TrackTarget | None:
    promoting = at.status.phase is Phase.PROMOTING
    revision = at.status.canary_revision if promoting else at.status.stable_revision
    return _sized(at, at.stable, revision, stable_floor(at)) if revision else None


def _sized(
    at: Situation, track: TrackState, revision: str, pods: int, *, anew: bool = False
) -> TrackTarget:
    """Return a Deployment of `pods` pods, or of that many or more where there are autoscalers.

    An autoscaler leaves a Deployment without pods alone, so the first ones are ours to ask for.
    Where somebody deleted one, it begins with what its autoscaler wanted last.
    """
    scaling = at.spec.autoscaling
    if scaling is None or pods == 0:
        return TrackTarget(revision, pods)
    floor = min(pods, scaling.max_replicas)
    bounds = Bounds(floor, scaling.max_replicas)
    if track.replicas > 0 and not anew:
        return TrackTarget(revision, None, bounds)
    lost = track.scaler.desired if track.scaler and not (track.exists or anew) else 0
    return TrackTarget(revision, min(max(floor, lost), scaling.max_replicas), bounds)


def _canary(at: Situation) -> TrackTarget | None:
    status = at.status
    if status.phase in IN_STEPS and status.canary_revision:
        return _canary_on_trial(at, status.canary_revision)
    if status.phase is Phase.PROMOTING and status.canary_revision:
        kept = max(at.canary.asked, pods_to_keep(at))
        replicas = pods_now(at) if _is_its_share(at) else kept
        return _sized(at, at.canary, status.canary_revision, replicas)
    ends = scale_down_at(at)
    drained = ends is None or at.now >= ends
    if status.phase is Phase.ROLLING_BACK or at.gets_requests or not drained:
        return None  # its pods serve until requests have gone elsewhere
    revision = at.canary.revision or status.stable_revision
    return TrackTarget(revision, 0) if revision else None


def _canary_on_trial(at: Situation, revision: str) -> TrackTarget | None:
    others = at.canary.revision != revision and at.canary.pods > 0
    if others and (at.gets_requests or not traffic_drained(at)):
        return None  # the old canary's pods may still get requests, be it from proxies that lag
    if _is_its_share(at):
        return TrackTarget(revision, pods_now(at))
    # Never down within a step: a check that fails later does not make the pods superfluous that
    # the next raise was to need. What is more than that, nobody decided.
    anew = at.canary.revision != revision
    kept = 0 if anew else at.canary.asked
    pods = max(pods_ahead(at), min(kept, pods_of_next_raise(at)))
    return _sized(at, at.canary, revision, pods, anew=anew)


def _is_its_share(at: Situation) -> bool:
    """Whether the canary's pods get requests because they are there."""
    return at.split.pods_are_traffic and at.weight > 0


def _route(at: Situation) -> RouteTarget | None:
    """Where pods are traffic, callers reach stable through the router's object: it is made first.

    The mark of a rollback goes with what it takes, and stays until the router is told something
    else anyway.

    It must be gone before its revision is tried again, or it would end that rollout at once.
    """
    status, weight = at.status, at.weight
    coming_up = status.phase is Phase.INITIALIZING
    if status.phase is None or (coming_up and not at.split.pods_are_traffic):
        return None
    if status.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK} and status.rejected_revision:
        if status.phase is Phase.ROLLING_BACK and 0 < weight == at.route.weight:
            # Nothing is taken yet, so nothing is told: what was seen of the router may be old, and
            # a write of it would give back what we took without knowing that it worked.
            return RouteTarget(weight, at.route.rejected, at.route.rejected_because)
        said = status.history[0].reason if status.history else None
        reason = Reason(said) if said in REASONS else Reason.ROLLED_BACK
        return RouteTarget(weight, status.rejected_revision, reason)
    stale = at.route.rejected == status.canary_revision or at.route.weight != weight
    if stale or at.route.rejected is None:
        return RouteTarget(weight, takes_over=not coming_up)
    mark = at.route.rejected, at.route.rejected_because
    return RouteTarget(weight, *mark, takes_over=not coming_up)


def _reference(at: Situation) -> ReferenceTarget | None:
    """Its own pods go when stable has all of its traffic, and proxies had time to follow.

    While stable lacks pods nothing more is taken away.
    """
    record, ref = at.status.workload, at.spec.workload_ref
    if record is None or ref is None or at.reference is None:
        return None
    whole = at.stable.available >= stable_floor(at)
    due = whole and at.now >= record.replaced_at + PROXY_DELAY
    return ReferenceTarget(ref.name, record.replicas) if due and ref.scales_down else None
