"""Deliberate damage to the engine: each has to be found within the budget of every change.

An invariant that finds nothing wrong with a wrong engine protects nobody.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from canary_operator.domain import decide, record, rules, steps, target
from canary_operator.domain.actions import FinishPromotion
from canary_operator.domain.decide import Decision
from canary_operator.domain.errors import ConflictError
from canary_operator.domain.phase import Phase
from canary_operator.domain.situation import Situation
from canary_operator.domain.status import RolloutStatus
from canary_operator.domain.target import RouteTarget, TrackTarget
from canary_operator.engine import apply, tick
from canary_operator.ports import Ports, Rollout
from tests.histories.machine import Histories
from tests.histories.sabotaging import check_found

pytestmark = pytest.mark.timeout(600)

Patch = pytest.MonkeyPatch


def without(patch: Patch, phases: Sequence[Phase], *names: str) -> None:
    """Take rules out of the lists of some phases."""
    changed = dict(rules.RULES)
    for phase in phases:
        changed[phase] = tuple(rule for rule in rules.RULES[phase] if rule.__name__ not in names)
        assert changed[phase] != rules.RULES[phase]
    patch.setattr(rules, "RULES", changed)


CLIMB = (Phase.PROGRESSING, Phase.PAUSED)


def raise_before_recording(patch: Patch) -> None:
    patch.setattr(decide, "takes_traffic_away", lambda at, target: at.route.exists)


def record_before_lowering(patch: Patch) -> None:
    patch.setattr(decide, "takes_traffic_away", lambda at, target: False)


def forget_the_mark_of_a_rollback(patch: Patch) -> None:
    route = target._route

    def unmarked(at: Situation) -> RouteTarget | None:
        found = route(at)
        return found and RouteTarget(found.weight)

    patch.setattr(target, "_route", unmarked)


def ignore_the_mark_of_a_rollback(patch: Patch) -> None:
    without(patch, CLIMB, "finish_recorded_rollback")


def raise_without_a_pass(patch: Patch) -> None:
    patch.setattr(steps, "last_check_passed", lambda at: True)


def raise_before_the_hold_is_over(patch: Patch) -> None:
    patch.setattr(steps, "hold_is_over", lambda at: True)


def raise_without_capacity(patch: Patch) -> None:
    patch.setattr(rules, "pods_before_raise", lambda at, weight: 0)


def keep_traffic_without_pods(patch: Patch) -> None:
    without(patch, CLIMB, "stop_traffic_without_pods", "shed_weight_to_capacity")


def ignore_conflicts(patch: Patch) -> None:
    record_status = apply._record

    async def careless(status: RolloutStatus, rollout: Rollout, ports: Ports) -> bool:
        try:
            return await record_status(status, rollout, ports)
        except ConflictError:
            return False

    patch.setattr(apply, "_record", careless)


def finish_a_promotion_early(patch: Patch) -> None:
    def early(at: Situation) -> Any:
        return FinishPromotion() if at.stable.updated > 0 else None

    changed = {**rules.RULES, Phase.PROMOTING: (early, *rules.RULES[Phase.PROMOTING])}
    patch.setattr(rules, "RULES", changed)


def scale_stable_down_for_the_canary(patch: Patch) -> None:
    stable = target._stable

    def fewer(at: Situation) -> TrackTarget | None:
        found = stable(at)
        share = at.canary.available if at.weight else 0
        return found and replace(found, replicas=max(0, found.replicas - share))

    patch.setattr(target, "_stable", fewer)


def forget_what_was_rejected(patch: Patch) -> None:
    moved = record._finish_roll_back

    def forgetful(at: Situation) -> RolloutStatus:
        return moved(at).model_copy(update={"rejected_revision": None, "phase": Phase.STABLE})

    patch.setattr(record, "_finish_roll_back", forgetful)


def start_over_an_old_mark(patch: Patch) -> None:
    def stubborn(decision: Decision, at: Situation, error: Exception) -> Decision:
        kept = {"weight": at.weight, "traffic_off_at": at.status.traffic_off_at}
        return replace(decision, status=decision.status.model_copy(update=kept))

    patch.setattr(apply, "what_is_left", stubborn)


def disobey_an_abort(patch: Patch) -> None:
    without(patch, [*CLIMB, Phase.PROMOTING], "obey_abort", "answer")


def never_wake_for_deadlines(patch: Patch) -> None:
    following = tick.Ticker._next

    def asleep(*args: Any) -> tick.Next:
        return replace(following(*args), at=None)

    patch.setattr(tick.Ticker, "_next", asleep)


def let_silence_end_a_wait(patch: Patch) -> None:
    patch.setattr(steps, "_waits_for_a_person", steps.step_is_done)


def promote_without_the_word_of_a_person(patch: Patch) -> None:
    patch.setattr(rules, "awaits_promotion", lambda at: False)
    patch.setattr(steps, "awaits_promotion", lambda at: False)


SABOTAGES: Sequence[tuple[Callable[[Patch], None], set[str]]] = (
    (raise_before_recording, {"I2", "rest"}),
    (record_before_lowering, {"I3", "rest"}),
    (forget_the_mark_of_a_rollback, {"I3", "cause"}),
    (ignore_the_mark_of_a_rollback, {"I5"}),
    (raise_without_a_pass, {"I2", "I4", "rest"}),
    (raise_before_the_hold_is_over, {"I2", "I4"}),
    (raise_without_capacity, {"I2"}),
    (keep_traffic_without_pods, {"I2"}),
    (ignore_conflicts, {"I1", "I2", "I3", "I4", "I5", "rest"}),
    (finish_a_promotion_early, {"I4"}),
    (scale_stable_down_for_the_canary, {"I4"}),
    (forget_what_was_rejected, {"I5"}),
    (start_over_an_old_mark, {"cause", "I5"}),
    (disobey_an_abort, {"I3"}),
    (never_wake_for_deadlines, {"rest"}),
    (let_silence_end_a_wait, {"cause"}),
    (promote_without_the_word_of_a_person, {"I4"}),
)


HARD_TO_FIND = (keep_traffic_without_pods, ignore_conflicts, let_silence_end_a_wait)
"""What takes hundreds of histories, and so more than ten seconds."""


def case(sabotage: Callable[[Patch], None], broken: set[str]) -> Any:
    marks = pytest.mark.exhaustive if sabotage in HARD_TO_FIND else ()
    return pytest.param(sabotage, broken, id=sabotage.__name__, marks=marks)


@pytest.mark.parametrize(("sabotage", "broken"), [case(*one) for one in SABOTAGES])
def test_the_histories_find(
    sabotage: Callable[[Patch], None], broken: set[str], monkeypatch: Patch
) -> None:
    sabotage(monkeypatch)
    check_found(Histories, broken)
