"""One tick's decision: facts, then the first rule with an opinion, then what follows from it."""

from dataclasses import dataclass, replace
from datetime import datetime

from canary_operator.domain.actions import Action, Answer, Hold
from canary_operator.domain.facts import take_in
from canary_operator.domain.notices import Notice, notices, refusal
from canary_operator.domain.phase import Phase
from canary_operator.domain.record import record, record_answer
from canary_operator.domain.report import report
from canary_operator.domain.rules import choose
from canary_operator.domain.situation import Situation
from canary_operator.domain.status import RolloutStatus
from canary_operator.domain.target import NOTHING, Target, target_of
from canary_operator.domain.wake import wake_at


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything that one tick has to do, as data."""

    action: Action
    status: RolloutStatus
    """To be recorded, where it differs from what is recorded."""
    target: Target
    """What the cluster should look like; only differences are written."""
    traffic_first: bool
    """Whether the router is told before anything is recorded: it takes traffic away."""
    notices: tuple[Notice, ...]
    remove_request: bool
    """Whether the request annotation has been answered in `status` and can go."""
    wake_at: datetime | None


def decide(at: Situation) -> Decision:
    """Return what to do now. Pure: the same situation gives the same decision."""
    seen = take_in(at) if at.wanted else at
    chosen = choose(seen) if at.wanted else None
    given = chosen if isinstance(chosen, Answer) else None
    action = (given.action if given else chosen) or Hold()
    if given:
        seen = replace(seen, status=record_answer(given, seen))
    assert not isinstance(action, Answer)  # noqa: S101 - for the type checker
    after = replace(seen, status=record(action, seen))
    status = _without_idle_counts(at.status, report(after), after)
    target = target_of(after) if at.wanted else NOTHING
    told = (*notices(at, action, after), *(refusal(given) if given else ()))
    return Decision(
        action=action,
        status=status,
        target=target,
        traffic_first=takes_traffic_away(at, target),
        notices=told,
        remove_request=_is_answered(at, status),
        wake_at=wake_at(after),
    )


def takes_traffic_away(at: Situation, target: Target) -> bool:
    """Whether the router must be told before the status is written.

    Raising is recorded before it is done, lowering is done before it is recorded, so that a crash
    in between leaves less traffic on the canary, never more. The mark of a rollback goes with the
    lowering, and is taken away while the weight is still 0: also where a route of somebody else
    was taken away and only the mark is left. Where the router's weight cannot be read, whatever is
    more than was recorded is a raise.
    """
    if target.route is None:
        return False
    told, wanted = at.route.weight, target.route.weight
    if not at.route.exists:
        return wanted == 0 and at.route.rejected not in {None, target.route.rejected}
    if told is None:
        return wanted <= at.weight
    return wanted < told or (wanted == told and target.route.rejected != at.route.rejected)


def _is_answered(at: Situation, status: RolloutStatus) -> bool:
    last = status.last_request
    return at.request is not None and last is not None and last.value == at.request.value


_RESTING = frozenset({Phase.STABLE, Phase.ROLLED_BACK})


def _without_idle_counts(
    before: RolloutStatus, after: RolloutStatus, at: Situation
) -> RolloutStatus:
    """Pod counts alone are no reason to write while pods come and go; they ride along."""
    old = {"replicas": before.replicas, "ready_replicas": before.ready_replicas}
    calm = after.model_copy(update=old)
    rests = after.phase in _RESTING and not _follows_autoscaler(before, after, at)
    return calm if calm == before and not rests else after


def _follows_autoscaler(before: RolloutStatus, after: RolloutStatus, at: Situation) -> bool:
    """Whether stable is on its way to the pods that its autoscaler wants, and none was lost."""
    if at.wanted is None or at.spec.autoscaling is None:
        return False
    stable, wish = at.stable, at.stable.replicas
    if stable.current and stable.pods == stable.ready == wish:
        return False
    lost = (after.ready_replicas or 0) < (before.ready_replicas or 0) and stable.ready < wish
    return not lost
