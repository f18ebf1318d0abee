"""The state machine: everything that users, pods, networks and crashes may do, in any order."""

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from canary_operator.domain.errors import ConflictError
from canary_operator.domain.phase import ON_TRIAL, Phase
from canary_operator.domain.status import Verdict
from canary_operator.testing.builders import template
from canary_operator.testing.sight import KINDS
from tests.histories.events import Events
from tests.histories.invariants import BrokenInvariantError
from tests.histories.process import LONGEST_PAUSE
from tests.histories.stage import Trap
from tests.histories.vocabulary import (
    AWAY,
    FAILURES,
    KIND_OF,
    STRATEGIES,
    VERSIONS,
    fail_with,
    strategy,
)


class Histories(Events):
    """Plays histories; `Stage` and `Witness` look at every single write."""

    # What the operator meets.

    @rule(kind=st.sampled_from(KINDS))
    def a_watch_lags(self, kind: str) -> None:
        self.stage.held_back.add(kind)

    @precondition(lambda self: self.stage.held_back)
    @rule(data=st.data(), most=st.sampled_from([1, 2, None]), goes_on=st.booleans())
    def a_watch_catches_up(self, data: st.DataObject, most: int | None, goes_on: bool) -> None:
        kind = data.draw(st.sampled_from(sorted(self.stage.held_back)))
        if self.stage.process.caches.tell(kind, most):
            self.stage.process.wake()
        if goes_on:
            self.stage.held_back.discard(kind)
        self.go_on()

    @rule(kind=st.sampled_from(KINDS), most=st.integers(1, 3))
    def a_watch_repeats_itself(self, kind: str, most: int) -> None:
        self.stage.process.caches.repeat(kind, most)
        self.stage.process.wake()
        self.go_on()

    @rule(
        failure=st.sampled_from(FAILURES),
        after=st.integers(1, 3),
        answer_lost=st.booleans(),
    )
    def a_write_will_fail(
        self, failure: tuple[str, Exception], after: int, answer_lost: bool
    ) -> None:
        name, error = failure
        deed = fail_with(AWAY if answer_lost else error)
        self.stage.traps.append(Trap(after, deed, after=answer_lost, of=name))

    @rule(failure=st.sampled_from(FAILURES))
    def writes_fail_for_long(self, failure: tuple[str, Exception]) -> None:
        name, error = failure
        if not isinstance(error, ConflictError):
            self.stage.outages[name] = error

    @rule(name=st.sampled_from(["record", "dry run"]), version=st.sampled_from(VERSIONS))
    def a_new_spec_cannot_be_accepted(self, name: str, version: str) -> None:
        self.stage.outages[name] = AWAY
        self.stage.edit(template=template(version), strategy=strategy(STRATEGIES[1]))
        self.go_on()

    @precondition(lambda self: self.stage.outages)
    @rule()
    def writes_work_again(self) -> None:
        self.stage.outages.clear()
        self.go_on()

    @rule(
        name=st.sampled_from(["route", "route", "status", "request", "stable", "canary"]),
        how=st.sampled_from(
            ["killed before", "killed after", "conflict", "refused", "answer lost", "stale"]
        ),
        event=st.sampled_from(["abort", "retry", "promote", *VERSIONS, "fail", "fail", "pods"]),
    )
    def an_event_meets_trouble(self, name: str, how: str, event: str) -> None:
        """Exactly the next write of a kind goes wrong, and something happens at once."""
        if how == "stale":
            self.stage.held_back.add(KIND_OF[name])
        error = ConflictError("changed") if how == "conflict" else AWAY
        deed = self.stage.kill if how.startswith("killed") else fail_with(error)
        after = how in {"killed after", "answer lost", "stale"}
        self.stage.traps.append(Trap(1, deed, after=after, of=name))
        if event == "fail":
            self.world.verdict = Verdict.FAIL
            self.run(self.stage.pass_time(12))
        elif event == "pods":
            self.stage.fail_pods("canary", 8, "crash")
        elif event in VERSIONS:
            self.apply(event)
        else:
            self.stage.ask(event)
        self.go_on()

    @precondition(lambda self: self.stage.phase in ON_TRIAL)
    @rule(
        cause=st.sampled_from(["abort", "fail", "fail"]),
        name=st.sampled_from(["route", "route", "status"]),
        after=st.booleans(),
    )
    def a_rollback_is_cut_in_two(self, cause: str, name: str, after: bool) -> None:
        self.stage.traps.append(Trap(1, self.stage.kill, after=after, of=name))
        if cause == "abort":
            self.stage.ask("abort")
        else:
            self.world.verdict = Verdict.FAIL
        self.run(self.stage.pass_time(12))
        self.go_on()

    @precondition(lambda self: self.stage.phase is Phase.ROLLED_BACK)
    @rule(failure=st.sampled_from([error for name, error in FAILURES if name == "route"]))
    def a_retry_meets_a_router_that_fails(self, failure: Exception) -> None:
        self.stage.traps.append(Trap(1, fail_with(failure), of="route"))
        self.stage.ask("retry")
        self.go_on()

    @rule(count=st.integers(1, 5), after=st.booleans())
    def the_operator_will_be_killed(self, count: int, after: bool) -> None:
        self.stage.traps.append(Trap(count, self.stage.kill, after=after))

    @rule(count=st.integers(1, 4))
    def another_operator_will_lead(self, count: int) -> None:
        self.stage.traps.append(Trap(count, self.stage.depose))

    @rule(
        count=st.integers(1, 4),
        of=st.sampled_from([None, "status", "status", "route"]),
        deed=st.data(),
    )
    def somebody_acts_between_two_writes(
        self, count: int, of: str | None, deed: st.DataObject
    ) -> None:
        choice: Callable[[], None] = deed.draw(
            st.sampled_from(
                [
                    lambda: self.stage.ask("abort"),
                    lambda: self.stage.ask("promote"),
                    lambda: self.apply("v1"),
                    lambda: self.apply("v3"),
                    lambda: self.stage.edit(paused=True),
                    lambda: self.stage.edit(replicas=8),
                    lambda: self.stage.fail_pods("canary", 8, "crash"),
                    lambda: self.stage.fail_pods("stable", 8, "crash"),
                    lambda: self.meddle("weight"),
                    lambda: self.meddle("route"),
                    lambda: self.meddle("canary"),
                ]
            )
        )
        self.stage.traps.append(Trap(count, choice, of=of))

    # How it ends.

    async def come_to_an_end(self) -> None:
        """Once nothing is broken any more, every rollout ends; none hangs with live traffic."""
        await self.stage.heal()
        self.world.verdict = Verdict.PASS
        if self.records_lost:
            return  # what they recorded is to be restored by a person
        if self.world.request is not None:
            await self.stage.pass_time(LONGEST_PAUSE.total_seconds())  # it may pause the rollout
        self.mend_for_the_end()
        await self.stage.pass_time(400)
        moment = self.witness.moment()
        ended = {Phase.STABLE, Phase.ROLLED_BACK}
        if moment.status.phase not in ended or moment.route.weight != 0:
            raise BrokenInvariantError(
                "rest", f"hangs in {moment.status.phase} at {moment.route.weight} %: {moment}"
            )

    def mend_for_the_end(self) -> None:
        """Take away what a person has to take away."""
        self.stage.edit(paused=False, strategy=strategy(STRATEGIES[0]))
        if self.world.request is None:
            self.stage.ask("resume")

    def teardown(self) -> None:
        try:
            if hasattr(self, "stage"):
                self.run(self.come_to_an_end())
        finally:
            self.runner.close()
