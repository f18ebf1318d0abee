"""What happens next: for each phase an ordered list of small rules. The order is the policy.

A rule looks at the situation and returns an action, the answer to a person, or None for "not my
case". The first that is not None is done; if none is, nothing changes.
"""

from collections.abc import Callable, Mapping

from canary_operator.domain.actions import (
    Action,
    Adopt,
    Answer,
    FinishPromotion,
    FinishRollBack,
    Initialize,
    Lower,
    Pause,
    Promote,
    Raise,
    Resume,
    Revert,
    RollBack,
    ServeStable,
    Start,
)
from canary_operator.domain.answers import abort, answer, wants_abort
from canary_operator.domain.phase import Phase, Trigger
from canary_operator.domain.reasons import Reason
from canary_operator.domain.rollbacks import (
    roll_back_on_failed_checks,
    roll_back_on_insufficient_data,
    roll_back_on_proven_harm,
    roll_back_past_deadline,
    roll_back_when_both_fail_for_long,
    roll_back_when_stable_does_not_come_up,
)
from canary_operator.domain.scaling import stable_pods
from canary_operator.domain.situation import Situation
from canary_operator.domain.steps import (
    awaits_promotion,
    guarded_since,
    next_raise,
    next_step,
    pause_reason,
    pods_before_raise,
    scale_down_at,
    step_is_done,
    traffic_drained,
)
from canary_operator.domain.stops import (
    shed_weight_to_capacity,
    stop_share_beyond_weight,
    stop_traffic_on_broken_route,
    stop_traffic_without_pods,
)

Rule = Callable[[Situation], Action | Answer | None]


# The first revision.


def bring_up_first_revision(at: Situation) -> Action | None:
    """A rollout without a stable revision takes the wanted one as stable."""
    revision = at.wanted_revision
    return Initialize(revision) if revision else None


def adopt_running_stable(at: Situation) -> Action | None:
    """A lost status must not turn an untried template into the stable one."""
    return Adopt(at.stable.revision) if at.stable.exists and at.stable.revision else None


def follow_first_revision(at: Situation) -> Action | None:
    """A newer template replaces one that never came up: nothing serves yet."""
    revision = at.wanted_revision
    changed = revision is not None and revision != at.status.stable_revision
    return Initialize(revision) if changed and revision else None


def serve_when_stable_is_available(at: Situation) -> Action | None:
    """The first revision serves as soon as all of its pods are available."""
    served = at.stable.serves(at.status.stable_revision, stable_pods(at))
    return ServeStable() if served else None


# Which revision is on trial.


def start_new_revision(at: Situation) -> Action | None:
    """A revision that is neither stable nor rejected goes on trial.

    Not while a broken route may keep sending requests to canary pods: they would be its first
    share, of any size, or those of the one before would go while they serve.
    """
    if at.route.share_is_astray:
        return None
    revision = at.wanted_revision
    known = {None, at.status.stable_revision, at.status.rejected_revision}
    return None if revision in known else Start(revision or "", Trigger.NEW_REVISION)


def revert_to_stable(at: Situation) -> Action | None:
    """The stable template is wanted again: whatever else is going on ends."""
    return Revert() if at.wanted_revision == at.status.stable_revision else None


def start_over_with_newer_revision(at: Situation) -> Action | None:
    """A newer template replaces the canary, from the first step.

    Not while a broken route may keep sending requests to its pods, as above.
    """
    if at.route.share_is_astray:
        return None
    revision = at.wanted_revision
    if revision in {None, at.status.stable_revision, at.status.canary_revision}:
        return None
    return Start(revision or "", Trigger.NEW_REVISION)


def undo_promotion_when_stable_is_wanted(at: Situation) -> Action | None:
    """While promoting, stable was touched already, so a revert has to set it back."""
    if at.wanted_revision != at.status.stable_revision:
        return None
    return RollBack(Trigger.REVERTED, Reason.REVERTED, "The stable template was applied again.")


# Safety.


def finish_recorded_rollback(at: Situation) -> Action | None:
    """The mark on the router's object outranks a status that was not written any more."""
    mark = at.route.rejected
    if mark is None or mark != at.status.canary_revision:
        return None
    return RollBack(
        Trigger.FAILED,
        at.route.rejected_because or Reason.ROLLED_BACK,
        "The traffic had been taken back when the operator was interrupted.",
    )


def obey_abort(at: Situation) -> Answer | None:
    """A person outranks every metric."""
    return abort(at) if wants_abort(at) else None


def answer_beside_broken_route(at: Situation) -> Answer | None:
    """Nobody waits for an answer because nobody is there to take the canary's share."""
    return answer(at) if at.route.share_is_astray else None


# One step forward.


