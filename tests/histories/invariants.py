"""The invariants of the design, as code: to be compared with `docs/architecture.md`, line by line.

Each function looks at one write of the operator and says what is wrong with it. It knows what the
world was before and after, what the operator's caches showed, and what truly happened before
(`facts.py`, kept by `witness.py`); none of it is computed by the code that is tested.

I6 (a kill changes nothing) and I7 (no rollout delays another) compare whole histories; they stand
in `test_kills.py` and `test_neighbours.py`.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from math import ceil

from canary_operator.domain.phase import IN_STEPS, ON_TRIAL, Phase
from canary_operator.domain.revision import revision_of
from canary_operator.domain.status import Attempt, RequestRecord, Verdict
from tests.histories.facts import ACCEPTING, Moment, Write, pods_of_share, share_of_pods


class BrokenInvariantError(AssertionError):
    """Something happened that must never happen."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(f"{name}: {words}")
        self.name = name


Complaint = str
Invariant = Callable[[Write], Iterator[Complaint]]


def i1_the_weight_is_a_step(at: Write) -> Iterator[Complaint]:
    """Weights sum to 100; the canary's weight is a step of the spec in force at its raise, or 0."""
    weight, recorded = at.after.route.weight, at.after.status.weight or 0
    steps = {step["weight"] for step in at.seen.steps} if at.seen.records else set()
    if at.name == "route" and (weight is None or not 0 <= weight <= 100):
        yield f"the router was told {weight}"
    less = weight is not None and weight <= (at.before.route.weight or 0)
    one_of_several = at.seen.rollout.deleting and less
    if at.name == "route" and weight not in {0, recorded, *steps} and not one_of_several:
        yield f"the router was told {weight} %, steps are {steps}, recorded is {recorded} %"
    odd = recorded not in {0, at.before.status.weight, *steps}
    if at.name == "status" and odd and not _was_given_by_hand(at):
        yield f"{recorded} % was recorded, steps are {steps}"


def _was_given_by_hand(at: Write) -> bool:
    """Whether a share is recorded that a hand gave to pods that drain: it cannot be taken yet."""
    after = at.after.status
    return after.phase is Phase.STABLE and after.weight == at.seen.route.weight


def i2_a_raise_is_earned_and_carried(at: Write) -> Iterator[Complaint]:
    """The weight never rises above the first step without a pass, nor beyond what pods carry."""
    if at.name == "status":
        yield from _raise_is_earned(at)
    if at.name != "route":
        return
    before, weight = at.before.route.weight, at.after.route.weight or 0
    if weight and (before is None or weight > before):
        if weight > (at.after.status.weight or 0):
            yield f"{weight} % was told before it was recorded"
        if weight > at.facts.earned.get(at.after.trial, 0):
            yield f"the router was told {weight} %, which was never earned"
        yield from _raise_is_carried(at, weight, also=at.after.attempt)


def _raise_is_earned(at: Write) -> Iterator[Complaint]:
    before, after = at.before.status, at.after.status
    weight = after.weight or 0
    if weight <= (before.weight or 0):
        return
    if _was_given_by_hand(at):
        return
    if after.phase not in IN_STEPS:
        yield f"raised in phase {after.phase}"
    yield from _raise_is_carried(at, weight)
    if weight <= at.facts.earned.get(at.after.trial, 0):
        return  # back to what was reached
    if weight != at.seen.steps[0]["weight"]:
        yield from step_was_passed(at)
    at.facts.earned[at.after.trial] = weight


