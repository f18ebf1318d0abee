"""Events: what is worth telling a person, once, when it happens."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from canary_operator.domain.actions import (
    Action,
    Answer,
    FinishPromotion,
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
from canary_operator.domain.phase import ON_TRIAL, Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import Situation
from canary_operator.domain.status import Judgement, RolloutStatus, Verdict, verdict_of
from canary_operator.domain.words import pause_words, sentences, step_words


@dataclass(frozen=True, slots=True)
class Notice:
    """One Event."""

    type: Literal["Normal", "Warning"]
    reason: Reason
    message: str


def notices(before: Situation, action: Action | None, after: Situation) -> Iterator[Notice]:
    """Tell what changed from the recorded situation to the decided one."""
    yield from _problem(before, after)
    if after.wanted is not None:
        yield from _check(before, after)
        yield from _action(action, before, after)
        yield from _workload(before.status, after.status)


def refusal(given: Answer) -> Iterator[Notice]:
    """Tell why a person's request was refused."""
    if given.outcome == "Refused":
        yield Notice("Warning", Reason.REQUEST_REFUSED, given.message)


def _problem(before: Situation, after: Situation) -> Iterator[Notice]:
    problem = after.problem
    known = {(c.reason, c.message) for c in before.status.conditions if c.type == "Ready"}
    if problem is not None and (problem.reason, problem.message) not in known:
        yield Notice("Warning", problem.reason, problem.message)


def _check(before: Situation, after: Situation) -> Iterator[Notice]:
    """Tell of a check whose verdict is another than that of the one before."""
    judged = after.status.metrics
    if before.check is None or not judged or judged is before.status.metrics:
        return
    deciding = [m for m in judged if not m.dry_run]
    verdict, last = verdict_of(deciding), _last_verdict(before)
    text = sentences(m.message for m in deciding if m.verdict is verdict)
    if verdict is last:
        return
    if verdict is Verdict.FAIL:
        count, limit = after.status.failed_checks, after.spec.analysis.failure_limit
        words = f"{text} Failed checks: {count}; failureLimit tolerates {limit}."
        yield Notice("Warning", Reason.CHECK_FAILED, words)
    elif verdict is Verdict.INCONCLUSIVE and not _only_gathers(deciding):
        yield Notice("Warning", Reason.CHECK_INCONCLUSIVE, text)
    elif verdict is Verdict.PASS and last is not None and not _only_gathers(before.status.metrics):
        yield Notice("Normal", Reason.CHECK_PASSED, text)


def _last_verdict(before: Situation) -> Verdict | None:
    """Return what the check before said, also at another weight; None if it is the first."""
    return verdict_of(before.status.metrics) if before.status.metrics else None


def _only_gathers(metrics: Iterable[Judgement]) -> bool:
    """Whether a check did not pass for no other reason than that time has to pass."""
    unclear = [m.reason for m in metrics if m.verdict is not Verdict.PASS and not m.dry_run]
    return all(reason == Reason.GATHERING_EVIDENCE for reason in unclear)


def _action(  # noqa: C901 - one case per action
    action: Action | None, before: Situation, after: Situation
) -> Iterator[Notice]:
    status = after.status
    match action:
        case Initialize(revision):
            words = f"Revision {revision} comes up as the first stable one."
            yield Notice("Normal", Reason.INITIALIZING, words)
        case ServeStable():
            words = f"Revision {status.stable_revision} is available and serves everything."
            yield Notice("Normal", Reason.STABLE, words)
        case Start(revision):
            words = f"Revision {revision} is on trial against {status.stable_revision}."
            yield Notice("Normal", Reason.ROLLOUT_STARTED, words)
        case Raise() | Lower():
            yield _weight_changed(action, before, after)
        case Pause(reason):
            words = f"{step_words(after)}: {after.weight} %, {pause_words(after, reason)}"
            yield Notice("Normal", reason, words)
        case Resume():
            yield Notice("Normal", Reason.RESUMED, f"Going on at {after.weight} %.")
        case Promote():
            words = f"Rolling stable to revision {status.canary_revision}."
            yield Notice("Normal", Reason.PROMOTING, words)
        case FinishPromotion():
            yield Notice("Normal", Reason.PROMOTED, _promoted(before, status))
        case RollBack(_, reason, message):
            yield Notice("Warning", Reason.ROLLED_BACK, _rolled_back(before, reason, message))
        case Revert() if before.status.phase is not Phase.ROLLED_BACK:
            later = " when its route is mended" if before.route.share_is_astray else ""
            words = f"The stable template was applied again; all traffic goes to stable{later}."
            yield Notice("Normal", Reason.REVERTED, words)
        case _:
            pass


def _workload(before: RolloutStatus, after: RolloutStatus) -> Iterator[Notice]:
    """Tell that the Deployment that the pods are taken from has none of its own any more."""
    known = before.workload is not None and before.workload.scaled_down_at is not None
    record = after.workload
    if record is None or record.scaled_down_at is None or known:
        return
    words = (
        f"Stable serves in the place of Deployment {record.name}, which was scaled to 0. Deleting "
        f"the CanaryRollout scales it to {record.replicas} first."
    )
    yield Notice("Normal", Reason.WORKLOAD_REPLACED, words)


def _weight_changed(action: Raise | Lower, before: Situation, after: Situation) -> Notice:
    revision = before.status.canary_revision
    change = f"{before.weight} % → {after.weight} %"
    if isinstance(action, Raise):
        words = f"{step_words(after)}: revision {revision} {change}."
        return Notice("Normal", Reason.WEIGHT_CHANGED, words)
    if before.status.phase not in ON_TRIAL:  # the router had missed the end of the trial
        words = f"Revision {revision} has no traffic any more: {change}."
        return Notice("Normal", Reason.WEIGHT_CHANGED, words)
    if before.route.broken:
        words = f"The route of revision {revision} cannot be told a weight: {change}."
        return Notice("Warning", Reason.ROUTER_UNAVAILABLE, words)
    trouble = f" ({before.canary.hindrance})" if before.canary.hindrance else ""
    words = f"Too few pods of revision {revision} are available{trouble}: {change}."
    return Notice("Warning", Reason.CANARY_UNAVAILABLE, words)


def _promoted(before: Situation, status: RolloutStatus) -> str:
    new, old = status.stable_revision, before.status.stable_revision
    return f"Revision {new} is stable now; before it was {old}."


def _rolled_back(before: Situation, reason: Reason, message: str) -> str:
    revision, weight = before.status.canary_revision, before.weight
    return f"Revision {revision} was rolled back at {weight} %, {reason}: {message}"
