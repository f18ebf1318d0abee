"""The life of a rollout, told with the real engine, a virtual clock and pods that behave."""

from typing import Any

import pytest

from canary_operator.domain.errors import RouterUnavailableError, UnavailableError
from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.revision import revision_of
from canary_operator.domain.situation import RouteState
from canary_operator.domain.status import Outcome, Verdict
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import Killed, World


def reasons(world: World) -> list[Reason]:
    return [notice.reason for notice in world.events]


async def at_weight(driver: Driver, weight: int, seconds: int = 120) -> None:
    for _ in range(seconds):
        if driver.status.weight == weight:
            return
        await driver.pass_time(1)
    raise AssertionError(f"{weight} % was not reached: {driver.status}")


async def until(driver: Driver, phase: Phase, seconds: int = 400) -> None:
    for _ in range(seconds):
        if driver.status.phase is phase:
            return
        await driver.pass_time(1)
    raise AssertionError(f"{phase} was not reached: {driver.status}")


def ready(driver: Driver) -> str:
    return next(c.status for c in driver.status.conditions if c.type == "Ready")


async def test_the_first_revision_goes_straight_to_stable(driver: Driver) -> None:
    status = driver.status
    assert status.phase is Phase.STABLE
    assert status.stable_revision == revision_of(template("v1"))
    assert driver.world.route == RouteState(exists=True, weight=0)
    assert ready(driver) == "True"
    assert driver.world.deployments["canary"].replicas == 0


async def test_a_healthy_canary_climbs_every_step_and_is_promoted(driver: Driver) -> None:
    driver.world.edit(template=template("v2"))
    await driver.work()
    seen = []
    for _ in range(120):
        if driver.status.weight not in seen[-1:]:
            seen.append(driver.status.weight)
        await driver.pass_time(1)
    assert seen == [5, 20, 50, 0]
    assert driver.status.phase is Phase.STABLE
    assert driver.status.stable_revision == revision_of(template("v2"))
    assert driver.status.history[0].outcome is Outcome.PROMOTED
    assert driver.world.deployments["canary"].replicas == 0
    assert {pod.revision for pod in driver.world.deployments["stable"].pods} == {
        revision_of(template("v2"))
    }
    assert Reason.PROMOTED in reasons(driver.world)


async def test_failing_checks_take_all_traffic_back(driver: Driver) -> None:
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 20)
    driver.world.verdict = Verdict.FAIL
    await until(driver, Phase.ROLLING_BACK)
    assert driver.world.route.weight == 0
    assert driver.world.route.rejected == revision_of(template("v2"))
    await until(driver, Phase.ROLLED_BACK)
    assert driver.status.rejected_revision == revision_of(template("v2"))
    assert driver.status.history[0].reason == Reason.ANALYSIS_FAILED
    assert driver.world.deployments["canary"].replicas == 0
    await driver.pass_time(600, step=30)
    assert driver.status.phase is Phase.ROLLED_BACK


async def test_no_data_holds_and_then_rolls_back_with_that_reason(driver: Driver) -> None:
    driver.world.verdict = Verdict.INCONCLUSIVE
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 5)
    await driver.pass_time(60)
    assert driver.status.weight == 5
    assert driver.status.failed_checks == 0
    await until(driver, Phase.ROLLED_BACK)
    assert driver.status.history[0].reason == Reason.NO_DATA


async def test_a_canary_that_never_starts_gets_no_traffic(driver: Driver) -> None:
    driver.world.broken.add(revision_of(template("v2")))
    driver.world.edit(template=template("v2"))
    await until(driver, Phase.ROLLED_BACK)
    assert driver.status.history[0].reason == Reason.PROGRESS_DEADLINE_EXCEEDED
    assert driver.status.history[0].max_weight == 0


async def test_a_canary_that_loses_its_pods_loses_its_traffic_at_once(driver: Driver) -> None:
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 20)
    for pod in driver.world.deployments["canary"].pods:
        pod.available = False
    await driver.settle()
    assert driver.world.route.weight == 0
    assert driver.status.phase is Phase.PROGRESSING
    await driver.work()
    assert driver.status.weight == 20, "back up with capacity, without another pass"


async def test_a_canary_that_somebody_scales_up_gets_the_pods_of_the_next_step_at_most(
    driver: Driver,
) -> None:
    driver.world.edit(template=template("v2"), replicas=10)
    await at_weight(driver, 20)
    driver.world.deployments["canary"].replicas = 9
    await driver.work()
    assert driver.world.deployments["canary"].replicas == 5  # of 10, for the 50 % that follow


async def test_a_revert_in_the_middle_ends_the_rollout_without_a_rejection(driver: Driver) -> None:
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 20)
    driver.world.edit(template=template("v1"))
    await driver.settle()
    assert driver.world.route.weight == 0
    assert driver.status.phase is Phase.STABLE
    assert driver.status.rejected_revision is None
    assert driver.status.history[0].outcome is Outcome.REVERTED


