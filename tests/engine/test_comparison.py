"""Rollouts that are compared with stable, told with the real engine and scripted traffic."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from canary_operator.domain.counts import Count, Tracks, Traffic, View
from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import Settings
from canary_operator.ports import Key
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World

RESTING = {Phase.STABLE, Phase.ROLLED_BACK}


@dataclass
class Service:
    """A steady stream of requests, split as the router says; failures as shares."""

    world: World
    rate: float = 100
    canary: float = 0.0
    stable: float = 0.0

    def __call__(self, length: timedelta) -> Traffic:
        share = (self.world.route.weight or 0) / 100
        requests = self.rate * length.total_seconds()
        canary, stable = requests * share, requests * (1 - share)
        tracks = Tracks(
            Count(stable, round(stable * self.stable)), Count(canary, round(canary * self.canary))
        )
        return {View.CALLERS: tracks, View.PODS: tracks}


@dataclass
class Story:
    driver: Driver
    service: Service

    @property
    def world(self) -> World:
        return self.driver.world

    async def until(self, phase: Phase, seconds: int = 900) -> int:
        for second in range(seconds):
            if self.driver.status.phase is phase:
                return second
            await self.driver.pass_time(1)
        raise AssertionError(f"{phase} was not reached: {self.driver.status}")

    async def until_weight(self, weight: int, seconds: int = 900) -> int:
        for second in range(seconds):
            if self.driver.status.weight == weight:
                return second
            await self.driver.pass_time(1)
        raise AssertionError(f"{weight} % was not reached: {self.driver.status}")

    @property
    def message(self) -> str:
        return self.driver.status.metrics[0].message

    @property
    def events(self) -> list[Reason]:
        return [notice.reason for notice in self.world.events]


Begin = Callable[..., Any]


@pytest.fixture
def begin() -> Begin:
    """Return what starts a rollout of v2 under a comparison."""

    async def start(comparison: dict[str, Any] | None = None, **changes: Any) -> Story:
        analysis = {"interval": "10s", "failureLimit": 1, "comparison": comparison or {}}
        steps = [{"weight": weight, "hold": "60s"} for weight in (5, 20, 50)]
        world = World(
            key=Key("demo", "web"),
            spec=spec(
                analysis=analysis | changes.pop("analysis", {}),
                strategy={"steps": steps, "progressDeadline": "5m"} | changes.pop("strategy", {}),
            ),
        )
        driver = Driver(world, Settings(scrape_interval=timedelta(seconds=5)))
        await driver.work()
        service = Service(world, **changes)
        world.counted = service
        world.edit(template=template("v2"))
        await driver.work()
        return Story(driver, service)

    return start


async def test_a_healthy_canary_is_promoted(begin: Begin) -> None:
    story = await begin(canary=0.001, stable=0.001)
    await story.until(Phase.STABLE)
    assert story.driver.status.history[0].outcome == "Promoted"
    assert Reason.CHECK_INCONCLUSIVE not in story.events
    assert story.driver.status.history[0].requests_hurt is not None


async def test_a_quiet_service_is_promoted_when_nothing_speaks_against_the_canary(
    begin: Begin,
) -> None:
    story = await begin(rate=25)
    await story.until(Phase.STABLE, seconds=600)
    assert story.driver.status.history[0].outcome == "Promoted"


async def test_a_canary_that_fails_more_often_is_rolled_back(begin: Begin) -> None:
    story = await begin(canary=0.05, stable=0.001)
    taken = await story.until(Phase.ROLLING_BACK)
    assert taken <= 45
    assert story.world.route.weight == 0
    entry = story.driver.status.history[0]
    assert entry.reason == Reason.WORSE_THAN_STABLE
    assert "that the canary is worse; rolled back at 100:1" in entry.message
    assert entry.requests_hurt == pytest.approx(taken * 100 * 0.05 * 0.05, abs=3)
    assert story.events.count(Reason.CHECK_FAILED) == 1


async def test_an_outage_of_both_for_a_minute_rolls_nothing_back(begin: Begin) -> None:
    story = await begin(canary=0.001, stable=0.001)
    await story.until_weight(20)
    story.service.canary = story.service.stable = 0.8
    await story.driver.pass_time(60)
    assert story.driver.status.weight == 20
    assert story.driver.status.metrics[0].reason == Reason.SHARED_CAUSE_SUSPECTED
    story.service.canary = story.service.stable = 0.001
    await story.until(Phase.STABLE)
    assert story.driver.status.history[0].outcome == "Promoted"


async def test_limits_beside_a_comparison_excuse_that_outage_too(begin: Begin) -> None:
    limited = {"metrics": [{"name": "success-rate", "successRate": {"min": 99}}]}
    story = await begin(canary=0.001, stable=0.001, analysis=limited)
    await story.until_weight(20)
    story.service.canary = story.service.stable = 0.8
    await story.driver.pass_time(60)
    story.service.canary = story.service.stable = 0.001
    await story.until(Phase.STABLE)
    assert story.driver.status.history[0].outcome == "Promoted"


async def test_an_outage_of_both_that_does_not_end_is_rolled_back(begin: Begin) -> None:
    story = await begin({"guardrail": {"maxHold": "8m"}}, canary=0.001, stable=0.001)
    await story.until_weight(20)
    story.service.canary = story.service.stable = 0.8
    taken = await story.until(Phase.ROLLING_BACK)
    assert 480 <= taken <= 500  # the progress deadline of 5m does not come before it
    assert story.driver.status.history[0].reason == Reason.SHARED_CAUSE_SUSPECTED


async def test_silence_after_an_outage_is_no_failure_of_both(begin: Begin) -> None:
    story = await begin({"guardrail": {"maxHold": "8m"}}, canary=0.001, stable=0.001)
    await story.until_weight(20)
    story.service.canary = story.service.stable = 0.8
    await story.driver.pass_time(30)
    story.service.rate = 0
    taken = await story.until(Phase.ROLLING_BACK)
    assert story.driver.status.history[0].reason == Reason.NO_DATA
    assert taken >= 440  # both the deadline and the guardrail had their time


async def test_silence_after_an_outage_ends_a_promotion_with_its_reason(begin: Begin) -> None:
    story = await begin()
    await story.until_weight(50)
    story.world.broken.add(story.driver.status.canary_revision or "")
    await story.until(Phase.PROMOTING)
    story.service.canary = story.service.stable = 0.8
    await story.driver.pass_time(20)
    story.service.rate = 0
    story.world.broken.clear()
    await story.until(Phase.ROLLING_BACK)
    entry = story.driver.status.history[0]
    assert entry.reason == Reason.SHARED_CAUSE_SUSPECTED
    assert "no request since then says that it ended" in entry.message


async def test_an_outage_of_both_is_waited_for_where_the_user_says_so(begin: Begin) -> None:
    story = await begin({"guardrail": {"maxHold": "1m", "then": "Wait"}})
    await story.until_weight(20)
    story.service.canary = story.service.stable = 0.8
    await story.driver.pass_time(900, step=5)
    assert story.driver.status.weight == 20


async def test_an_outage_while_promoting_delays_the_end(begin: Begin) -> None:
    story = await begin()
    await story.until_weight(50)
    story.world.broken.add(story.driver.status.canary_revision or "")
    await story.until(Phase.PROMOTING)
    story.service.canary = story.service.stable = 0.8
    await story.driver.pass_time(20)
    story.world.broken.clear()
    await story.driver.pass_time(60)
    assert story.driver.status.phase is Phase.PROMOTING
    story.service.canary = story.service.stable = 0.0
    await story.until(Phase.STABLE)


async def test_no_traffic_rolls_nothing_back_and_says_so(begin: Begin) -> None:
    story = await begin(rate=0)
    await story.until_weight(5)
    await story.driver.pass_time(120)
    assert (story.driver.status.phase, story.driver.status.weight) == (Phase.PROGRESSING, 5)
    assert "0 canary requests in 10 s, at least 10 are needed to tell" in story.message
    await story.until(Phase.ROLLING_BACK)
    assert story.driver.status.history[0].reason == Reason.NO_DATA


async def test_a_proof_of_health_ends_the_hold_where_the_user_says_so(begin: Begin) -> None:
    early = {"healthy": {"advanceEarly": True}}
    long = {"steps": [{"weight": 20, "hold": "10m"}, {"weight": 50, "hold": "10m"}]}
    story = await begin(early, rate=300, strategy=long)
    await story.until_weight(20)
    assert await story.until_weight(50) < 120
    late = await begin(rate=300, strategy=long)
    await late.until_weight(20)
    assert await late.until_weight(50) >= 600


@pytest.mark.parametrize(
    ("choice", "outcome", "reason"),
    [
        pytest.param("Advance", "Promoted", "Promoted", id="advance"),
        pytest.param("Wait", "RolledBack", "NoData", id="wait, until the deadline"),
        pytest.param("Rollback", "RolledBack", "NoData", id="roll back after the hold"),
    ],
)
async def test_too_little_to_tell(begin: Begin, choice: str, outcome: str, reason: str) -> None:
    story = await begin({"onInsufficientData": choice}, rate=25)
    await story.until_weight(5)
    for _ in range(900):
        if story.driver.status.history:
            break
        await story.driver.pass_time(1)
    entry = story.driver.status.history[0]
    assert (entry.outcome, entry.reason) == (outcome, reason)
    waited = (entry.finished_at - entry.started_at).total_seconds()
    assert (waited < 90) is (choice == "Rollback")


@pytest.mark.parametrize("every", [7, 13])
async def test_kills_between_looks_change_neither_the_verdict_nor_its_time(
    begin: Begin, every: int
) -> None:
    calm, killed = await begin(canary=0.02, stable=0.001), await begin(canary=0.02, stable=0.001)
    undisturbed = await calm.until(Phase.ROLLING_BACK)
    for second in range(900):
        if killed.driver.status.phase is Phase.ROLLING_BACK:
            break
        if second % every == every - 1:
            killed.driver.start()
        await killed.driver.pass_time(1)
    assert abs(second - undisturbed) <= 10
    assert killed.driver.status.history[0].reason == calm.driver.status.history[0].reason


async def test_a_missed_look_is_made_up_for(begin: Begin) -> None:
    """The operator is away for two intervals; the failures of that time count."""
    story = await begin(canary=0.05, stable=0.001)
    await story.until_weight(5)
    await story.driver.pass_time(12)
    before = story.driver.status.metrics[0].canary
    story.world.now += timedelta(seconds=25)
    story.driver.start()
    await story.driver.work()
    after = story.driver.status.metrics[0].canary
    assert before is not None
    assert after is not None
    assert after.requests - before.requests in {100, 150}  # 5 of 100 a second, 20 s or 30 s
