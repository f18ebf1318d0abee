"""Where a rollout stands on its steps: held, passed, paused, overdue."""

from datetime import datetime, timedelta

from canary_operator.domain.looks import next_check_at
from canary_operator.domain.phase import IN_STEPS, ON_TRIAL, Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import Situation
from canary_operator.domain.spec import Step
from canary_operator.domain.status import Verdict

CAPACITY_PATIENCE = timedelta(seconds=30)
"""How long fewer pods than the weight needs are borne before the weight is lowered."""

PROXY_DELAY = timedelta(seconds=2)
"""How long proxies may take to follow a new weight; pods that lost their traffic live that long."""


def step_index(at: Situation) -> int:
    """Return the index of the present step in the spec in force.

    The recorded index holds while its weight is what was reached. After an edit of the steps it
    is the last step at or below the weight that was reached, so that the next higher one follows.
    """
    steps, recorded = at.steps, at.status.step or 0
    reached = at.attempt.step_weight
    if reached == 0:
        return 0
    if recorded < len(steps) and steps[recorded].weight == reached:
        return recorded
    below = [index for index, step in enumerate(steps) if step.weight <= reached]
    return below[-1] if below else 0


def present_step(at: Situation) -> Step:
    """Return the step that the rollout is at, or, before the first raise, the one it heads for."""
    return at.steps[step_index(at)]


def next_step(at: Situation) -> tuple[int, Step] | None:
    """Return index and step of the next raise; None when every step was reached."""
    steps, reached = at.steps, at.attempt.step_weight
    index = step_index(at)
    if steps[index].weight > reached:  # nothing was reached yet, or the steps were edited
        return index, steps[index]
    following = index + 1
    return (following, steps[following]) if following < len(steps) else None


def hold_ends_at(at: Situation) -> datetime | None:
    """Return when the present step was held long enough; None before its weight is in force."""
    started = at.attempt.hold_started_at
    return None if started is None else started + present_step(at).hold


def hold_is_over(at: Situation) -> bool:
    """Whether the present weight was held for as long as its step asks."""
    ends = hold_ends_at(at)
    return ends is not None and at.now >= ends


def health_is_proven(at: Situation) -> bool:
    """Whether the hold may end early: the canary is proven healthy, and the spec says so."""
    terms, last = at.spec.analysis.comparison, at.attempt.last_check
    early = terms is not None and terms.healthy.advance_early
    return early and last is not None and bool(last.proven)


def last_check_passed(at: Situation) -> bool:
    """Whether the latest check at the present weight passed; no check is no pass."""
    last = at.attempt.last_check
    return last is not None and last.verdict is Verdict.PASS


def full_weight(at: Situation) -> bool:
    """Whether the canary has the weight of the step it reached, so none was taken away."""
    return 0 < at.weight == at.attempt.step_weight


def step_is_done(at: Situation) -> bool:
    """Whether the present step was held and passed, with the pods that it needs."""
    whole = full_weight(at) and at.attempt.short_of_pods_since is None
    held = hold_is_over(at) or health_is_proven(at)
    return whole and held and last_check_passed(at)


def asks_a_person(at: Situation) -> bool:
    """Whether a person has the word once the present step is done."""
    approved = at.attempt.approved_step == step_index(at)
    return _is_promoted_by_hand(at) or (present_step(at).approval and not approved)


def _is_promoted_by_hand(at: Situation) -> bool:
    return at.spec.strategy.promotion == "Manual" and next_step(at) is None


def _waits_for_a_person(at: Situation) -> bool:
    """Whether the present step is done, or was: a night without requests does not end the wait."""
    whole = full_weight(at) and at.attempt.short_of_pods_since is None
    return step_is_done(at) or (whole and at.attempt.step_passed_at is not None)


def pause_reason(at: Situation) -> Reason | None:
    """Return what stops raises, strongest first; None where nothing does."""
    if at.status.phase not in IN_STEPS:
        return None
    if at.attempt.paused_by_request:
        return Reason.PAUSED_BY_REQUEST
    if at.spec.paused:
        return Reason.PAUSED_BY_SPEC
    if awaits_promotion(at):
        return Reason.PROMOTION_REQUIRED
    return Reason.APPROVAL_REQUIRED if awaits_approval(at) else None


def awaits_promotion(at: Situation) -> bool:
    """Whether every step is done, and a person has the last word."""
    return _is_promoted_by_hand(at) and _waits_for_a_person(at)


def awaits_approval(at: Situation) -> bool:
    """Whether the present step is done but for the word of a person.

    After the last step of a rollout that is promoted by hand, the request to promote says it all.
    """
    asked = asks_a_person(at) and not _is_promoted_by_hand(at)
    return asked and _waits_for_a_person(at)


def next_raise(at: Situation) -> tuple[int, int] | None:
    """Return step index and weight of the raise that only needs pods now; None if there is none."""
    if at.weight < at.attempt.step_weight:  # pods were missing
        return _way_back(at)
    first = at.attempt.step_weight == 0
    following = next_step(at)
    if following is None or not (first or step_is_done(at)):
        return None
    return following[0], following[1].weight


