"""What a look at the world adds to the recorded status, before anything is decided.

Facts are folded in first and in one place, so that every rule reads them from the status and a
restarted operator, which reads the same status, decides the same.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from canary_operator.domain.judge import Judged, judge
from canary_operator.domain.loans import loans_of, with_loans
from canary_operator.domain.phase import IN_STEPS, ON_TRIAL, UNDER_WAY, Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.scaling import load_seen
from canary_operator.domain.situation import CheckResult, Situation
from canary_operator.domain.status import CheckRecord, Verdict, WorkloadRecord, verdict_of
from canary_operator.domain.steps import asks_a_person, step_index, step_is_done

PROGRESS_GRAIN = 10
"""More pods are recorded as progress at most this often in one progress deadline: each record
costs a write, and a canary of a hundred pods would otherwise cost a hundred."""

HOLD_GRAIN = timedelta(seconds=1)
"""How precisely the beginning of a hold is recorded while the router lacks the weight. Each record
costs a write, whose echo is the next look."""


def take_in(at: Situation) -> Situation:
    """Return the situation with everything that was observed recorded in its status."""
    for fact in FACTS:
        at = fact(at)
    return at


def with_status(at: Situation, **changes: Any) -> Situation:
    """Return `at` with some fields of its status changed."""
    return replace(at, status=at.status.model_copy(update=changes))


def with_attempt(at: Situation, **changes: Any) -> Situation:
    """Return `at` with some fields of its attempt changed."""
    return with_status(at, attempt=at.attempt.model_copy(update=changes))


def forget_rejection_of_another(at: Situation) -> Situation:
    """A rejection ends as soon as another revision is wanted."""
    if at.status.rejected_revision not in {None, at.wanted_revision}:
        return with_status(at, rejected_revision=None)
    return at


def note_removed_request(at: Situation) -> Situation:
    """Once the annotation was seen to be gone, the same words are a new request."""
    last = at.status.last_request
    if last and not last.removed and at.request is None:
        return with_status(at, last_request=last.model_copy(update={"removed": True}))
    return at


def note_loans(at: Situation) -> Situation:
    """What is borrowed is recorded before it is changed, and until it was given back."""
    borrowed = with_loans(at.status.borrowed or (), loans_of(at.spec))
    return with_status(at, borrowed=borrowed) if borrowed else at


def give_back_missed_traffic(at: Situation) -> Situation:
    """A share that the router did not take back at the end of a rollout is nobody's any more."""
    if at.status.phase is Phase.STABLE and at.weight > 0:
        return with_status(at, weight=0, traffic_off_at=at.now)
    return at


def note_traffic_beside_the_weight(at: Situation) -> Situation:
    """What somebody gives a canary that has no share is taken now: its pods drain from now on."""
    given = at.weight == 0 and at.gets_requests and at.canary.pods > 0
    return with_status(at, traffic_off_at=at.now) if given else at


def restart_hold_after_drift(at: Situation) -> Situation:
    """A weight that was not in force cannot have been measured: its stay begins again."""
    recorded, told = at.status.weight_applied_at, at.route.weight
    if at.status.phase not in ON_TRIAL or recorded is None or at.weight in {0, told}:
        return at
    if at.now - recorded < HOLD_GRAIN:
        return at  # a router that cannot be told would have it recorded at every look
    at = with_status(at, weight_applied_at=at.now)
    return with_attempt(at, hold_started_at=at.now, last_check=None, step_passed_at=None)


def note_broken_route(at: Situation) -> Situation:
    """A broken route is no fault of the canary: the deadline moves by the time until it is mended.

    What it left the canary against our will was no stay; that begins when it is mended. And where
    the canary was to have nothing, what it may have had nevertheless is over now.
    """
    since, progressed = at.attempt.route_broken_since, at.status.progressed_at
    if at.status.phase not in UNDER_WAY or at.route.broken == (since is not None):
        return at
    at = with_attempt(at, route_broken_since=at.now if at.route.broken else None)
    if since is None:
        return at
    paused = at.attempt.paused_at if at.status.phase is Phase.PAUSED else None
    until = max(since, paused or at.now)  # the pause adds the rest when it ends
    if progressed is not None:
        at = with_status(at, progressed_at=min(at.now, progressed + (until - since)))
    if at.weight == 0:
        return with_status(at, traffic_off_at=at.now) if at.canary.pods > 0 else at
    at = with_status(at, weight_applied_at=at.now)
    return with_attempt(at, hold_started_at=at.now, last_check=None, step_passed_at=None)


def follow_edited_steps(at: Situation) -> Situation:
    """Find the present step again in a strategy that was edited."""
    if at.status.phase not in IN_STEPS:
        return at
    index = step_index(at)
    at = at if index == at.status.step else with_attempt(at, step_passed_at=None)
    return with_status(at, step=index)


def note_capacity(at: Situation) -> Situation:
    """Remember since when pods are missing, and when more are available than ever."""
    available = at.canary_available
    if at.status.phase not in ON_TRIAL or available is None:
        return at
    short = available < pods_to_keep(at)
    since = at.attempt.short_of_pods_since
    if short != (since is not None):
        at = with_attempt(at, short_of_pods_since=at.now if short else None)
    at = at if short else _begin_stay_with_pods(at)
    return _note_progress(at, available)


def _begin_stay_with_pods(at: Situation) -> Situation:
    """Where pods are traffic, a share is there when its last pod is: its stay begins then.

    Only once for each raise: a canary whose pods come and go is judged all the same.
    """
    if not at.attempt.awaits_pods or at.status.phase not in IN_STEPS or at.weight == 0:
        return at
    at = with_status(at, weight_applied_at=at.now)
    begins = {"hold_started_at": at.now, "last_check": None, "step_passed_at": None}
    return with_attempt(at, **begins, awaits_pods=None)