def i2_pods_are_no_more_than_was_earned(at: Write) -> Iterator[Complaint]:
    """Without a mesh, the canary's pods behind an open Service are its share."""
    weight = at.after.route.weight
    if not at.seen.pods_are_traffic or not weight or at.after.status.phase not in ON_TRIAL:
        return
    earned, pods = at.facts.earned.get(at.after.trial, 0), at.after.canary.replicas
    beside = at.after.stable.replicas if at.name == "stable" else at.seen.replicas
    rises = {
        "route": True,
        "canary": pods > at.before.canary.replicas,
        "stable": beside < min(at.before.stable.replicas, at.seen.stable.replicas),
    }
    known = at.after.canary.revision == at.after.status.canary_revision
    share = share_of_pods(beside, pods)
    if rises.get(at.name) and known and share > earned:
        yield f"{pods} pods beside {beside} are {share} %, {earned} % were earned"


def _raise_is_carried(at: Write, weight: int, also: Attempt | None = None) -> Iterator[Complaint]:
    if at.seen.pods_are_traffic and (at.before.status.weight or also is not None):
        return  # its pods are the raise
    canary, revision = at.seen.canary, at.after.status.canary_revision
    count = pods_of_share if at.seen.pods_are_traffic else pods_for
    needed = count(at.full_load(at.after.trial), weight)
    if also is not None:  # a rise of `replicas` alone never lowers the weight
        needed = min(needed, also.step_pods)
    if canary.revision != revision:
        yield f"traffic for {revision}, but the canary runs {canary.revision}"
    unknown = also is not None and not canary.current  # repaired: the last counts may be void
    if not unknown and canary.available - (canary.pods - canary.updated) < needed:
        yield f"{weight} % needs {needed} pods, {canary} was seen"


def step_was_passed(at: Write) -> Iterator[Complaint]:
    """A step lasts at least its hold, and until the latest check passes."""
    began, latest = at.before.status.weight_applied_at, at.after.status.metrics
    moment = latest[0].measured_at if latest else None
    if moment is None or began is None:
        yield "no check was made at this weight"
        return
    if at.facts.verdicts.get(moment) is not Verdict.PASS:
        yield f"the check of {moment} was no pass: {at.facts.verdicts.get(moment)}"
    if moment - began < timedelta(seconds=5):
        yield f"the check of {moment} looked at samples from before {began}"
    holds = {step["weight"]: int(step["hold"].rstrip("s")) for step in at.seen.steps}
    hold = timedelta(seconds=holds.get(at.before.status.weight or 0, 0))
    if at.now - began < hold:
        yield f"held for {at.now - began} instead of {hold}"


def i3_a_rollback_takes_traffic_first(at: Write) -> Iterator[Complaint]:
    """A rollback or abort sets weight 0 in its first write, whatever else fails."""
    if at.name != "status":
        return
    before, after = at.before.status, at.after.status
    told = at.seen.route.weight
    lowered = (after.weight or 0) < (before.weight or 0) and "route" not in at.done
    gets_more = all(
        route.exists and (route.weight is None or route.weight > (after.weight or 0))
        for route in (at.seen.route, at.before.route)
    )
    if lowered and gets_more:
        yield f"{after.weight} % was recorded while the router says {told} %"
    if not (before.phase in ON_TRIAL and after.phase is Phase.ROLLING_BACK):
        return
    marked = not after.rejected_revision or at.seen.route.rejected == after.rejected_revision
    done = not at.seen.route.exists or (told == 0 and marked)
    decided = [name for name in at.tried if name not in ACCEPTING]
    if not done and not _spared(at) and decided[0] != "route":
        yield f"rolled back, but the first write was {decided[0]}"


def _spared(at: Write) -> bool:
    """Stable has no ready pod, the canary has, and no person asked: the weight stays."""
    return (
        at.seen.stable.ready == 0 and at.seen.canary.ready > 0 and (at.after.status.weight or 0) > 0
    )


