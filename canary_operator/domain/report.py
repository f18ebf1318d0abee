"""What people and tools read of the status: conditions in kstatus' sense, message, counts."""

from dataclasses import replace

from canary_operator.domain.phase import IN_STEPS, Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import Situation
from canary_operator.domain.status import Condition, RolloutStatus
from canary_operator.domain.steps import is_overdue, pause_reason, step_index
from canary_operator.domain.words import (
    goes_on_trial_next,
    message_of,
    pause_words,
    stable_is_available,
)

TRANSIENT = frozenset(
    {
        Reason.ROUTER_UNAVAILABLE,
        Reason.FORBIDDEN,
        Reason.API_UNAVAILABLE,
        Reason.DRIFT_CONFLICT,
        Reason.RECORD_MISSING,
        Reason.RESTORING,
    }
)
"""Problems of the surroundings: work goes on with back-off, so the rollout is not stalled."""


def report(at: Situation) -> RolloutStatus:
    """Return the decided status with everything that is derived from it."""
    status = at.status
    if at.wanted is not None:
        status = status.model_copy(
            update={
                "message": message_of(at),
                "step_progress": _step_progress(at),
                "replicas": at.stable.pods + at.canary.pods,
                "ready_replicas": at.stable.ready + at.canary.ready,
                "selector": f"canary-operator.dev/rollout={at.name}",
            }
        )
    elif at.problem is not None:
        status = status.model_copy(update={"message": at.problem.message})
    return status.model_copy(
        update={
            "observed_generation": at.generation,
            "conditions": conditions_of(replace(at, status=status)),
        }
    )


def _step_progress(at: Situation) -> str | None:
    if at.status.phase not in IN_STEPS | {Phase.PROMOTING}:
        return None
    return f"{step_index(at) + 1}/{len(at.spec.strategy.resolved_steps)}"


def conditions_of(at: Situation) -> tuple[Condition, ...]:
    """Return the conditions; one that is not true is left out, except Ready."""
    ready, reason = _readiness(at)
    true = {"Ready": reason} if ready else {}
    if not ready:
        true["Stalled" if _is_stalled(at) else "Reconciling"] = reason
    paused = pause_reason(at) if at.wanted else None
    message = at.problem.message if at.problem else at.status.message
    found = [_condition(at, "Ready", ready, reason, message)]
    found += [
        _condition(at, kind, True, reason, message)
        for kind in ("Reconciling", "Stalled")
        if kind in true
    ]
    if paused and at.status.phase is Phase.PAUSED:
        found.append(_condition(at, "Paused", True, paused, pause_words(at, paused)))
    return tuple(found)


def _readiness(at: Situation) -> tuple[bool, Reason]:
    reason = at.problem.reason if at.problem else _reason(at)
    return reason is Reason.STABLE, reason


def _reason(at: Situation) -> Reason:
    match at.status.phase:
        case Phase.STABLE if not stable_is_available(at):
            return Reason.STABLE_UNAVAILABLE
        case Phase.STABLE:
            return Reason.PROGRESSING if goes_on_trial_next(at) else Reason.STABLE
        case Phase.ROLLING_BACK if at.weight > 0 and at.stable.ready == 0:
            return Reason.STABLE_UNAVAILABLE
        case Phase.INITIALIZING if is_overdue(at):
            return Reason.PROGRESS_DEADLINE_EXCEEDED
        case phase:
            return _PHASE_REASONS.get(phase, Reason.INITIALIZING)


_PHASE_REASONS: dict[Phase | None, Reason] = {
    Phase.INITIALIZING: Reason.INITIALIZING,
    Phase.PROGRESSING: Reason.PROGRESSING,
    Phase.PAUSED: Reason.PROGRESSING,
    Phase.PROMOTING: Reason.PROMOTING,
    Phase.ROLLING_BACK: Reason.ROLLED_BACK,
    Phase.ROLLED_BACK: Reason.ROLLED_BACK,
}


def _is_stalled(at: Situation) -> bool:
    """Whether nothing will change until somebody does something."""
    if at.problem is not None:
        return at.problem.reason not in TRANSIENT
    overdue = at.status.phase is Phase.INITIALIZING and is_overdue(at)
    return overdue or at.status.phase is Phase.ROLLED_BACK


def _condition(at: Situation, kind: str, true: bool, reason: Reason, message: str) -> Condition:
    status = "True" if true else "False"
    before = next((c for c in at.status.conditions if c.type == kind), None)
    same = before is not None and before.status == status
    return Condition.model_validate(
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "last_transition_time": before.last_transition_time
            if before and same
            else at.now.replace(microsecond=0),
            "observed_generation": at.generation,
        }
    )
