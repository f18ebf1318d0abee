"""What becomes of a person's request; a refusal says what to do instead."""

from collections.abc import Callable, Mapping

from canary_operator.domain.actions import Answer, Lower, Promote, RollBack, Start
from canary_operator.domain.facts import pods_to_keep
from canary_operator.domain.foreign_text import LONGEST_MESSAGE, one_line
from canary_operator.domain.phase import IN_STEPS, ON_TRIAL, Phase, Trigger
from canary_operator.domain.reasons import Reason
from canary_operator.domain.requests import Request, Verb
from canary_operator.domain.situation import Situation
from canary_operator.domain.steps import awaits_approval, awaits_promotion


def open_request(at: Situation) -> Request | None:
    """Return the request that was not answered yet; an answered one only waits to be removed."""
    last = at.status.last_request
    answered = last is not None and not last.removed
    if at.request is None or (answered and last and last.value == at.request.value):
        return None
    return at.request


def answer(at: Situation) -> Answer | None:
    """Answer the open request, or return None where there is none."""
    request = open_request(at)
    if request is None:
        return None
    stale = _refuse_other_revision(at, request)
    if stale is not None:
        return stale
    if request.verb is None:
        known = ", ".join(Verb)
        return _refused(f"Unknown request {request.value!r}; known are: {known}.")
    return _ANSWERS[request.verb](at)


def wants_abort(at: Situation) -> bool:
    """Whether a person asks, for the canary at hand, to take it back."""
    request = open_request(at)
    return (
        request is not None
        and request.verb is Verb.ABORT
        and _refuse_other_revision(at, request) is None
    )


def _refused(message: str) -> Answer:
    return Answer("Refused", one_line(message, LONGEST_MESSAGE))


def _refuse_other_revision(at: Situation, request: Request) -> Answer | None:
    retry = request.verb is Verb.RETRY
    present = at.status.rejected_revision if retry else at.status.canary_revision
    if request.revision is None or request.verb is None or request.revision == present:
        return None
    kind = "rejected revision" if retry else "canary"
    now = f"the {kind} is {present}" if present else f"there is no {kind}"
    return _refused(
        f"The request names revision {request.revision}, but {now}. "
        "Look again and repeat the request for what you see."
    )


def _no_rollout(at: Situation, verb: Verb) -> Answer:
    phase = at.status.phase or "unknown"
    if verb is Verb.ABORT and at.status.phase is Phase.ROLLING_BACK:
        return _refused("Nothing to abort: it is rolled back already, all traffic is on stable.")
    return _refused(f"Nothing to {verb}: no canary is on its steps (phase {phase}).")


def _pause(at: Situation) -> Answer:
    if at.status.phase not in IN_STEPS:
        return _no_rollout(at, Verb.PAUSE)
    return Answer(
        "Accepted", f"Paused at {at.weight} %; go on with the request resume.", pause=True
    )


def _resume(at: Situation) -> Answer:
    if at.status.phase not in IN_STEPS:
        return _no_rollout(at, Verb.RESUME)
    if at.attempt.paused_by_request:
        return Answer("Accepted", "The pause by request ended.", pause=False)
    if at.spec.paused:
        return _refused("spec.paused is true; set it to false to go on.")
    if awaits_approval(at):
        return Answer("Accepted", f"The step at {at.weight} % is approved.", approve=True)
    if awaits_promotion(at):
        return _refused(
            "Every step passed, and spec.strategy.promotion is Manual: what follows is promote or "
            "abort."
        )
    return _refused("Nothing is paused, and the present step does not wait for an approval yet.")


def _promote(at: Situation) -> Answer:
    if at.status.phase not in IN_STEPS:
        return _no_rollout(at, Verb.PROMOTE)
    needed = max(1, pods_to_keep(at))
    available = at.canary_available or 0
    if available < needed:
        return _refused(
            f"{available} of {needed} canary pods are available; "
            "promote again when the canary is up."
        )
    return Answer(
        "Accepted",
        f"Promoting at {at.weight} %; remaining holds and checks are skipped.",
        Promote(Trigger.PROMOTE_REQUESTED),
    )


def abort(at: Situation) -> Answer:
    """Answer a request to take the canary back."""
    if at.status.phase is Phase.ROLLING_BACK and at.weight > 0:
        when = "when the route is mended" if at.route.share_is_astray else "now"
        return Answer("Accepted", f"All traffic goes to stable {when}.", Lower(0))
    if at.status.phase not in ON_TRIAL:
        return _no_rollout(at, Verb.ABORT)
    return Answer(
        "Accepted",
        "The canary is taken back.",
        RollBack(Trigger.ABORT_REQUESTED, Reason.ABORTED, "A person asked to abort."),
    )


def _retry(at: Situation) -> Answer:
    rejected = at.status.rejected_revision
    if at.status.phase is not Phase.ROLLED_BACK or rejected is None:
        under_way = at.status.phase is Phase.ROLLING_BACK
        return _refused(
            "The roll back is still under way; retry when the phase is RolledBack."
            if under_way
            else f"Nothing to retry: no revision is rolled back (phase {at.status.phase})."
        )
    if at.route.share_is_astray:
        return _refused("The route is broken, see the condition Ready; retry when it is mended.")
    return Answer(
        "Accepted",
        f"Revision {rejected} is tried again.",
        Start(rejected, Trigger.RETRY_REQUESTED),
    )


_ANSWERS: Mapping[Verb, Callable[[Situation], Answer]] = {
    Verb.PAUSE: _pause,
    Verb.RESUME: _resume,
    Verb.PROMOTE: _promote,
    Verb.ABORT: abort,
    Verb.RETRY: _retry,
}