def i4_stable_keeps_its_pods(at: Write) -> Iterator[Complaint]:
    """No action lowers stable's available pods below `replicas`; each runs what may serve."""
    if at.name == "stable":
        yield from _stable_is_large_enough(at)
        yield from _stable_runs_what_it_may(at)
    before, after = at.before.status, at.after.status
    if at.name != "status" or before.phase is after.phase:
        return
    if after.phase is Phase.PROMOTING:
        last = at.after.status.last_request
        asked = last is not None and last != before.last_request and _promotes(last)
        if not asked:
            yield from step_was_passed(at)
            if at.seen.promoted_by_hand:
                yield "promoted without the word of a person"
            reached = at.before.attempt.step_weight if at.before.attempt else 0
            if reached < max(step["weight"] for step in at.seen.steps):
                yield f"promoted at {reached} % of {at.seen.steps}"
    if before.phase is Phase.PROMOTING and after.phase is Phase.STABLE:
        stable = at.seen.stable
        whole = (
            stable.current and stable.pods == stable.updated and stable.available >= stable.updated
        )
        wanted = at.full_load(at.before.trial)  # where no pod is wanted, none is waited for
        if wanted and (not whole or stable.available < wanted):
            yield f"traffic went back to a stable that was not whole: {stable}"


def _promotes(request: RequestRecord) -> bool:
    return request.value.startswith("promote") and request.outcome == "Accepted"


def _stable_is_large_enough(at: Write) -> Iterator[Complaint]:
    wish, had = at.seen.replicas, at.before.stable.replicas
    least = min(wish, had) if at.before.stable.exists else wish
    if at.seen.scaling is not None and had > 0:
        least = had  # an autoscaler has the word
    if at.after.stable.replicas < least:
        yield f"stable was set to {at.after.stable.replicas} pods of {least}"


def i4_floors_hold_what_may_come_back(at: Write) -> Iterator[Complaint]:
    """With autoscalers, stable's floor is the full load while a rollout is under way."""
    scaling, status = at.seen.scaling, at.after.status
    if at.name != "autoscaler" or scaling is None:
        return
    load = at.full_load(at.after.trial)
    for track in (at.after.stable, at.after.canary):
        if track.scaler and not 1 <= track.scaler.least <= track.scaler.most:
            yield f"a floor of {track.scaler.least} below {track.scaler.most} pods"
    under_way = status.phase in ON_TRIAL or status.phase is Phase.ROLLING_BACK
    attempt = at.after.attempt
    whole = attempt is not None and 0 < (status.weight or 0) == attempt.step_weight
    may_be_left = scaling.get("capacity") == {"stableFloor": "HPA"} and status.phase in IN_STEPS
    left = may_be_left and whole
    floor = at.after.stable.scaler
    raised = at.before.stable.scaler == floor  # it was not what was written
    if under_way and not (left or raised) and floor and floor.least < load:
        yield f"stable's floor is {floor.least} where {load} pods may be needed"
    canary = at.after.canary
    mine = canary.scaler and canary.revision == status.canary_revision
    if mine and canary.scaler and status.weight and at.after.attempt:
        needed = min(pods_for(load, status.weight), at.after.attempt.step_pods)
        if canary.scaler != at.before.canary.scaler and canary.scaler.least < needed:
            yield f"the canary's floor is {canary.scaler.least} of {needed} at {status.weight} %"


def _stable_runs_what_it_may(at: Write) -> Iterator[Complaint]:
    status, revision = at.after.status, at.after.stable.revision
    promoting = status.phase is Phase.PROMOTING
    if revision not in {status.stable_revision, status.canary_revision if promoting else None}:
        yield f"stable was set to {revision} in phase {status.phase}"
    if promoting and revision in at.facts.rejected:
        yield f"stable was set to {revision}, which was rejected"


def i5_what_was_rejected_stays_out(at: Write) -> Iterator[Complaint]:
    """A rejected revision gets no traffic again without a request or a new spec."""
    before, weight = at.before.route.weight, at.after.route.weight or 0
    if at.name != "route" or before is None or weight <= before:
        return
    for revision in (at.after.status.canary_revision, at.after.canary.revision):
        if revision in at.facts.rejected:
            yield f"{weight} % for {revision}, which was rejected"
    if at.after.route.rejected == at.after.status.canary_revision:
        yield f"{weight} % for {at.after.route.rejected}, whose mark is still there"