def _way_back(at: Situation) -> tuple[int, int] | None:
    """Return the raise to what was reached, as far as the steps still have it.

    Where edited steps begin above that, to the first of them: it asks for pods only. Where pods are
    traffic, `replicas` moves the shares of steps, so what is past the first one is kept to what was
    earned; None where a single pod is more than that.
    """
    weight, reached = present_step(at).weight, at.attempt.step_weight
    if at.split.pods_are_traffic and not at.attempt.in_first_step:
        weight = min(weight, reached)
    return (step_index(at), weight) if at.split.share(weight) <= weight else None


def is_kept_out(at: Situation) -> bool:
    """Whether the canary gets nothing as a single pod would get more than was earned."""
    return at.weight < at.attempt.step_weight and next_raise(at) is None


def share_of_one(at: Situation) -> str:
    """Return why a single canary pod is too much, in words."""
    return (
        f"a single canary pod beside {at.spec.replicas} of stable gets {at.split.share(1)} %, "
        f"more than the {at.attempt.step_weight} % that were reached"
    )


def pods_ahead(at: Situation) -> int:
    """Return the canary pods that the present weight, or the next raise if due, needs."""
    coming = next_raise(at)
    if at.split.pods_are_traffic:
        return pods_now(at) if at.weight or coming is None else at.split.pods_for(coming[1])
    weights = [at.weight, at.attempt.step_weight, coming[1] if coming else 0]
    return at.split.pods_for(max(weights))


def pods_before_raise(at: Situation, weight: int) -> int:
    """Return the canary pods that must be available before the weight is raised to `weight`.

    0 where pods are traffic and get some already: then further pods are the raise.
    """
    grows = at.split.pods_are_traffic and at.weight > 0
    return 0 if grows else at.split.pods_for(weight)


def pods_now(at: Situation) -> int:
    """Return the canary pods that are the share of the present weight, where pods are traffic.

    More than at the raise, since `replicas` rose, come when stable's do: before, they would be a
    larger share.
    """
    pods, before = at.split.pods_at(at.weight), at.attempt.step_pods
    if pods > before and at.stable.available < at.spec.replicas:
        return min(pods, max(before, at.canary.replicas))
    return pods


def pods_of_next_raise(at: Situation) -> int:
    """Return the canary pods that the next raise will need, whenever it comes."""
    following = next_step(at)
    weight = following[1].weight if following else at.attempt.step_weight
    return at.split.pods_for(weight)


_ON_THE_CLOCK = frozenset({Phase.INITIALIZING, Phase.PROGRESSING, Phase.PROMOTING})


def deadline_at(at: Situation) -> datetime | None:
    """Return when the rollout fails for want of progress; None while the clock is stopped.

    A hold stops the clock, so it is added; a pause stops it until it ends.
    """
    status = at.status
    if status.progressed_at is None or status.phase not in _ON_THE_CLOCK:
        return None
    held = full_weight(at) and status.phase is Phase.PROGRESSING
    hold = present_step(at).hold if held else timedelta()
    deadline = status.progressed_at + hold + at.spec.strategy.progress_deadline
    deadline = max(deadline, _first_check_by(at, deadline) or deadline)
    if guarded_since(at) is None:
        return deadline
    until = guarded_until(at)  # the guardrail has a limit of its own
    look = at.spec.analysis.interval  # the next look says whether it is over
    return None if until is None else max(deadline, until + look)


def _first_check_by(at: Situation, deadline: datetime) -> datetime | None:
    """Return by when the first check of this weight is made: nothing can be told before.

    None for a stay that began after the deadline, or one that begins again and again never ended.
    """
    due, began = next_check_at(at), at.status.weight_applied_at
    waits = at.status.phase is Phase.PROGRESSING and at.attempt.last_check is None
    in_time = began is not None and began <= deadline
    return due + at.spec.analysis.interval if waits and in_time and due is not None else None


def guarded_since(at: Situation) -> datetime | None:
    """Return since when both versions fail, so that a shared cause is suspected; None if not."""
    terms = at.spec.analysis.comparison
    if terms is None or at.status.phase not in ON_TRIAL:
        return None
    deciding = {check.name for check in at.spec.analysis.metrics if not check.dry_run}
    since = (one.both_bad_since for one in at.attempt.evidence if one.name in deciding)
    return min((moment for moment in since if moment is not None), default=None)


def both_seen_bad_at(at: Situation) -> datetime | None:
    """Return when both versions were seen to fail last, while that is not over; None if it is."""
    seen = (one.both_bad_at for one in at.attempt.evidence if one.both_bad_since is not None)
    latest = max((moment for moment in seen if moment is not None), default=None)
    return latest if guarded_since(at) is not None else None


def guarded_until(at: Situation) -> datetime | None:
    """Return when both versions have failed for too long; None where that does not end."""
    terms, since = at.spec.analysis.comparison, guarded_since(at)
    if terms is None or since is None or terms.guardrail.then == "Wait":
        return None
    return since + terms.guardrail.max_hold


def is_overdue(at: Situation) -> bool:
    """Whether the progress deadline passed."""
    deadline = deadline_at(at)
    return deadline is not None and at.now >= deadline


def scale_down_at(at: Situation) -> datetime | None:
    """Return when canary pods without traffic may stop; None where they may at once."""
    off = at.status.traffic_off_at
    return None if off is None else off + at.spec.strategy.scale_down_delay


def traffic_drained(at: Situation) -> bool:
    """Whether proxies had the time to follow the loss of the canary's traffic."""
    off = at.status.traffic_off_at
    return off is None or at.now >= off + PROXY_DELAY
