"""Rules that end a rollout by themselves: failed checks, proven harm, outages, deadlines.

A rule looks at the situation and returns a rollback, or None for "not my case"; `rules.py` has the
order.
"""

from canary_operator.domain.actions import RollBack
from canary_operator.domain.phase import Trigger
from canary_operator.domain.reasons import Reason
from canary_operator.domain.scaling import stable_pods
from canary_operator.domain.situation import Situation
from canary_operator.domain.status import Judgement, Verdict
from canary_operator.domain.steps import (
    both_seen_bad_at,
    full_weight,
    guarded_since,
    guarded_until,
    hold_ends_at,
    is_kept_out,
    is_overdue,
    last_check_passed,
    pods_ahead,
    share_of_one,
)
from canary_operator.domain.words import sentences


def roll_back_on_failed_checks(at: Situation) -> RollBack | None:
    """More failed checks than the spec tolerates end the rollout."""
    if at.status.failed_checks <= at.spec.analysis.failure_limit:
        return None
    failed = [m.message for m in at.status.metrics if m.verdict is Verdict.FAIL and not m.dry_run]
    count, limit = at.status.failed_checks, at.spec.analysis.failure_limit
    message = sentences(
        [f"{count} failed checks, more than the {limit} that failureLimit tolerates", *failed]
    )
    return RollBack(Trigger.FAILED, Reason.ANALYSIS_FAILED, message)


def roll_back_on_proven_harm(at: Situation) -> RollBack | None:
    """Odds that chance does not explain end the rollout; their risk is bounded by itself."""
    worse = [m.message for m in at.status.metrics if _says(m, Reason.WORSE_THAN_STABLE)]
    if not worse:
        return None
    return RollBack(Trigger.FAILED, Reason.WORSE_THAN_STABLE, sentences(worse))


def roll_back_when_both_fail_for_long(at: Situation) -> RollBack | None:
    """A shared cause that does not go away may be the canary after all.

    Both have to be seen failing at the end as well; silence since then is for the deadline.
    """
    until, seen = guarded_until(at), both_seen_bad_at(at)
    if until is None or seen is None or seen < until:
        return None
    bad = [m.message for m in at.status.metrics if _says(m, Reason.SHARED_CAUSE_SUSPECTED)]
    message = sentences(["Both versions failed for longer than guardrail.maxHold", *bad])
    return RollBack(Trigger.FAILED, Reason.SHARED_CAUSE_SUSPECTED, message)


def roll_back_on_insufficient_data(at: Situation) -> RollBack | None:
    """Some users prefer no new version to one that is proven neither good nor bad.

    A Prometheus that is away proves nothing about the traffic; the deadline is for that.
    """
    terms, last = at.spec.analysis.comparison, at.attempt.last_check
    asked = terms is not None and terms.on_insufficient_data == "Rollback"
    ends = hold_ends_at(at)
    if not asked or not full_weight(at) or last is None or ends is None or last.at < ends:
        return None
    few = (Reason.GATHERING_EVIDENCE, Reason.TOO_FEW_REQUESTS, Reason.ROUTING_NOT_OBSERVED)
    unclear = [m.message for m in at.status.metrics if any(_says(m, reason) for reason in few)]
    if last.verdict is not Verdict.INCONCLUSIVE or not unclear:
        return None
    message = sentences(["The hold is over and onInsufficientData is Rollback", *unclear])
    return RollBack(Trigger.FAILED, Reason.NO_DATA, message)


def _says(judgement: Judgement, reason: Reason) -> bool:
    return judgement.reason == reason and not judgement.dry_run


def roll_back_past_deadline(at: Situation) -> RollBack | None:
    """A stuck canary must not keep its traffic.

    A router that cannot be told is no fault of the canary, and its condition says so.
    """
    if not is_overdue(at) or not at.route.can_be_raised:
        return None
    short = (at.canary_available or 0) < pods_ahead(at)
    if short or not full_weight(at) or last_check_passed(at):
        message = sentences([share_of_one(at)]) if is_kept_out(at) else _missing_pods(at)
        return RollBack(Trigger.FAILED, Reason.PROGRESS_DEADLINE_EXCEEDED, message)
    metrics = [m for m in at.status.metrics if not m.dry_run]
    unclear = [m.message for m in metrics if m.verdict is not Verdict.PASS]
    message = sentences(["No check could tell how the canary behaves", *unclear])
    return RollBack(Trigger.FAILED, Reason.NO_DATA, message)


def _missing_pods(at: Situation) -> str:
    trouble = f": {at.canary.hindrance}" if at.canary.hindrance else ""
    needed = pods_ahead(at)
    return f"{at.canary_available or 0} of {needed} canary pods became available{trouble}."


def roll_back_when_stable_does_not_come_up(at: Situation) -> RollBack | None:
    """A promotion that stable's pods do not follow is undone."""
    if not is_overdue(at):
        return None
    if guarded_since(at) and at.stable.serves(at.status.canary_revision, stable_pods(at)):
        message = (
            "Both versions failed while promoting, and no request since then says that it ended."
        )
        return RollBack(Trigger.FAILED, Reason.SHARED_CAUSE_SUSPECTED, message)
    trouble = f": {at.stable.hindrance}" if at.stable.hindrance else ""
    message = (
        f"Stable did not come up with the new template: {at.stable.available} of "
        f"{stable_pods(at)} pods are available, {at.stable.updated} are updated{trouble}."
    )
    return RollBack(Trigger.FAILED, Reason.PROGRESS_DEADLINE_EXCEEDED, message)
