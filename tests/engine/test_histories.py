"""Invariants I1 to I6 over generated histories: the real engine, a hostile world, kills anywhere.

The names I1 … I6 are those of `docs/architecture.md`.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from canary_operator.domain.capacity import canary_pods
from canary_operator.domain.errors import ConflictError, UnavailableError
from canary_operator.domain.phase import ON_TRIAL, Phase
from canary_operator.domain.revision import revision_of
from canary_operator.domain.status import Outcome, Verdict
from canary_operator.ports import Key
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import Killed, World

VERSIONS = ("v1", "v2", "v3")
STEPS = (5, 20, 50)


class Histories(RuleBasedStateMachine):
    """Everything that users, pods, networks and crashes may do, in any order."""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.world = World(key=Key("demo", "web"), spec=spec())
        self.driver = Driver(self.world)
        self.asked_for: set[str] = set()
        self.faults: list[BaseException] = []
        self.world.before_write = self.check_write
        self.world.after_write = self.check_written
        self.told = self.world.route
        self.edited = False
        self.run(self.driver.work())

    @property
    def unsettled(self) -> bool:
        """Whether a write failed and waits to be tried again."""
        return bool(self.faults or self.driver.ticker._troubles)

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.close()

    def run(self, work: Awaitable[Any]) -> None:
        async def inside() -> None:
            await work

        self.runner.run(inside())

    def check_write(self, name: str) -> None:
        """Break the write if it is its turn to break."""
        if self.faults:
            raise self.faults.pop()

    def check_written(self, name: str) -> None:
        """Look at every single write of the router, not only at where things come to rest."""
        before, after = self.told, self.world.route
        self.told = after
        if name == "status" and after.exists and not self.edited:
            assert (self.driver.status.weight or 0) >= (after.weight or 0), "recorded, not lowered"
        if name == "route":
            self.edited = False
        if name != "route" or not after.weight:
            return
        status, canary = self.driver.status, self.world.deployments["canary"]
        assert after.weight == status.weight, "raised before it was recorded"
        assert after.weight in STEPS
        if before.weight is not None and after.weight > before.weight:
            assert status.phase in ON_TRIAL
            assert canary.revision == status.canary_revision
            assert status.canary_revision not in {status.rejected_revision, after.rejected}
            assert status.attempt is not None
            assert after.weight <= status.attempt.step_weight
            needed = canary_pods(self.world.spec["replicas"], after.weight)
            available = sum(
                pod.available and pod.revision == canary.revision for pod in canary.pods
            )
            assert available >= min(needed, status.attempt.step_pods), "more than pods carry"
        first = min(STEPS)
        if after.weight > first and status.phase in ON_TRIAL and status.attempt:
            assert status.attempt.max_weight >= first

    # What happens.

    @rule(version=st.sampled_from(VERSIONS))
    def apply_template(self, version: str) -> None:
        if self.world.spec["template"] != template(version):
            self.asked_for.add(revision_of(template(version)))
            self.world.edit(template=template(version))
        self.run(self.driver.settle())

    @rule(replicas=st.integers(0, 8))
    def scale(self, replicas: int) -> None:
        self.world.edit(replicas=replicas)
        self.run(self.driver.settle())

    @rule(paused=st.booleans())
    def pause_by_spec(self, paused: bool) -> None:
        self.world.edit(paused=paused)
        self.run(self.driver.settle())

    @rule(
        verb=st.sampled_from(["pause", "resume", "promote", "abort", "retry", "nonsense"]),
    )
    def ask(self, verb: str) -> None:
        if verb == "retry" and self.driver.status.rejected_revision:
            self.asked_for.add(self.driver.status.rejected_revision)
        self.world.ask(verb)
        self.run(self.driver.settle())

    @rule(seconds=st.sampled_from([1, 3, 6, 11, 31]))
    def wait(self, seconds: int) -> None:
        self.run(self.driver.pass_time(seconds))

    @rule(seconds=st.sampled_from([60, 130]))
    def freeze(self, seconds: int) -> None:
        """Pods stand still while time passes."""
        self.world.now += timedelta(seconds=seconds)
        self.run(self.driver.settle())

    @rule(verdict=st.sampled_from(Verdict))
    def measure(self, verdict: Verdict) -> None:
        self.world.verdict = verdict

    @rule(version=st.sampled_from(VERSIONS), broken=st.booleans())
    def break_pods(self, version: str, broken: bool) -> None:
        revision = revision_of(template(version))
        (self.world.broken.add if broken else self.world.broken.discard)(revision)

    @rule(track=st.sampled_from(["stable", "canary"]), count=st.integers(1, 4))
    def lose_pods(self, track: str, count: int) -> None:
        for pod in self.world.deployments[track].pods[:count]:
            pod.available = False
        self.run(self.driver.settle())

    @rule(track=st.sampled_from(["stable", "canary"]))
    def move_pods_once(self, track: str) -> None:
        self.world.deployments[track].move(self.world.starts)
        self.run(self.driver.settle())

    @rule(weight=st.sampled_from([0, 5, 50, 90]))
    def edit_weight_by_hand(self, weight: int) -> None:
        if self.world.route.exists:
            self.world.route = self.told = replace(self.world.route, weight=weight)
            self.edited = True
        self.run(self.driver.settle())

    @rule(
        error=st.sampled_from(
            [Killed(), ConflictError("changed"), UnavailableError("the API server is away")]
        ),
        count=st.integers(1, 3),
    )
    def next_writes_fail(self, error: BaseException, count: int) -> None:
        self.faults = [error] * count

    @rule(after=st.integers(1, 4))
    def be_killed_after_a_write(self, after: int) -> None:
        left = [after]

        def kill(name: str) -> None:
            self.check_written(name)
            left[0] -= 1
            if left[0] == 0:
                self.world.after_write = self.check_written
                raise Killed

        self.world.after_write = kill

    # What must be true, whatever happened.

    @invariant()
    def i1_the_weight_is_a_step_or_nothing(self) -> None:
        if hasattr(self, "driver"):
            assert self.driver.status.weight in {None, 0, *STEPS}

    @invariant()
    def i2_the_weight_is_carried(self) -> None:
        if not hasattr(self, "driver") or self.unsettled:
            return
        status, canary = self.driver.status, self.world.deployments.get("canary")
        if canary and status.weight and canary.seen and status.phase in ON_TRIAL:
            available = sum(pod.available for pod in canary.pods)
            assert available > 0, "traffic without a pod to land on"

    @invariant()
    def i3_a_rejected_revision_has_no_traffic(self) -> None:
        if not hasattr(self, "driver") or self.unsettled:
            return
        status = self.driver.status
        stable = self.world.deployments.get("stable")
        ready = stable is not None and any(pod.available for pod in stable.pods)
        if status.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK} and ready:
            assert self.world.route.weight == 0, status

    @invariant()
    def i4_stable_runs_only_what_was_promoted(self) -> None:
        if not hasattr(self, "driver"):
            return
        status = self.driver.status
        promoted = {h.revision for h in status.history if h.outcome is Outcome.PROMOTED}
        allowed = promoted | {status.stable_revision, revision_of(template("v1"))}
        stable = self.world.deployments.get("stable")
        if stable and status.phase in {Phase.PROGRESSING, Phase.PAUSED, Phase.STABLE}:
            assert stable.revision in allowed

    @invariant()
    def i5_the_mark_and_the_status_agree(self) -> None:
        if not hasattr(self, "driver") or self.unsettled:
            return
        status = self.driver.status
        if status.phase in ON_TRIAL:
            assert self.world.route.rejected != status.canary_revision

    @invariant()
    def the_router_does_what_the_status_says(self) -> None:
        if hasattr(self, "driver") and self.world.route.exists and not self.unsettled:
            assert self.world.route.weight == (self.driver.status.weight or 0)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


# I6: a kill anywhere changes nothing in the end.

EVENTS = st.one_of(
    st.tuples(st.just("template"), st.sampled_from(VERSIONS)),
    st.tuples(st.just("ask"), st.sampled_from(["pause", "resume", "promote", "abort", "retry"])),
    st.tuples(st.just("verdict"), st.sampled_from(Verdict)),
    st.tuples(st.just("broken"), st.sampled_from(VERSIONS)),
    st.tuples(st.just("wait"), st.sampled_from([1, 5, 12, 40, 150])),
)


async def live(history: list[tuple[str, Any]], kill_at: int | None) -> World:
    """Play a history; the operator dies after its write number `kill_at`, if given."""
    world = World(key=Key("demo", "web"), spec=spec())

    def kill(_: str) -> None:
        if len(world.writes) == kill_at:
            world.after_write = lambda _: None
            raise Killed

    world.after_write = kill
    driver = Driver(world)
    await driver.work()
    for kind, value in history:
        match kind:
            case "template" if world.spec["template"] != template(value):
                world.edit(template=template(value))
            case "ask":
                world.ask(value)
            case "verdict":
                world.verdict = value
            case "broken":
                world.broken ^= {revision_of(template(value))}
            case "wait":
                await driver.pass_time(value)
        await driver.work()
    return world


def what_matters(world: World) -> dict[str, Any]:
    status = world.status
    return {
        "status": {k: status.get(k) for k in ("phase", "stableRevision", "canaryRevision")}
        | {k: status.get(k) for k in ("rejectedRevision", "weight", "step", "failedChecks")},
        "history": [(h["revision"], h["outcome"], h["reason"]) for h in status.get("history", [])],
        "answered": (status.get("lastRequest") or {}).get("outcome"),
        "request": world.request,
        "route": (world.route.weight, world.route.rejected),
        "deployments": {
            track: (deployment.revision, deployment.replicas)
            for track, deployment in world.deployments.items()
        },
    }


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=st.lists(EVENTS, min_size=1, max_size=8), kill_at=st.integers(1, 40))
def test_i6_a_kill_after_any_write_changes_nothing_in_the_end(
    history: list[tuple[str, Any]], kill_at: int
) -> None:
    expected = what_matters(asyncio.run(live(history, None)))
    assert what_matters(asyncio.run(live(history, kill_at))) == expected
