"""Sentences for people: what happens, why, and what comes next."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime

from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.scaling import stable_pods
from canary_operator.domain.situation import SECOND_AUTOSCALER, Situation
from canary_operator.domain.status import Judgement, Verdict
from canary_operator.domain.steps import (
    full_weight,
    hold_ends_at,
    hold_is_over,
    is_kept_out,
    last_check_passed,
    next_raise,
    pause_reason,
    pods_ahead,
    share_of_one,
    step_index,
)

REQUEST_ANNOTATION = "canary-operator.dev/request"


def how_to(at: Situation, verb: str) -> str:
    """Return the command that makes a request."""
    return f"kubectl annotate cro/{at.name} {REQUEST_ANNOTATION}={verb}"


def message_of(at: Situation) -> str:
    """Return `status.message`: one sentence or two that stay true until the next event."""
    running = _MESSAGES[at.status.phase](at) if at.status.phase else ""
    if at.problem is None:
        return running
    calm = at.status.phase in {None, Phase.INITIALIZING, Phase.STABLE}
    more = [*([] if calm else [f"Meanwhile: {running}"]), *_waits_for_route(at)]
    return sentences([at.problem.message, *more]) if more else at.problem.message


def _waits_for_route(at: Situation) -> Iterator[str]:
    """Tell what does not begin while a broken route may send requests to canary pods."""
    wanted, status = at.wanted_revision, at.status
    known = {None, status.stable_revision, status.canary_revision, status.rejected_revision}
    if at.route.share_is_astray and wanted not in known:
        yield f"Revision {wanted} goes on trial when the route is mended."


def sentences(texts: Iterable[str]) -> str:
    """Join texts so that each ends where the next begins."""
    return " ".join(text if text.endswith((".", "!", "?")) else f"{text}." for text in texts)


def step_words(at: Situation) -> str:
    """Return where the rollout stands, for example `Step 2 of 3`."""
    return f"Step {step_index(at) + 1} of {len(at.spec.strategy.resolved_steps)}"


def _why(at: Situation) -> str:
    last = at.status.history[0] if at.status.history else None
    return sentences([(last.message or last.reason) if last else "for an unknown reason"])


def _trouble(text: str | None) -> str:
    return f" ({text})" if text else ""


def _initializing(at: Situation) -> str:
    pods, revision = stable_pods(at), at.status.stable_revision
    trouble = _trouble(at.stable.hindrance)
    return f"First revision {revision}: waiting for {pods} available {_pods(pods)}{trouble}."


def _stable(at: Situation) -> str:
    revision, next_one = at.status.stable_revision, goes_on_trial_next(at)
    if stable_is_available(at):
        then = f"; revision {next_one} goes on trial next" if next_one else ""
        stopped = at.stable.scaler is not None and at.stable.scaler.ambiguous
        but = f" It does not follow the load: {SECOND_AUTOSCALER}." if stopped else ""
        return f"Revision {revision} serves everything{then}.{but}"
    trouble, needed = _trouble(at.stable.hindrance), stable_pods(at)
    return f"Revision {revision} has fewer than {needed} available {_pods(needed)}{trouble}."


def stable_is_available(at: Situation) -> bool:
    """Whether stable has the pods that the spec asks for.

    What an autoscaler decides makes the counts speak of before for a moment, and no pod go.
    """
    if at.spec.autoscaling is not None and not at.stable.current:
        of_it = at.stable.revision == at.status.stable_revision
        return of_it and at.stable.available >= stable_pods(at)
    return at.stable.serves(at.status.stable_revision, stable_pods(at))


def goes_on_trial_next(at: Situation) -> str | None:
    """Return the revision that waited for the end of another rollout; None where there is none.

    It starts with the next tick. Until then stable serves, but it is not what the spec asks for,
    and a tool that looks in between must not take the rollout for done.
    """
    wanted = at.wanted_revision
    return None if wanted == at.status.stable_revision else wanted


def _progressing(at: Situation) -> str:
    said = _kept_out(at) if is_kept_out(at) else _progress(at)
    return f"{step_words(at)}: {said}{metrics_words(at.status.metrics)}"


def _kept_out(at: Situation) -> str:
    return f"{at.weight} %, as {share_of_one(at)}; raise spec.replicas"


def _progress(at: Situation) -> str:
    needed, trouble = pods_ahead(at), _trouble(at.canary.hindrance)
    coming = next_raise(at)
    if at.split.pods_are_traffic and at.attempt.short_of_pods_since and at.weight:
        return f"{at.weight} % as soon as {needed} canary {_pods(needed)} are available{trouble}"
    if not full_weight(at) and coming:
        return (
            f"{at.weight} %, waiting for {needed} available canary {_pods(needed)} "
            f"before {coming[1]} %{trouble}"
        )
    ends = hold_ends_at(at)
    if ends and not last_check_passed(at):  # stays as it is when the hold ends: that costs no write
        return f"{at.weight} %, held until {_clock(ends)} and until a check passes"
    if ends and not hold_is_over(at):
        return f"{at.weight} %, held until {_clock(ends)}"
    if coming:
        pods = f"{needed} canary {_pods(needed)}"
        return f"{at.weight} %, waiting for {pods} before {coming[1]} %{trouble}"
    return f"{at.weight} %, passed"


def _pods(count: int) -> str:
    return "pod" if count == 1 else "pods"


def _clock(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%H:%M:%SZ")


def metrics_words(metrics: tuple[Judgement, ...]) -> str:
    """Return the latest measurements as the end of a sentence."""
    deciding = [judgement for judgement in metrics if not judgement.dry_run]
    return "; " + "; ".join(map(_metric, deciding)) if deciding else ""


def _metric(judgement: Judgement) -> str:
    if judgement.verdict is Verdict.PASS and judgement.value:
        return f"{judgement.name} {judgement.value} {judgement.threshold}"
    return judgement.message or f"{judgement.name} {judgement.verdict.lower()}"


def pause_words(at: Situation, reason: Reason) -> str:
    """Return why raises are stopped and how they go on."""
    match reason:
        case Reason.APPROVAL_REQUIRED:
            return f"approval required. Approve with: {how_to(at, 'resume')}"
        case Reason.PROMOTION_REQUIRED:
            return (
                f"every step passed. Promote with: {how_to(at, 'promote')} "
                f"or take the canary back with: {how_to(at, 'abort')}"
            )
        case Reason.PAUSED_BY_SPEC:
            return "spec.paused is true. Set it to false to go on."
        case _:
            return f"paused by request. Go on with: {how_to(at, 'resume')}"


def _paused(at: Situation) -> str:
    reason = pause_reason(at) or Reason.PAUSED_BY_REQUEST
    return f"{step_words(at)}: {at.weight} %, {pause_words(at, reason)}"


def _rolling_back(at: Situation) -> str:
    if at.weight > 0 and at.stable.ready > 0:
        return f"Taking all traffic back to stable: {_why(at)}"
    if at.weight > 0:
        return (
            f"Stable has no ready pod, so the canary keeps {at.weight} % until it has; "
            f"then revision {at.status.rejected_revision} is rolled back: {_why(at)}"
        )
    if not at.stable.runs_only(at.status.stable_revision):
        return f"Setting stable back to revision {at.status.stable_revision}: {_why(at)}"
    return f"All traffic is on stable; the canary's pods drain. {_why(at)}"


def _promoting(at: Situation) -> str:
    return (
        f"Rolling stable to revision {at.status.canary_revision}; "
        f"the canary keeps {at.weight} % until stable is updated and available."
    )


def _rolled_back(at: Situation) -> str:
    return (
        f"Revision {at.status.rejected_revision} was rolled back: {_why(at)} "
        f"Stable {at.status.stable_revision} serves everything. Apply another version, "
        f"or try again with: {how_to(at, 'retry')}"
    )


_MESSAGES: Mapping[Phase, Callable[[Situation], str]] = {
    Phase.INITIALIZING: _initializing,
    Phase.STABLE: _stable,
    Phase.PROGRESSING: _progressing,
    Phase.PAUSED: _paused,
    Phase.PROMOTING: _promoting,
    Phase.ROLLING_BACK: _rolling_back,
    Phase.ROLLED_BACK: _rolled_back,
}
