"""What is left of a decision where the router, told first, did not take it.

Nothing was taken from the canary then, so the record keeps its share, and its pods stay with it.
"""

from dataclasses import replace
from typing import Any

from canary_operator.domain.actions import Hold, Lower, Start
from canary_operator.domain.decide import Decision
from canary_operator.domain.errors import InvalidRolloutError, SurroundingsError
from canary_operator.domain.facts import take_in, with_status
from canary_operator.domain.notices import notices
from canary_operator.domain.phase import IN_STEPS, ON_TRIAL, Phase
from canary_operator.domain.report import report
from canary_operator.domain.situation import Problem, Situation
from canary_operator.domain.status import RolloutStatus
from canary_operator.domain.target import target_of


def what_is_left(
    decision: Decision, at: Situation, error: InvalidRolloutError | SurroundingsError
) -> Decision:
    """Return what is recorded and made of a decision that the router did not take.

    Args:
        decision: What was decided, as if all traffic went to stable.
        at: What it was decided from.
        error: What kept the router from it.
    """
    status, kept = decision.status, _share_of(at, decision.status.phase)
    marked = status.phase in IN_STEPS and status.canary_revision == at.route.rejected
    if marked or isinstance(decision.action, Start):
        # What begins now would be ended at once by the mark of its rejection, or have requests for
        # its first share that are for the canary before.
        problem = Problem.quoted(error.reason, error.message, heals=True)
        # What was seen is recorded all the same: a check that is not would be made again at once.
        before = report(with_status(take_in(replace(at, problem=problem)), **kept))
        told = tuple(notices(at, Hold(), replace(at, status=before, problem=problem)))
        held = replace(decision, action=Hold(), notices=told, remove_request=False)
        return _with_status(held, at, before)
    status = status.model_copy(update=kept)
    if at.route.broken and isinstance(decision.action, Lower):
        decision, status = replace(decision, notices=()), _not_measured(status)
    return _with_status(decision, at, report(replace(at, status=status)))


def _share_of(at: Situation, phase: Phase | None) -> dict[str, Any]:
    """Return what is recorded of the canary's share: nothing of it was taken away.

    After a trial it may come to pods that drain; it is recorded, so that it ends for them, too.
    """
    after = phase is Phase.STABLE and at.canary.pods > 0
    given = min(at.route.weight or 0, 100) if after else 0
    return {"weight": at.weight or given, "traffic_off_at": at.status.traffic_off_at}


def _with_status(decision: Decision, at: Situation, status: RolloutStatus) -> Decision:
    """Record something else, and ask for the pods that go with it."""
    target = target_of(replace(at, status=status))
    return replace(decision, status=status, target=target)


def _not_measured(status: RolloutStatus) -> RolloutStatus:
    """Nothing is measured until a broken route is mended; its stay begins then."""
    if status.attempt is None or status.phase not in ON_TRIAL:
        return status
    attempt = status.attempt.model_copy(update={"hold_started_at": None})
    return status.model_copy(update={"attempt": attempt})