def stop_or_resume_raises(at: Situation) -> Action | None:
    """Follow what pauses the rollout: a person, the spec, an approval."""
    reason, paused = pause_reason(at), at.status.phase is Phase.PAUSED
    if reason and not paused:
        return Pause(reason)
    return Resume() if paused and not reason else None


def raise_weight(at: Situation) -> Action | None:
    """Raise to the next step, when it was earned and enough pods carry it."""
    coming = next_raise(at)
    if coming is None or at.status.phase is Phase.PAUSED or not at.route.can_be_raised:
        return None
    step, weight = coming
    least = pods_before_raise(at, weight)
    enough = at.canary_available is not None and at.canary_available >= least
    possible = at.split.pods_at(weight) > 0
    return Raise(step, weight, at.split.pods_for(weight)) if enough and possible else None


def promote_after_last_step(at: Situation) -> Action | None:
    """Every step passed: the canary becomes stable, unless a person has the last word."""
    if at.status.phase is Phase.PAUSED or awaits_promotion(at):
        return None
    if not step_is_done(at) or next_step(at) is not None:
        return None
    return Promote(Trigger.STEPS_PASSED)


# Ends.


def finish_promotion(at: Situation) -> Action | None:
    """Stable runs the new revision everywhere: it takes all traffic back.

    While both versions fail nothing is finished: the rollback that may follow needs the old one.
    """
    if guarded_since(at) is not None:
        return None
    done = at.stable.serves(at.status.canary_revision, stable_pods(at))
    return FinishPromotion() if done else None


def return_spared_traffic(at: Situation) -> Action | None:
    """Traffic that was left on the canary, as stable had no pod, goes back with the first pod.

    Nothing is spared where a person asked; then the router just did not take it the first time.
    Nor where somebody took it by hand, or made the route unreadable: what was rejected is not given
    traffic again. And stable gets no pod where none is wanted.
    """
    last = at.status.history[0] if at.status.history else None
    asked = last is not None and last.reason in {Reason.ABORTED, Reason.REVERTED}
    taken = (at.route.weight or 0) < at.weight
    over = at.stable.ready > 0 or at.spec.least_replicas == 0
    return Lower(0) if at.weight > 0 and (over or asked or taken) else None


def finish_roll_back(at: Situation) -> Action | None:
    """The roll back is over when stable is whole and canary pods had their time to drain."""
    restored = at.stable.runs_only(at.status.stable_revision)
    if not restored or at.weight > 0 or at.route.weight:
        return None
    known = {at.status.stable_revision, at.status.rejected_revision}
    another = at.wanted_revision not in known
    ends = scale_down_at(at)
    drained = traffic_drained(at) if another else ends is None or at.now >= ends
    return FinishRollBack() if drained else None


_CLIMB: tuple[Rule, ...] = (
    obey_abort,  # before the next one, or an abort that a crash cut in two would be refused
    finish_recorded_rollback,
    revert_to_stable,
    start_over_with_newer_revision,
    stop_traffic_without_pods,
    stop_share_beyond_weight,
    answer_beside_broken_route,
    stop_traffic_on_broken_route,
    roll_back_on_proven_harm,
    roll_back_on_failed_checks,
    roll_back_when_both_fail_for_long,
    shed_weight_to_capacity,
    answer,
    stop_or_resume_raises,
    raise_weight,
    promote_after_last_step,
    roll_back_on_insufficient_data,
    roll_back_past_deadline,  # last: what can go on now does, however late it is
)

RULES: Mapping[Phase | None, tuple[Rule, ...]] = {
    None: (adopt_running_stable, bring_up_first_revision),
    Phase.INITIALIZING: (answer, follow_first_revision, serve_when_stable_is_available),
    Phase.STABLE: (answer, start_new_revision),
    Phase.PROGRESSING: _CLIMB,
    Phase.PAUSED: _CLIMB,
    Phase.PROMOTING: (
        obey_abort,
        finish_recorded_rollback,
        undo_promotion_when_stable_is_wanted,
        stop_traffic_without_pods,
        stop_share_beyond_weight,
        answer_beside_broken_route,
        stop_traffic_on_broken_route,
        roll_back_on_proven_harm,
        roll_back_on_failed_checks,
        roll_back_when_both_fail_for_long,
        finish_promotion,
        roll_back_when_stable_does_not_come_up,
        shed_weight_to_capacity,
        answer,
    ),
    Phase.ROLLING_BACK: (obey_abort, return_spared_traffic, answer, finish_roll_back),
    Phase.ROLLED_BACK: (revert_to_stable, answer, start_new_revision),
}


def choose(at: Situation) -> Action | Answer | None:
    """Return what the first rule with an opinion says; None where all is as it should be."""
    for rule in RULES[at.status.phase]:
        chosen = rule(at)
        if chosen is not None:
            return chosen
    return None