async def test_a_newer_version_starts_over_after_the_proxies_followed(driver: Driver) -> None:
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 20)
    driver.world.edit(template=template("v3"))
    await driver.settle()
    assert driver.world.route.weight == 0
    assert driver.world.deployments["canary"].revision == revision_of(template("v2"))
    await driver.pass_time(2)
    assert driver.world.deployments["canary"].revision == revision_of(template("v3"))
    assert driver.status.step == 0
    await until(driver, Phase.STABLE)
    assert driver.status.stable_revision == revision_of(template("v3"))


async def test_a_failure_while_promoting_sets_stable_back(driver: Driver) -> None:
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 50)
    old = revision_of(template("v1"))
    while driver.status.phase is not Phase.PROMOTING:
        driver.world.now += (await driver.settle()).at - driver.world.now
    driver.world.broken.add(revision_of(template("v2")))
    await until(driver, Phase.ROLLING_BACK)
    assert driver.world.route.weight == 0
    await until(driver, Phase.ROLLED_BACK)
    stable = driver.world.deployments["stable"]
    assert {pod.revision for pod in stable.pods} == {old}
    assert driver.status.history[0].reason == Reason.PROGRESS_DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("request_", "phase", "outcome"),
    [
        ("pause", Phase.PAUSED, "Accepted"),
        ("abort", Phase.ROLLING_BACK, "Accepted"),
        ("promote", Phase.PROMOTING, "Accepted"),
        ("abort/0000000000", Phase.PROGRESSING, "Refused"),
        ("retry", Phase.PROGRESSING, "Refused"),
        ("resume", Phase.PROGRESSING, "Refused"),
        ("explode", Phase.PROGRESSING, "Refused"),
    ],
)
async def test_requests(driver: Driver, request_: str, phase: Phase, outcome: str) -> None:
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 20)
    driver.world.ask(request_)
    await driver.settle()
    assert driver.status.last_request is not None
    assert (driver.status.phase, driver.status.last_request.outcome) == (phase, outcome)
    assert driver.world.request is None


async def test_a_paused_rollout_is_paused_again_by_the_same_word(driver: Driver) -> None:
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 5)
    for word, phase in [("pause", Phase.PAUSED), ("resume", Phase.PROGRESSING)] * 2:
        driver.world.ask(word)
        await driver.settle()
        assert driver.status.phase is phase


async def test_retry_tries_the_rejected_revision_again(driver: Driver) -> None:
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 5)
    driver.world.ask("abort")
    await until(driver, Phase.ROLLED_BACK)
    driver.world.ask("retry")
    await driver.work()
    assert driver.status.phase is Phase.PROGRESSING
    assert driver.world.route.rejected is None
    await until(driver, Phase.STABLE)
    assert driver.status.stable_revision == revision_of(template("v2"))


async def test_weights_edited_by_hand_are_restored(driver: Driver) -> None:
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 20)
    driver.world.route = RouteState(exists=True, weight=90)
    await driver.settle()
    assert driver.world.route.weight == 20
    assert reasons(driver.world).count(Reason.DRIFT_REPAIRED) == 1


async def test_a_deleted_canary_of_a_rejected_revision_comes_back_idle_and_is_told(
    driver: Driver,
) -> None:
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 5)
    driver.world.verdict = Verdict.FAIL
    await until(driver, Phase.ROLLED_BACK)
    status = driver.status
    del driver.world.deployments["canary"]
    await driver.pass_time(1)
    assert driver.world.deployments["canary"].replicas == 0
    assert driver.status == status
    assert reasons(driver.world).count(Reason.DRIFT_REPAIRED) == 1


async def test_a_rollout_without_hands_in_it_reports_no_drift(driver: Driver) -> None:
    driver.world.edit(template=template("v2"))
    await driver.pass_time(120)
    assert driver.status.history[0].outcome is Outcome.PROMOTED
    assert Reason.DRIFT_REPAIRED not in reasons(driver.world)


async def test_a_rollback_survives_a_kill_between_traffic_and_status(driver: Driver) -> None:
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 20)
    driver.world.verdict = Verdict.FAIL

    def kill(name: str) -> None:
        if name == "route":
            driver.world.after_write = lambda _: None
            driver.world.verdict = Verdict.PASS
            raise Killed

    driver.world.after_write = kill
    await until(driver, Phase.ROLLED_BACK)
    assert driver.kills == 1
    assert driver.status.history[0].reason == Reason.ANALYSIS_FAILED


async def test_taking_traffic_away_is_tried_again_every_few_seconds(driver: Driver) -> None:
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 20)
    attempts: list[str] = []

    def fail(name: str) -> None:
        if name == "route":
            attempts.append(name)
            raise UnavailableError("the API server is away")

    driver.world.before_write = fail
    driver.world.ask("abort")
    await driver.pass_time(60)
    assert driver.status.phase is Phase.ROLLING_BACK
    assert driver.status.weight == 20, "the router was not told yet"
    assert len(attempts) >= 15
    driver.world.before_write = lambda _: None
    await driver.pass_time(3)
    assert driver.world.route.weight == 0


