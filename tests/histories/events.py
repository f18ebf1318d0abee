"""What people, pods and the world do in a history, in any order."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from canary_operator.domain.phase import Phase
from canary_operator.domain.revision import revision_of
from canary_operator.domain.status import Verdict
from canary_operator.testing.builders import template
from tests.histories.stage import Stage, Trap
from tests.histories.vocabulary import (
    REVISIONS,
    STRATEGIES,
    TRACKS,
    VERBS,
    VERSIONS,
    strategy,
)


class Events(RuleBasedStateMachine):
    """How a history begins, and what happens that is not the operator's doing."""

    census: ClassVar[Counter[str]] = Counter()
    """What all histories of this process reached."""
    spec: ClassVar[dict[str, Any]] = {}
    """How the spec of these histories differs from the usual one."""
    stage_kind: ClassVar[type[Stage]] = Stage

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.serial = 0
        self.records_lost = False

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.runner.run(work)

    def go_on(self) -> None:
        """Let everybody react, and time pass at the pace of this history."""
        self.run(self.stage.pass_time(self.pace))

    # How it begins.

    @initialize(
        begins=st.sampled_from(
            ["new", "on trial", "on trial", "promoting", "promoting", "rolled back", "waiting"]
        ),
        pod_start=st.sampled_from([0, 3]),
        pace=st.sampled_from([0, 2, 6, 12]),
        verdict=st.sampled_from([Verdict.PASS, Verdict.PASS, *Verdict]),
    )
    def begin(self, begins: str, pod_start: int, pace: int, verdict: Verdict) -> None:
        self.pace = pace
        self.stage = self.stage_kind(self.census, **self.spec)
        self.census["history"] += 1
        self.world, self.witness = self.stage.world, self.stage.witness
        self.world.pod_start = timedelta(seconds=pod_start)
        if begins == "new":
            if pace:
                deed = self.stage.depose if pace == 12 else self.stage.kill
                self.stage.traps.append(Trap(min(pace, 6), deed))
            return
        self.run(self.stage.pass_time(10))
        self.apply("v2")
        self.run(self.begin_with(begins))
        self.world.verdict = verdict

    async def begin_with(self, begins: str) -> None:
        if begins == "on trial":
            await self.stage.pass_time(3)
        elif begins == "promoting":
            await self.until(lambda: self.witness.moment().status.weight == 50)
            self.stage.pods_move = False
            await self.until(lambda: self.stage.phase is Phase.PROMOTING)
        elif begins == "rolled back":
            self.world.verdict = Verdict.FAIL
            await self.until(lambda: self.stage.phase is Phase.ROLLED_BACK)

        elif begins == "waiting":
            self.promote_by_hand()
            await self.until(lambda: self.stage.phase is Phase.PAUSED)

    async def until(self, reached: Callable[[], bool]) -> None:
        for _ in range(100):
            if reached():
                return
            await self.stage.pass_time(1)
        raise AssertionError("the history cannot begin")

    # What people do.

    def apply(self, version: str) -> None:
        self.stage.edit(template=template(version))

    @rule(version=st.sampled_from(VERSIONS))
    def apply_template(self, version: str) -> None:
        self.apply(version)
        self.go_on()

    @rule(
        changes=st.one_of(
            st.builds(lambda n: {"replicas": n}, st.sampled_from([0, 1, 2, 4, 8])),
            st.builds(lambda paused: {"paused": paused}, st.booleans()),
            st.builds(lambda steps: {"strategy": strategy(steps)}, st.sampled_from(STRATEGIES)),
            st.builds(
                lambda n: {"analysis": {"interval": "5s", "window": "5s", "failureLimit": n}},
                st.sampled_from([0, 1, 3]),
            ),
        )
    )
    def edit_spec(self, changes: dict[str, Any]) -> None:
        self.stage.edit(**changes)
        self.go_on()

    @rule(by_hand=st.booleans())
    def edit_promotion(self, by_hand: bool) -> None:
        self.promote_by_hand(by_hand)
        self.go_on()

    def promote_by_hand(self, by_hand: bool = True) -> None:
        written = {**self.world.spec["strategy"], "promotion": "Manual"}
        if not by_hand:  # a default that is written out is no news, and leaves no record
            del written["promotion"]
        self.stage.edit(strategy=written)

    @rule(wrong=st.sampled_from([((50, 10, False), (5, 10, False)), ((0, 10, False),)]))
    def break_spec(self, wrong: Any) -> None:
        self.stage.edit(strategy=strategy(wrong))
        self.go_on()

    @precondition(lambda self: self.world.spec["strategy"]["steps"][0]["weight"] in {0, 50})
    @rule()
    def mend_spec(self) -> None:
        self.stage.edit(strategy=strategy(STRATEGIES[0]))
        self.go_on()

    @rule(
        verb=st.sampled_from(VERBS),
        revision=st.sampled_from(["", "present", "present", *REVISIONS]),
        numbered=st.booleans(),
    )
    def request(self, verb: str, revision: str, numbered: bool) -> None:
        status = self.witness.moment().status
        if revision == "present":
            revision = (
                status.rejected_revision if verb == "retry" else status.canary_revision
            ) or ""
        self.serial += 1
        words = [verb, *([revision] if revision else [])]
        if revision and numbered:
            words.append(f"k{self.serial}")
        self.stage.ask("/".join(words))
        self.go_on()

    # What the world does.

    @rule(seconds=st.sampled_from([1, 4, 11, 11, 31, 31, 70, 130]))
    def time_passes(self, seconds: int) -> None:
        self.run(self.stage.pass_time(seconds))

    @rule(verdict=st.sampled_from([Verdict.PASS, Verdict.PASS, *Verdict]))
    def measure(self, verdict: Verdict) -> None:
        self.world.verdict = verdict

    @precondition(lambda self: self.stage.phase is Phase.PAUSED)
    @rule()
    def a_night_without_requests(self) -> None:
        self.world.verdict = Verdict.INCONCLUSIVE
        self.run(self.stage.pass_time(300))

    @rule(version=st.sampled_from(VERSIONS), broken=st.booleans())
    def pods_never_become_ready(self, version: str, broken: bool) -> None:
        revision = revision_of(template(version))
        (self.world.broken.add if broken else self.world.broken.discard)(revision)

    @rule(
        track=st.sampled_from(TRACKS),
        count=st.sampled_from([1, 2, 8, 8]),
        how=st.sampled_from(["crash", "lost"]),
    )
    def pods_fail(self, track: str, count: int, how: str) -> None:
        self.stage.fail_pods(track, count, how)
        self.go_on()

    @rule(move=st.booleans())
    def pods_stand_still(self, move: bool) -> None:
        self.stage.pods_move = move

    @rule(what=st.sampled_from(["weight", "weight", "route", "services", "stable", "canary"]))
    def somebody_deletes_or_edits(self, what: str) -> None:
        self.meddle(what)
        self.go_on()

    @rule(weight=st.sampled_from([None, 0, 5, 50, 90]))
    def somebody_edits_the_weight(self, weight: int | None) -> None:
        self.stage.edit_weight(weight)
        self.go_on()

    def meddle(self, what: str) -> None:
        world = self.world
        if what == "weight":
            self.stage.edit_weight(90)
        if what == "route":
            self.stage.witness.unmarked()
            world.route = type(world.route)()
        if what == "services":
            world.services = False
        if what in TRACKS:
            world.deployments.pop(what, None)
        self.stage.changed()

    @rule(track=st.sampled_from(TRACKS), replicas=st.sampled_from([0, 1, 3, 9]))
    def somebody_scales(self, track: str, replicas: int) -> None:
        if deployment := self.world.deployments.get(track):
            deployment.replicas, deployment.seen = replicas, False
        self.stage.changed()
        self.go_on()

    @rule(index=st.integers(1, 2))
    def somebody_deletes_an_older_record(self, index: int) -> None:
        newest_first = sorted(self.world.records, key=lambda record: -record.number)
        for record in newest_first[index : index + 1]:
            self.records_lost = True
            self.world.records = [one for one in self.world.records if one is not record]
            self.stage.changed()
        self.go_on()
