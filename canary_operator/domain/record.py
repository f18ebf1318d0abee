"""What an action means for the status: pure, one case per action."""

from typing import Any, assert_never

from canary_operator.domain.actions import (
    Action,
    Adopt,
    Answer,
    FinishPromotion,
    FinishRollBack,
    Hold,
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
from canary_operator.domain.phase import IN_STEPS, ON_TRIAL, Phase, Trigger, next_phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.scaling import load_at_start
from canary_operator.domain.situation import Situation, full_load
from canary_operator.domain.status import (
    Attempt,
    HistoryEntry,
    Outcome,
    RequestRecord,
    RolloutStatus,
)

HISTORY_LENGTH = 10


def record_answer(given: Answer, at: Situation) -> RolloutStatus:
    """Return the status with a person's request answered; its action is recorded separately."""
    if at.request is None:
        return at.status
    said = RequestRecord(
        value=at.request.value, outcome=given.outcome, message=given.message, at=at.now
    )
    changes: dict[str, Any] = {"last_request": said}
    attempt = at.status.attempt
    if attempt and given.pause is not None:
        attempt = attempt.model_copy(update={"paused_by_request": given.pause})
    if attempt and given.approve:
        attempt = attempt.model_copy(update={"approved_step": at.status.step})
    return at.status.model_copy(update={**changes, "attempt": attempt})


def record(action: Action, at: Situation) -> RolloutStatus:  # noqa: C901, PLR0911, PLR0912 - a table
    """Return the status after `action`; the action itself is carried out by the engine."""
    match action:
        case Hold():
            return at.status
        case Initialize(revision):
            return at.status.model_copy(
                update={
                    "phase": Phase.INITIALIZING,
                    "stable_revision": revision,
                    "weight": 0,
                    "progressed_at": at.now,
                }
            )
        case Adopt(revision):
            return at.status.model_copy(
                update={"phase": Phase.STABLE, "stable_revision": revision, "weight": 0}
            )
        case ServeStable():
            return _move(at, Trigger.STABLE_AVAILABLE)
        case Start():
            return _start(action, at)
        case Raise():
            return _raise(action, at)
        case Lower(weight):
            return _lower(weight, at)
        case Pause():
            return _attempt(at, _move(at, Trigger.PAUSED), paused_at=at.now)
        case Resume():
            return _resume(at)
        case Promote(trigger):
            return _move(at, trigger, progressed_at=at.now)
        case FinishPromotion():
            return _finish_promotion(at)
        case RollBack():
            return _roll_back(action, at)
        case FinishRollBack():
            return _finish_roll_back(at)
        case Revert():
            return _revert(at)
        case _:
            assert_never(action)


def _move(at: Situation, trigger: Trigger, **changes: Any) -> RolloutStatus:
    phase = at.status.phase
    moved = next_phase(phase, trigger) if phase else phase
    return at.status.model_copy(update={"phase": moved, **changes})


def _attempt(at: Situation, status: RolloutStatus, **changes: Any) -> RolloutStatus:
    attempt = (status.attempt or at.attempt).model_copy(update=changes)
    return status.model_copy(update={"attempt": attempt})


def _start(action: Start, at: Situation) -> RolloutStatus:
    history = at.status.history
    if at.status.phase in IN_STEPS:
        words = f"Revision {action.revision} was applied."
        history = _history(at, Outcome.SUPERSEDED, Reason.SUPERSEDED, words)
    return _move(
        at,
        action.trigger,
        canary_revision=action.revision,
        rejected_revision=None,
        step=0,
        weight=0,
        weight_applied_at=None,
        progressed_at=at.now,
        failed_checks=0,
        full_load=load_at_start(at),
        traffic_off_at=_traffic_off_at(at, 0),
        attempt=Attempt(started_at=at.now),
        metrics=(),
        history=history,
    )


def _raise(action: Raise, at: Situation) -> RolloutStatus:
    further = action.weight > at.attempt.step_weight or action.step != at.status.step
    changes: dict[str, Any] = {"progressed_at": at.now} if further else {}
    status = at.status.model_copy(
        update={
            "step": action.step,
            "weight": action.weight,
            "weight_applied_at": at.now,
            "full_load": _full_load(at),
            "traffic_off_at": None,
            **changes,
        }
    )
    counted, back = at.split.pods_are_traffic, at.weight < at.attempt.step_weight
    first = at.attempt.step_weight == 0 or (back and at.attempt.in_first_step)
    missing = (at.canary_available or 0) < action.pods
    return _attempt(
        at,
        status,
        max_weight=max(at.attempt.max_weight, action.weight),
        step_weight=action.weight,
        step_pods=action.pods,
        peak_available=at.canary_available or action.pods,
        hold_started_at=at.now,
        last_check=None,
        step_passed_at=None,
        short_of_pods_since=None,
        awaits_pods=True if counted and missing else None,
        in_first_step=True if counted and first else None,
    )


def _full_load(at: Situation) -> int | None:
    """Return what is known of the load; what `maxReplicas` hides of it now is not forgotten."""
    return max(at.status.full_load or 0, full_load(at)) if at.spec.autoscaling else None


def _lower(weight: int, at: Situation) -> RolloutStatus:
    status = at.status.model_copy(
        update={
            "weight": weight,
            "weight_applied_at": at.now if weight else None,
            "traffic_off_at": _traffic_off_at(at, weight),
        }
    )
    if at.status.phase not in ON_TRIAL:
        return status
    begins = {"hold_started_at": at.now, "last_check": None, "step_passed_at": None}
    return _attempt(at, status, **begins, short_of_pods_since=None)


def _resume(at: Situation) -> RolloutStatus:
    """A pause stopped the clock, so the deadline moves by its length.

    While the route is broken it stands still anyway: until then only.
    """
    began, progressed = at.attempt.paused_at, at.status.progressed_at
    if began and progressed:
        until = max(began, at.attempt.route_broken_since or at.now)
        progressed = min(at.now, progressed + (until - began))
    status = _move(at, Trigger.RESUMED, progressed_at=progressed)
    return _attempt(at, status, paused_at=None)


def _finish_promotion(at: Situation) -> RolloutStatus:
    old, new = at.status.stable_revision, at.status.canary_revision
    words = f"Revision {new} is stable now; before it was {old}."
    return _move(
        at,
        Trigger.STABLE_UPDATED,
        stable_revision=at.status.canary_revision,
        history=_history(at, Outcome.PROMOTED, Reason.PROMOTED, words),
        **_no_canary(at),
    )


def _revert(at: Situation) -> RolloutStatus:
    under_way = at.status.phase in IN_STEPS
    words = "The stable template was applied again."
    history = (
        _history(at, Outcome.REVERTED, Reason.REVERTED, words) if under_way else at.status.history
    )
    return _move(at, Trigger.REVERTED, rejected_revision=None, history=history, **_no_canary(at))


def _roll_back(action: RollBack, at: Situation) -> RolloutStatus:
    reverted = action.trigger is Trigger.REVERTED
    outcome = Outcome.REVERTED if reverted else Outcome.ROLLED_BACK
    weight = at.weight if spares_traffic(action, at) else 0
    return _move(
        at,
        action.trigger,
        rejected_revision=None if reverted else at.status.canary_revision,
        history=_history(at, outcome, action.reason, action.message),
        weight=weight,
        weight_applied_at=at.status.weight_applied_at if weight else None,
        traffic_off_at=_traffic_off_at(at, weight),
        progressed_at=at.now,
        failed_checks=_failed_checks(action, at),
    )


def _failed_checks(action: RollBack, at: Situation) -> int:
    """The last of them may not be recorded, where only the mark of the rollback was left."""
    too_many = at.spec.analysis.failure_limit + 1
    recorded = at.status.failed_checks
    return max(recorded, too_many) if action.reason is Reason.ANALYSIS_FAILED else recorded


def spares_traffic(action: RollBack, at: Situation) -> bool:
    """Whether the canary keeps its share for now: stable has no ready pod and the canary has.

    Taking the share away would turn served requests into failed ones. A person who asks for an
    abort, or wants stable again, is obeyed; and where no pod is wanted, none is waited for. What
    the router does not give any more is not given again to a revision that is rejected.
    """
    forced = action.trigger is not Trigger.FAILED or at.spec.least_replicas == 0
    taken = (at.route.weight or 0) < at.weight
    needed = at.stable.ready == 0 and at.canary.ready > 0
    return needed and at.weight > 0 and not forced and not taken


def _finish_roll_back(at: Situation) -> RolloutStatus:
    rejected = at.status.rejected_revision
    still_wanted = rejected is not None and at.wanted_revision == rejected
    trigger = Trigger.STABLE_RESTORED if still_wanted else Trigger.WANTED_AGAIN
    gone = _no_canary(at)
    if still_wanted:  # what rejected it stays readable
        gone |= {"metrics": at.status.metrics, "failed_checks": at.status.failed_checks}
    return _move(at, trigger, **gone)


def _no_canary(at: Situation) -> dict[str, Any]:
    return {
        "canary_revision": None,
        "step": None,
        "weight": 0,
        "weight_applied_at": None,
        "progressed_at": None,
        "failed_checks": 0,
        "traffic_off_at": _traffic_off_at(at, 0),
        "attempt": None,
        "metrics": (),
    }


def _traffic_off_at(at: Situation, weight: int) -> Any:
    """Return when the canary lost its last traffic; the first loss counts, not the latest."""
    if weight:
        return None
    return at.now if at.weight or at.route.weight else at.status.traffic_off_at


def _history(
    at: Situation, outcome: Outcome, reason: Reason, message: str
) -> tuple[HistoryEntry, ...]:
    hurt = at.attempt.requests_hurt
    entry = HistoryEntry(
        revision=at.status.canary_revision or "",
        outcome=outcome,
        reason=reason,
        message=message,
        started_at=at.attempt.started_at,
        finished_at=at.now,
        max_weight=at.attempt.max_weight,
        requests_hurt=None if hurt is None else round(hurt),
    )
    return (entry, *at.status.history)[:HISTORY_LENGTH]