def a_rollback_has_a_cause(at: Write) -> Iterator[Complaint]:
    """Nothing is rolled back but for failed checks, missing progress, or a person's word."""
    before, after = at.before.status, at.after.status
    if at.name != "status" or before.phase not in ON_TRIAL or after.phase is not Phase.ROLLING_BACK:
        return
    reason, trial, last = after.history[0].reason, at.before.trial, after.last_request
    if at.facts.marked_in == trial and at.seen.route.rejected == before.canary_revision:
        return  # the first half of it was done before
    limit = at.seen.records[0].settings["analysis"]["failureLimit"]
    deadline = timedelta(minutes=2)
    # Where the newest spec is refused, the last one that was accepted is what is wanted.
    wanted = {revision_of(at.seen.rollout.spec["template"]), at.seen.records[0].revision}
    causes = {
        "AnalysisFailed": len(at.facts.failed.get(trial, ())) > limit,
        "Aborted": last and last.value.startswith("abort") and last.value in at.facts.asked,
        "Reverted": before.stable_revision in wanted,
        "ProgressDeadlineExceeded": at.now - (trial[1] or at.now) >= deadline,
        "NoData": at.now - (trial[1] or at.now) >= deadline,
    }
    silent = reason == "NoData" and at.seen.promoted_by_hand and not at.seen.pods_are_traffic
    if silent and at.before.stay in at.facts.waiting:
        yield "a night without requests ended the wait for a person"
    if not causes.get(reason):
        yield f"rolled back because of {reason}, which did not happen"


def pods_for(replicas: int, weight: int) -> int:
    """Canary pods that carry `weight`: its share of `replicas`, rounded up, and at least one."""
    return max(1, ceil(replicas * weight / 100))


INVARIANTS: dict[str, Invariant] = {
    "I1": i1_the_weight_is_a_step,
    "I2": i2_a_raise_is_earned_and_carried,
    "I2 in pods": i2_pods_are_no_more_than_was_earned,
    "I3": i3_a_rollback_takes_traffic_first,
    "I4": i4_stable_keeps_its_pods,
    "I4 of floors": i4_floors_hold_what_may_come_back,
    "I5": i5_what_was_rejected_stays_out,
    "cause": a_rollback_has_a_cause,
}


def check_write(at: Write) -> None:
    """Hold a write against every invariant.

    Raises:
        BrokenInvariantError: names the first one that is broken.
    """
    for name, invariant in INVARIANTS.items():
        for complaint in invariant(at):
            raise BrokenInvariantError(name, complaint)


def check_rest(at: Moment) -> None:
    """Look at a world in which everything was told, nothing fails, and nothing is due.

    Raises:
        BrokenInvariantError: names the first invariant that is broken.
    """
    status, weight = at.status, at.route.weight
    if at.route.exists and weight != (status.weight or 0):
        raise BrokenInvariantError(
            "rest", f"the router says {weight} %, the status {status.weight}"
        )
    if status.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK} and at.stable.ready and weight:
        raise BrokenInvariantError("I3", f"{weight} % in phase {status.phase}")
    if status.phase in ON_TRIAL and weight and at.canary.current and not at.canary.available:
        raise BrokenInvariantError("I2", f"{weight} % and no pod to serve it")
    if status.phase in ON_TRIAL and at.route.rejected == status.canary_revision:
        raise BrokenInvariantError("I5", f"{status.canary_revision} is on trial and rejected")


def abort_is_open(at: Moment, annotation: str | None) -> bool:
    """Whether a person asks to take the present canary back, and was not answered yet."""
    verb, _, rest = (annotation or "").partition("/")
    revision, last = rest.partition("/")[0], at.status.last_request
    answered = last is not None and last.value == annotation and not last.removed
    meant = revision in {"", at.status.canary_revision}
    return verb == "abort" and meant and not answered and at.status.phase in ON_TRIAL