async def test_traffic_that_was_taken_counts_as_taken_whatever_is_refused_beside_the_route(
    driver: Driver,
) -> None:
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 20)

    def refuse(name: str) -> None:
        if name == "route":
            driver.world.after_write = lambda _: None
            raise RouterUnavailableError("a DestinationRule may not be deleted")

    driver.world.after_write = refuse
    driver.world.ask("abort")
    await driver.ticker.tick(driver.world.key)
    assert driver.world.route.weight == 0
    assert (driver.status.phase, driver.status.weight) == (Phase.ROLLING_BACK, 0)
    await until(driver, Phase.ROLLED_BACK)


@pytest.mark.parametrize("end", ["promotion", "revert"])
async def test_traffic_that_the_router_kept_at_the_end_is_taken_back(
    driver: Driver, end: str
) -> None:
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 50)

    def fail(name: str) -> None:
        if name == "route":
            raise UnavailableError("the API server is away")

    driver.world.before_write = fail
    if end == "revert":
        driver.world.edit(template=template("v1"))
    await until(driver, Phase.STABLE)
    await driver.pass_time(120)
    assert driver.status.weight == 50, "the router was not told yet"
    assert driver.world.deployments["canary"].replicas > 0, "requests still come"
    driver.world.before_write = lambda _: None
    writes = len(driver.world.writes)
    await driver.pass_time(6)
    assert (driver.status.weight, driver.world.route.weight) == (0, 0)
    assert driver.world.deployments["canary"].replicas > 0, "proxies follow with a delay"
    await driver.pass_time(30)
    assert driver.world.deployments["canary"].replicas == 0
    assert len(driver.world.writes) - writes <= 8


async def test_a_wrong_spec_leaves_the_rollout_alone_and_says_so(driver: Driver) -> None:
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 5)
    driver.world.edit(service={"port": 99999})
    await driver.work()
    assert driver.status.phase is Phase.PROGRESSING
    stalled = next(c for c in driver.status.conditions if c.type == "Stalled")
    assert stalled.reason == Reason.INVALID_SPEC
    assert "port" in stalled.message
    await until(driver, Phase.STABLE)
    assert driver.status.stable_revision == revision_of(template("v2"))


@pytest.mark.parametrize("left", [{}, {"phase": "FromTheFuture"}], ids=["lost", "unreadable"])
async def test_a_lost_status_adopts_what_stable_runs(driver: Driver, left: dict[str, Any]) -> None:
    driver.world.edit(template=template("v2"))
    await at_weight(driver, 20)
    driver.world.status = left
    driver.start()
    await driver.settle()
    assert driver.status.stable_revision == revision_of(template("v1"))


async def test_nothing_is_written_at_rest(driver: Driver) -> None:
    before = list(driver.world.writes)
    await driver.pass_time(3600, step=60)
    assert driver.world.writes == before


async def test_writes_of_a_rollout_are_bounded(driver: Driver) -> None:
    weights = (5, 10, 20, 40, 60)
    steps = [{"weight": weight, "hold": "5s"} for weight in weights]
    driver.world.edit(strategy={**spec()["strategy"], "steps": steps})
    await driver.work()
    driver.world.writes.clear()
    driver.world.events.clear()
    driver.world.edit(template=template("v2"))
    await driver.work()
    await driver.pass_time(200)
    assert driver.status.phase is Phase.STABLE
    requests = len(driver.world.writes) + len(driver.world.events)
    assert requests + 1 <= 40, (driver.world.writes, reasons(driver.world))  # 1: the dry run


async def test_a_query_that_prometheus_rejects_is_not_accepted(driver: Driver) -> None:
    driver.world.rejected_queries.add("sum(")
    analysis = {"metrics": [{"name": "carts", "query": {"promql": "sum(", "max": 1}}]}
    driver.world.edit(template=template("v2"), analysis=analysis)
    await driver.work()
    assert (driver.status.phase, ready(driver)) == (Phase.STABLE, "False")
    assert "Prometheus rejected the query" in driver.status.message
    assert driver.status.canary_revision is None


async def test_a_percentage_that_looks_like_a_fraction_is_doubted_once(driver: Driver) -> None:
    analysis = {"metrics": [{"name": "rate", "successRate": {"min": 0.99}}]}
    driver.world.edit(analysis=analysis)
    await driver.pass_time(10)
    told = [notice.message for notice in driver.world.events if notice.reason == "SpecDoubtful"]
    assert len(told) == 1
    assert "which means 0.99 %" in told[0]


async def test_events_tell_changes_of_the_verdict_only(driver: Driver) -> None:
    driver.world.edit(
        template=template("v2"),
        analysis={"interval": "5s", "window": "5s", "failureLimit": 9},
    )
    await at_weight(driver, 5)
    driver.world.verdict = Verdict.FAIL
    await driver.pass_time(16)
    assert driver.status.failed_checks >= 2
    assert reasons(driver.world).count(Reason.CHECK_FAILED) == 1
    driver.world.verdict = Verdict.PASS
    await driver.pass_time(6)
    assert reasons(driver.world).count(Reason.CHECK_PASSED) == 1
    driver.world.verdict = Verdict.INCONCLUSIVE
    await driver.pass_time(11)
    assert reasons(driver.world).count(Reason.CHECK_INCONCLUSIVE) == 1