def pods_to_keep(at: Situation) -> int:
    """Return the available pods below which the present weight is too much for the canary.

    A rise of `replicas` alone does not lower the weight: what was enough when the weight was
    raised stays enough.
    """
    return min(at.split.pods_at(at.weight), at.attempt.step_pods)


def _note_progress(at: Situation, available: int) -> Situation:
    more = available > at.attempt.peak_available
    latest = at.status.progressed_at
    grain = at.spec.strategy.progress_deadline / PROGRESS_GRAIN
    due = latest is None or at.now - latest >= grain
    if not (more and due and at.status.phase in IN_STEPS):
        return at
    at = with_status(at, progressed_at=at.now)
    return with_attempt(at, peak_available=available)


def note_check(at: Situation) -> Situation:
    """Record what the last check found, and those before it that could not be recorded."""
    for check in at.check.series if at.check is not None else ():
        at = _note_found(at, check)
    return at


def _note_found(at: Situation, check: CheckResult) -> Situation:
    """Record what one check found: a failed one is counted and starts the hold again."""
    status = at.status
    same_stay = (
        status.phase in ON_TRIAL
        and check.revision == status.canary_revision
        and check.weight_applied_at == status.weight_applied_at
        and not _is_recorded(at, check)
    )
    if not same_stay:
        return at
    judged = judge(at, check.readings)
    verdict = verdict_of(judged.judgements)
    before = at.attempt.last_check
    at = with_status(at, metrics=judged.judgements)
    at = with_attempt(
        at,
        last_check=CheckRecord(at=check.at, verdict=verdict, proven=_proven(judged)),
        evidence=judged.evidence,
        compared_until=judged.compared_until,
        requests_hurt=_added(at.attempt.requests_hurt, judged.hurt),
    )
    match verdict:
        case Verdict.FAIL:
            at = with_status(at, failed_checks=status.failed_checks + 1)
            undone = {"approved_step": None, "step_passed_at": None}
            return with_attempt(at, hold_started_at=at.now, **undone)
        case Verdict.PASS if _is_progress(at, before):
            return with_status(at, progressed_at=at.now)
        case _:
            return at


def _added(before: float | None, hurt: float | None) -> float | None:
    return before if hurt is None else round((before or 0) + hurt, 2)


def _proven(judged: Judged) -> bool | None:
    """Whether all pass and every comparison is a proof; absent where not."""
    deciding = [one for one in judged.judgements if not one.dry_run]
    passed = all(one.verdict is Verdict.PASS for one in deciding)
    reasons = [one.reason for one in deciding if one.odds is not None]
    proven = passed and reasons and all(one == Reason.NO_WORSE_THAN_STABLE for one in reasons)
    return True if proven else None


def _is_recorded(at: Situation, check: CheckResult) -> bool:
    last = at.attempt.last_check
    return last is not None and last.at >= check.at


def _is_progress(at: Situation, before: CheckRecord | None) -> bool:
    """Only the first pass after something else; else passes would hide pods that never come."""
    again = before is not None and before.verdict is Verdict.PASS
    return at.status.phase is not Phase.PROMOTING and not again


def note_workload(at: Situation) -> Situation:
    """Remember what the Deployment had that the pods are taken from, once stable replaced it.

    What it had is read from it until then, so that an autoscaler may act to the last. Where it had
    none, it is what stable has: no pods are no size of a rollout.
    """
    record, ref, seen = at.status.workload, at.spec.workload_ref, at.reference
    if ref is None or seen is None:
        return at
    if record is None or record.name != ref.name:
        serves = at.status.phase not in {None, Phase.INITIALIZING} and at.route.exists
        if not (serves and at.takes_place):
            return at
        replicas = seen.own_replicas or at.stable.replicas
        new = WorkloadRecord(name=seen.name, replicas=replicas, replaced_at=at.now)
        return _note_service(with_status(at, workload=new))
    if seen.replicas == 0 and record.scaled_down_at is None:
        at = with_status(at, workload=record.model_copy(update={"scaled_down_at": at.now}))
    return _note_service(at)


def _note_service(at: Situation) -> Situation:
    """Remember that a Service was taken over: when it is gone, nobody else knows it."""
    record, selector = at.status.workload, dict(at.service_selector)
    if record is None or not selector or record.service_selector == selector:
        return at
    return with_status(at, workload=record.model_copy(update={"service_selector": selector}))


def note_step_passed(at: Situation) -> Situation:
    """Remember that a step passed, where a person has the word from then on."""
    if at.status.phase not in IN_STEPS:
        return at
    before = at.attempt.step_passed_at
    if not asks_a_person(at):
        return at if before is None else with_attempt(at, step_passed_at=None)
    return with_attempt(at, step_passed_at=at.now) if before is None and step_is_done(at) else at


def note_load(at: Situation) -> Situation:
    """Remember the pods that the full load takes, where autoscalers tell."""
    seen = load_seen(at)
    return at if seen == at.status.full_load else with_status(at, full_load=seen)


FACTS: tuple[Callable[[Situation], Situation], ...] = (
    forget_rejection_of_another,
    note_removed_request,
    note_loans,
    give_back_missed_traffic,
    note_traffic_beside_the_weight,
    restart_hold_after_drift,
    note_broken_route,
    follow_edited_steps,
    note_capacity,
    note_check,
    note_workload,
    note_step_passed,
    note_load,
)
