"""One known-good situation, one change per row, the behaviour as the name."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from canary_operator.domain.actions import (
    Action,
    Adopt,
    FinishPromotion,
    FinishRollBack,
    Hold,
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
from canary_operator.domain.counts import Count, Tracks, Traffic, View
from canary_operator.domain.decide import decide
from canary_operator.domain.phase import ON_TRIAL, TRANSITIONS, Phase, Trigger
from canary_operator.domain.readings import Readings, Seen
from canary_operator.domain.reasons import Reason
from canary_operator.domain.requests import parse_request
from canary_operator.domain.situation import (
    CheckResult,
    Problem,
    RouteState,
    Situation,
    TrackState,
)
from canary_operator.domain.status import (
    CheckRecord,
    HistoryEntry,
    Judgement,
    Outcome,
    RolloutStatus,
    Verdict,
)
from canary_operator.testing.builders import spec
from canary_operator.testing.situations import (
    CANARY,
    NOW,
    STABLE,
    at_rest,
    on_first_step,
    pods,
    wanted,
    with_attempt,
    with_status,
)

Change = Callable[[Situation], Situation]


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def having(**changes: Any) -> Change:
    return lambda at: replace(at, **changes)


def status(**changes: Any) -> Change:
    return lambda at: with_status(at, **changes)


def attempt(**changes: Any) -> Change:
    return lambda at: with_attempt(at, **changes)


def both(*changes: Change) -> Change:
    def change(at: Situation) -> Situation:
        for each in changes:
            at = each(at)
        return at

    return change


def ask(request: str) -> Change:
    return having(request=parse_request(request))


def counted(verdict: Verdict) -> Traffic:
    """Return counts that lead to `verdict`."""
    if verdict is Verdict.INCONCLUSIVE:
        return {}
    canary = Count(requests=100, bad=50 if verdict is Verdict.FAIL else 0)
    return {View.PODS: Tracks(stable=Count(requests=1000), canary=canary)}


def check(verdict: Verdict, **changes: Any) -> Change:
    def change(at: Situation) -> Situation:
        found = CheckResult(
            readings=Readings(NOW, Seen(seconds(5), counted(verdict))),
            revision=CANARY,
            weight_applied_at=at.status.weight_applied_at or NOW,
        )
        return replace(at, check=replace(found, **changes))

    return change


LATER = having(now=NOW + seconds(400))
NO_CHECK = attempt(last_check=None)
SLOW_CHECKS = wanted("v2", analysis=spec()["analysis"] | {"window": "10m"})
MORE_PODS = having(canary=pods(CANARY, 4))
STEPS_DONE = both(
    status(step=2, weight=50),
    attempt(step_weight=50, max_weight=50, step_pods=2),
    having(canary=pods(CANARY, 2), route=RouteState(exists=True, weight=50)),
)

CLIMBING = [
    pytest.param(having(), Raise(1, 20, 1), id="a pass after the hold raises to the next step"),
    pytest.param(
        having(now=NOW - seconds(6)), Hold(), id="a pass within the hold does not raise yet"
    ),
    pytest.param(NO_CHECK, Hold(), id="a hold that is over without a check raises nothing"),
    pytest.param(
        attempt(last_check=CheckRecord(at=NOW, verdict=Verdict.INCONCLUSIVE)),
        Hold(),
        id="an inconclusive check is no pass",
    ),
    pytest.param(check(Verdict.INCONCLUSIVE), Hold(), id="the latest check counts"),
    pytest.param(
        both(NO_CHECK, check(Verdict.PASS)), Raise(1, 20, 1), id="a fresh pass raises in its tick"
    ),
    pytest.param(
        both(NO_CHECK, check(Verdict.PASS, weight_applied_at=NOW - seconds(99))),
        Hold(),
        id="a check of another stay at a weight is dropped",
    ),
    pytest.param(
        both(NO_CHECK, check(Verdict.PASS, revision=STABLE)),
        Hold(),
        id="a check of another revision is dropped",
    ),
    pytest.param(having(wanted=wanted("v2", replicas=40)), Hold(), id="a raise waits for its pods"),
    pytest.param(
        having(canary=pods(CANARY, 1, current=False)),
        Hold(),
        id="counts that are not current raise nothing and lower nothing",
    ),
    pytest.param(having(canary=pods(CANARY, 1, available=0)), Lower(0), id="no pod, no traffic"),
    pytest.param(having(canary=TrackState()), Lower(0), id="no Deployment, no traffic"),
    pytest.param(
        both(
            attempt(step_pods=4, step_weight=50, short_of_pods_since=NOW - seconds(30)),
            status(step=2, weight=50),
            having(wanted=wanted("v2", replicas=8), route=RouteState(exists=True, weight=50)),
        ),
        Lower(5),
        id="pods that stay away for 30 s take their share with them",
    ),
    pytest.param(
        both(
            attempt(step_pods=4, step_weight=50, short_of_pods_since=NOW - seconds(29)),
            status(step=2, weight=50),
            having(wanted=wanted("v2", replicas=8), route=RouteState(exists=True, weight=50)),
        ),
        Hold(),
        id="pods that are away for 29 s are waited for",
    ),
    pytest.param(
        both(
            attempt(step_pods=4, step_weight=50, short_of_pods_since=NOW),
            status(step=2, weight=50),
            having(wanted=wanted("v2", replicas=8), route=RouteState(exists=True, weight=5)),
        ),
        Lower(5),
        id="a weight that the router does not have yet is not raised beyond the pods",
    ),
    pytest.param(
        both(
            attempt(step_weight=20, step_pods=1),
            status(step=1, weight=0),
            having(route=RouteState(exists=True, weight=0)),
        ),
        Raise(1, 20, 1),
        id="back up with capacity needs no second pass",
    ),
    pytest.param(
        both(attempt(step_weight=0), status(weight=0, weight_applied_at=None), NO_CHECK),
        Raise(0, 5, 1),
        id="the first step needs capacity only",
    ),
    pytest.param(
        both(
            attempt(step_weight=0),
            status(weight=0, weight_applied_at=None),
            having(route=RouteState()),
        ),
        Hold(),
        id="without a route there is nothing to raise",
    ),
    pytest.param(STEPS_DONE, Promote(Trigger.STEPS_PASSED), id="the last pass promotes"),
    pytest.param(
        having(wanted=wanted("v2", paused=True)),
        Pause(Reason.PAUSED_BY_SPEC),
        id="spec.paused stops raises",
    ),
    pytest.param(having(wanted=wanted("v1")), Revert(), id="the stable template again reverts"),
    pytest.param(
        having(wanted=wanted("v3")),
        Start(wanted("v3").revision, Trigger.NEW_REVISION),
        id="a newer template starts over",
    ),
    pytest.param(
        having(route=RouteState(exists=True, weight=0, rejected=CANARY)),
        RollBack(
            Trigger.FAILED,
            Reason.ROLLED_BACK,
            "The traffic had been taken back when the operator was interrupted.",
        ),
        id="the mark on the router's object outranks the status",
    ),
    pytest.param(
        having(route=RouteState(exists=True, weight=5, rejected=STABLE)),
        Raise(1, 20, 1),
        id="the mark of another revision means nothing",
    ),
    pytest.param(
        both(
            attempt(last_check=CheckRecord(at=NOW, verdict=Verdict.INCONCLUSIVE)),
            LATER,
            status(
                metrics=(Judgement(name="x", verdict=Verdict.INCONCLUSIVE, message="x: too few."),)
            ),
        ),
        RollBack(
            Trigger.FAILED,
            Reason.NO_DATA,
            "No check could tell how the canary behaves. x: too few.",
        ),
        id="a deadline of inconclusive checks is NoData",
    ),
    pytest.param(
        both(having(wanted=wanted("v2", replicas=40)), LATER),
        RollBack(
            Trigger.FAILED,
            Reason.PROGRESS_DEADLINE_EXCEEDED,
            "1 of 8 canary pods became available.",
        ),
        id="a deadline of missing pods says which",
    ),
    pytest.param(
        both(NO_CHECK, LATER, having(wanted=SLOW_CHECKS)),
        Hold(),
        id="a first check that comes after the deadline is waited for",
    ),
    pytest.param(
        both(
            NO_CHECK,
            LATER,
            having(wanted=SLOW_CHECKS),
            status(weight_applied_at=NOW + seconds(390)),
        ),
        RollBack(Trigger.FAILED, Reason.NO_DATA, "No check could tell how the canary behaves."),
        id="a stay that begins again and again is overdue all the same",
    ),
    pytest.param(LATER, Raise(1, 20, 1), id="what can go on now does, however late it is"),
    pytest.param(
        both(attempt(step_weight=0), status(weight=0), having(route=RouteState()), LATER),
        Hold(),
        id="the deadline does not run out on a router that is away",
    ),
    pytest.param(ask("pause"), Hold(), id="a pause stops the raise of the same tick"),
    pytest.param(ask("promote"), Promote(Trigger.PROMOTE_REQUESTED), id="promote skips the rest"),
    pytest.param(
        both(ask("promote"), having(canary=pods(CANARY, 1, current=False))),
        Hold(),
        id="promote needs pods that are known to be available",
    ),
    pytest.param(
        ask("abort"),
        RollBack(Trigger.ABORT_REQUESTED, Reason.ABORTED, "A person asked to abort."),
        id="abort is obeyed",
    ),
    pytest.param(
        both(ask("abort"), having(wanted=wanted("v3"))),
        RollBack(Trigger.ABORT_REQUESTED, Reason.ABORTED, "A person asked to abort."),
        id="abort comes before everything else",
    ),
    pytest.param(ask(f"abort/{STABLE}"), Hold(), id="an abort of another revision is refused"),
]


@pytest.mark.parametrize(("change", "expected"), CLIMBING)
def test_a_canary_on_its_first_step(change: Change, expected: Action) -> None:
    assert decide(change(on_first_step())).action == expected


def failed(count: int) -> Change:
    return status(
        failed_checks=count,
        metrics=(Judgement(name="x", verdict=Verdict.FAIL, message="x: 9 of 9 failed."),),
    )


@pytest.mark.parametrize(
    ("count", "rolled_back"), [(1, False), (2, True)], ids=["at the limit", "beyond the limit"]
)
def test_failed_checks_are_tolerated_up_to_the_limit(count: int, rolled_back: bool) -> None:
    decision = decide(failed(count)(on_first_step()))
    assert isinstance(decision.action, RollBack) is rolled_back


def test_a_failed_check_is_counted_starts_the_hold_again_and_withdraws_an_approval() -> None:
    at = check(Verdict.FAIL)(with_attempt(on_first_step(), approved_step=0))
    decision = decide(at)
    assert decision.status.failed_checks == 1
    assert decision.status.attempt is not None
    assert decision.status.attempt.hold_started_at == NOW
    assert decision.status.attempt.approved_step is None
    assert [notice.reason for notice in decision.notices] == [Reason.CHECK_FAILED]


AWAITING = replace(
    on_first_step(
        step_passed_at=NOW - seconds(60),
        last_check=CheckRecord(at=NOW - seconds(5), verdict=Verdict.INCONCLUSIVE),
    ),
    wanted=wanted("v2", strategy={"steps": [{"weight": 5}], "promotion": "Manual"}),
)
"""The last step passed once, and the latest check could not tell."""


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        pytest.param(having(), True, id="no data does not"),
        pytest.param(check(Verdict.INCONCLUSIVE), True, id="a check without data does not"),
        pytest.param(check(Verdict.FAIL), False, id="a failed check does"),
        pytest.param(
            having(route=RouteState(exists=True, weight=90)),
            False,
            id="a weight that was not in force does",
        ),
        pytest.param(having(canary=pods(CANARY, 0)), False, id="the loss of all traffic does"),
        pytest.param(
            having(wanted=wanted("v2", strategy={"steps": [{"weight": 5}, {"weight": 9}]})),
            False,
            id="a further step does",
        ),
        pytest.param(
            having(
                wanted=wanted(
                    "v2",
                    strategy={"steps": [{"weight": 4}, {"weight": 5}], "promotion": "Manual"},
                )
            ),
            False,
            id="a step in between does",
        ),
        pytest.param(
            having(wanted=wanted("v2", strategy={"steps": [{"weight": 5}]})),
            False,
            id="a promotion that becomes automatic does",
        ),
    ],
)
def test_what_ends_the_wait_for_a_person(change: Change, kept: bool) -> None:
    after = decide(change(AWAITING)).status.attempt
    assert after is not None
    assert (after.step_passed_at is not None) is kept


def test_a_canary_short_of_pods_is_not_promoted_by_hand() -> None:
    at = with_status(with_attempt(AWAITING, step_pods=1), phase=Phase.PAUSED)
    assert decide(at).action == Hold()
    gone = replace(at, canary=pods(CANARY, 1, available=0, ready=0))
    assert decide(gone).action == Lower(0)


def test_a_check_that_was_recorded_before_a_crash_is_not_counted_twice() -> None:
    once = replace(check(Verdict.FAIL)(on_first_step()), status=on_first_step().status)
    recorded = decide(once).status
    again = replace(once, status=recorded)
    assert decide(again).status.failed_checks == 1


def rolling_back(**changes: Any) -> Situation:
    entry = HistoryEntry(
        revision=CANARY,
        outcome=Outcome.ROLLED_BACK,
        reason=Reason.ANALYSIS_FAILED,
        message="x: 9 of 9 failed.",
        started_at=NOW,
        finished_at=NOW,
        max_weight=5,
    )
    base = with_status(
        on_first_step(),
        phase=Phase.ROLLING_BACK,
        rejected_revision=CANARY,
        weight=0,
        weight_applied_at=None,
        history=(entry,),
        traffic_off_at=NOW - seconds(31),
    )
    route = RouteState(exists=True, weight=0, rejected=CANARY)
    return replace(base, **({"route": route} | changes))


REST = [
    pytest.param(at_rest(), Hold(), id="stable: nothing to do"),
    pytest.param(
        replace(at_rest(), wanted=wanted("v2")),
        Start(CANARY, Trigger.NEW_REVISION),
        id="stable: a new template starts a rollout",
    ),
    pytest.param(
        with_status(replace(at_rest(), wanted=wanted("v2")), rejected_revision=CANARY),
        Hold(),
        id="stable: a rejected revision is not tried again",
    ),
    pytest.param(
        replace(at_rest(), status=RolloutStatus(), stable=TrackState()),
        Initialize(STABLE),
        id="nothing yet: the first revision becomes stable",
    ),
    pytest.param(
        replace(at_rest(), status=RolloutStatus(), wanted=wanted("v2")),
        Adopt(STABLE),
        id="a lost status adopts what stable runs",
    ),
    pytest.param(
        with_status(at_rest(), phase=Phase.INITIALIZING), ServeStable(), id="first pods available"
    ),
    pytest.param(
        with_status(replace(at_rest(), wanted=wanted("v2")), phase=Phase.INITIALIZING),
        Initialize(CANARY),
        id="initializing: a newer template replaces the first",
    ),
    pytest.param(
        replace(with_status(on_first_step(), phase=Phase.PROMOTING), stable=pods(CANARY, 4)),
        FinishPromotion(),
        id="promoting: stable is updated and available",
    ),
    pytest.param(
        with_status(on_first_step(), phase=Phase.PROMOTING), Hold(), id="promoting: stable is not"
    ),
    pytest.param(
        replace(with_status(on_first_step(), phase=Phase.PROMOTING), wanted=wanted("v3")),
        Hold(),
        id="promoting: a newer template waits",
    ),
    pytest.param(
        replace(with_status(on_first_step(), phase=Phase.PROMOTING), wanted=wanted("v1")),
        RollBack(Trigger.REVERTED, Reason.REVERTED, "The stable template was applied again."),
        id="promoting: a revert sets stable back",
    ),
    pytest.param(rolling_back(), FinishRollBack(), id="rolling back: drained and whole"),
    pytest.param(
        with_status(rolling_back(), traffic_off_at=NOW - seconds(29)),
        Hold(),
        id="rolling back: the canary's pods drain",
    ),
    pytest.param(
        rolling_back(stable=pods(STABLE, 4, updated=3)),
        Hold(),
        id="rolling back: stable still runs the rejected revision",
    ),
    pytest.param(
        with_status(rolling_back(wanted=wanted("v3")), traffic_off_at=NOW - seconds(3)),
        FinishRollBack(),
        id="rolling back: a newer template need not wait for the drain",
    ),
    pytest.param(
        with_status(rolling_back(), weight=5), Lower(0), id="spared traffic goes back to stable"
    ),
    pytest.param(
        with_status(
            rolling_back(
                stable=pods(STABLE, 4, ready=0, available=0),
                route=RouteState(exists=True, weight=5, rejected=CANARY),
            ),
            weight=5,
        ),
        Hold(),
        id="spared traffic stays while stable has no pod",
    ),
    pytest.param(
        with_status(rolling_back(stable=pods(STABLE, 4, ready=0, available=0)), weight=5),
        Lower(0),
        id="spared traffic that somebody took stays taken",
    ),
    pytest.param(
        with_status(
            rolling_back(
                stable=pods(STABLE, 4, ready=0, available=0),
                route=RouteState(exists=True, weight=None, rejected=CANARY),
            ),
            weight=5,
        ),
        Lower(0),
        id="spared traffic is not given anew where the route cannot be read",
    ),
    pytest.param(
        with_status(
            rolling_back(
                stable=pods(STABLE, 0),
                wanted=wanted("v2", replicas=0),
                route=RouteState(exists=True, weight=5, rejected=CANARY),
            ),
            weight=5,
        ),
        Lower(0),
        id="no traffic is spared where no stable pod is wanted",
    ),
    pytest.param(
        with_status(rolling_back(), phase=Phase.ROLLED_BACK), Hold(), id="rolled back: nothing"
    ),
    pytest.param(
        with_status(rolling_back(wanted=wanted("v1")), phase=Phase.ROLLED_BACK),
        Revert(),
        id="rolled back: the stable template is no attempt",
    ),
    pytest.param(
        with_status(
            replace(rolling_back(), request=parse_request("retry")), phase=Phase.ROLLED_BACK
        ),
        Start(CANARY, Trigger.RETRY_REQUESTED),
        id="rolled back: retry tries again",
    ),
    pytest.param(
        with_status(on_first_step(), phase=Phase.PAUSED), Resume(), id="paused for nothing: go on"
    ),
]


@pytest.mark.parametrize(("at", "expected"), REST)
def test_the_other_phases(at: Situation, expected: Action) -> None:
    assert decide(at).action == expected


def test_a_stable_that_does_not_come_up_while_promoting_is_set_back() -> None:
    at = with_status(on_first_step(), phase=Phase.PROMOTING)
    late = replace(LATER(at), stable=pods(CANARY, 4, available=3, trouble="no room"))
    decision = decide(late)
    assert isinstance(decision.action, RollBack)
    assert "no room" in decision.action.message
    assert decision.traffic_first
    assert decision.target.stable is not None
    assert decision.target.stable.revision == STABLE


def test_a_roll_back_spares_the_only_traffic_that_is_served() -> None:
    at = failed(2)(replace(on_first_step(), stable=pods(STABLE, 4, ready=0, available=0)))
    decision = decide(at)
    assert decision.status.weight == 5
    assert decision.status.phase is Phase.ROLLING_BACK
    assert decision.target.route is not None
    assert (decision.target.route.weight, decision.target.route.rejected) == (5, None), (
        "nothing is taken, so the router is told nothing"
    )
    ready = next(c for c in decision.status.conditions if c.type == "Ready")
    assert ready.reason == Reason.STABLE_UNAVAILABLE


@pytest.mark.parametrize("told", [0, 4, None])
def test_a_roll_back_gives_back_no_traffic_that_somebody_took(told: int) -> None:
    without_stable = replace(on_first_step(), stable=pods(STABLE, 4, ready=0, available=0))
    at = failed(2)(replace(without_stable, route=RouteState(exists=True, weight=told)))
    decision = decide(at)
    assert decision.status.weight == 0
    assert decision.target.route is not None
    assert (decision.target.route.weight, decision.target.route.rejected) == (0, CANARY)


@pytest.mark.parametrize(("phase", "verdict"), list(product(Phase, Verdict)))
def test_traffic_never_grows_without_a_pass(phase: Phase, verdict: Verdict) -> None:
    at = with_attempt(
        with_status(on_first_step(), phase=phase),
        last_check=CheckRecord(at=NOW, verdict=verdict),
    )
    decision = decide(at)
    if (decision.status.weight or 0) > 5 or isinstance(decision.action, Promote):
        assert verdict is Verdict.PASS
        assert phase in ON_TRIAL


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_can_be_left_by_the_rules_and_no_rule_leaves_the_table(phase: Phase) -> None:
    assert TRANSITIONS[phase], "a phase without a way out is a trap"
    for version, request in product(("v1", "v2", "v3"), (None, "abort", "promote", "retry")):
        at = with_status(on_first_step(), phase=phase)
        at = replace(at, wanted=wanted(version), request=request and parse_request(request))
        after = decide(at).status.phase
        assert after == phase or after in TRANSITIONS[phase].values()


def test_a_lower_weight_is_told_to_the_router_before_it_is_recorded() -> None:
    assert decide(failed(2)(on_first_step())).traffic_first
    assert not decide(on_first_step()).traffic_first


def test_a_retry_takes_the_mark_away_before_the_rollout_is_recorded() -> None:
    rolled_back = with_status(rolling_back(), phase=Phase.ROLLED_BACK)
    decision = decide(replace(rolled_back, request=parse_request("retry")))
    assert decision.traffic_first
    assert decision.target.route is not None
    assert decision.target.route.rejected is None


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (Problem(Reason.INVALID_SPEC, "spec.replicas: is wrong"), "Stalled"),
        (Problem(Reason.NAME_CONFLICT, "Service web is not ours", heals=True), "Stalled"),
        (Problem(Reason.ROUTER_UNAVAILABLE, "no CRD", heals=True), "Reconciling"),
        (Problem(Reason.FORBIDDEN, "cannot patch", heals=True), "Reconciling"),
    ],
)
def test_a_problem_is_told_once_and_changes_no_phase(problem: Problem, kind: str) -> None:
    at = replace(at_rest(), problem=problem)
    decision = decide(at)
    found = {c.type: c for c in decision.status.conditions}
    assert found["Ready"].status == "False"
    assert found[kind].reason == problem.reason
    assert decision.status.message == problem.message
    assert decision.status.phase is Phase.STABLE
    assert [notice.reason for notice in decision.notices] == [problem.reason]
    again = decide(replace(at, status=decision.status))
    assert again.notices == ()
    assert again.status == decision.status


def test_a_spec_that_was_never_accepted_has_conditions_and_nothing_else() -> None:
    problem = Problem(Reason.INVALID_SPEC, "spec.service: is missing")
    at = replace(at_rest(), status=RolloutStatus(), wanted=None, problem=problem)
    decision = decide(at)
    assert decision.status.phase is None
    assert decision.status.message == problem.message
    assert decision.target.stable is None
    assert decision.wake_at is None


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    first = decide(at_rest()).status
    later = replace(at_rest(), status=first, now=NOW + seconds(60), generation=2)
    second = decide(later).status
    assert second.conditions[0].last_transition_time == NOW
    assert second.conditions[0].observed_generation == 2
    broken = replace(later, status=second, stable=pods(STABLE, 4, available=3, ready=3))
    third = decide(broken).status
    assert third.conditions[0].last_transition_time == NOW + seconds(60)
    assert third.conditions[0].reason == Reason.STABLE_UNAVAILABLE


def test_a_deadline_that_passed_while_initializing_is_stalled_but_goes_on() -> None:
    at = with_status(at_rest(), phase=Phase.INITIALIZING, progressed_at=NOW - seconds(121))
    waiting = replace(at, stable=pods(STABLE, 4, available=1, trouble="ImagePullBackOff"))
    decision = decide(waiting)
    stalled = next(c for c in decision.status.conditions if c.type == "Stalled")
    assert stalled.reason == Reason.PROGRESS_DEADLINE_EXCEEDED
    assert "ImagePullBackOff" in decision.status.message


@pytest.mark.parametrize(
    ("steps", "step", "following"),
    [
        ((5, 20, 50), "1/3", 20),
        ((10, 30), "1/2", 10),
        ((1, 2), "2/2", None),
        ((5, 5, 80), "1/3", 5),
    ],
    ids=["unchanged", "all higher now", "all lower now", "the same weight twice"],
)
def test_edited_steps_go_on_at_the_next_higher_weight(
    steps: tuple[int, ...], step: str, following: int | None
) -> None:
    strategy = {"steps": [{"weight": weight, "hold": "10s"} for weight in steps]}
    at = replace(on_first_step(), wanted=wanted("v2", strategy=strategy))
    decision = decide(having(now=NOW - seconds(9))(at))
    assert decision.status.step_progress == step
    action = decide(at).action
    assert action == Promote(Trigger.STEPS_PASSED) if following is None else True
    if following is not None:
        assert isinstance(action, Raise)
        assert action.weight == following
