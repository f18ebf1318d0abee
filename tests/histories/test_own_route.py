"""The same histories over a VirtualService that its user goes on to edit, rename and delete."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from canary_operator.adapters.traffic import istio_foreign
from canary_operator.adapters.traffic.istio_foreign import RouteLender
from canary_operator.adapters.traffic.istio_leftovers import Leftover
from canary_operator.adapters.traffic.istio_shares import Split, Wish
from canary_operator.domain.phase import Phase
from canary_operator.engine.lending import Lending
from tests.histories.invariants import BrokenInvariantError
from tests.histories.machine import Histories
from tests.histories.own_route import BREAKS, PRIMARY, SECOND
from tests.histories.own_route_stage import OwnRouteStage
from tests.histories.profiles import NIGHTLY, examples
from tests.histories.sabotaging import check_found
from tests.histories.stage import Trap
from tests.histories.test_histories import SOME

ROUTES = (PRIMARY, SECOND)
BEARABLE = tuple(sorted(set(BREAKS) - {"stable gone"}))
"""All but one that may leave nobody to take the canary's share: `tests/engine` tells of that."""


class OwnRouteHistories(Histories):
    """Histories of a rollout that splits two routes of a user's VirtualService."""

    census: ClassVar[Counter[str]] = Counter()
    stage_kind = OwnRouteStage
    spec: ClassVar[dict[str, Any]] = {"routes": ROUTES}
    stage: OwnRouteStage
    deleted = "never"

    @initialize(deleted=st.sampled_from(["never", "in the middle", "at the end"]))
    def decide_when_it_is_deleted(self, deleted: str) -> None:
        self.deleted = deleted

    # What the user does to the VirtualService.

    def meddle(self, what: str) -> None:
        if what == "route":
            self.stage.mend_route(keeps_share=False)
        else:
            super().meddle(what)

    def break_route(self, name: str, how: str) -> None:
        self.stage.break_route(name, how)
        self.census.update((how, f"{how} in {self.stage.phase}"))

    @rule(name=st.sampled_from(ROUTES), how=st.sampled_from(BEARABLE))
    def the_user_breaks_a_route(self, name: str, how: str) -> None:
        self.break_route(name, how)
        self.go_on()

    @rule(keeps_share=st.booleans())
    def the_user_applies_the_repository(self, keeps_share: bool) -> None:
        self.stage.mend_route(keeps_share=keeps_share)
        self.go_on()

    @rule(seconds=st.sampled_from([0, 1, 40]))
    def the_virtual_service_is_replaced(self, seconds: int) -> None:
        self.stage.delete_route()
        self.run(self.stage.pass_time(seconds))
        self.stage.create_route()
        self.go_on()

    @rule(
        count=st.integers(1, 3),
        of=st.sampled_from(["route", "route", "status", "canary"]),
        name=st.sampled_from(ROUTES),
        how=st.sampled_from(["deleted", "mended", *BEARABLE]),
    )
    def the_user_acts_between_two_writes(self, count: int, of: str, name: str, how: str) -> None:
        def act() -> None:
            if how == "deleted":
                self.stage.delete_route()
            elif how == "mended":
                self.stage.mend_route(keeps_share=False)
            else:
                self.break_route(name, how)

        self.stage.traps.append(Trap(count, act, of=of))

    # How it ends.

    async def come_to_an_end(self) -> None:
        if self.deleted == "in the middle":
            await self.delete()
        else:
            await super().come_to_an_end()
            if not self.records_lost:
                await self.rest()
            if self.deleted == "at the end":
                await self.delete()

    def mend_for_the_end(self) -> None:
        self.stage.mend_route(keeps_share=True)
        super().mend_for_the_end()

    async def rest(self) -> None:
        """Nothing is written any more."""
        writes = list(self.world.writes)
        await self.stage.pass_time(1000)
        if self.world.writes != writes:
            raise BrokenInvariantError("rest", f"written: {self.world.writes[len(writes) :]}")

    async def delete(self) -> None:
        """Delete the rollout as it stands; it goes once nothing is in its way any more."""
        self.census[f"deleted in {self.stage.phase}"] += 1
        edits = self.stage.own.edits
        self.stage.delete()
        await self.stage.pass_time(20)
        await self.stage.heal()
        if not self.world.is_gone:
            self.stage.mend_route(keeps_share=True)
            await self.stage.pass_time(60)
            edits = self.stage.own.edits
        if not self.world.is_gone:
            raise BrokenInvariantError("loan", "the rollout stays, and nothing is in its way")
        if self.world.route.weight and edits == self.stage.own.edits:
            raise BrokenInvariantError("loan", f"it is gone, and left {self.world.route}")


SOME_MET = (*BEARABLE, f"deleted in {Phase.STABLE}", f"deleted in {Phase.PROGRESSING}")
"""What these histories have to contain beside what all do."""
MET = (
    *SOME_MET,
    *(f"{how} in {phase}" for how in BEARABLE for phase in (Phase.STABLE, Phase.PROGRESSING)),
    f"deleted in {Phase.PROMOTING}",
)
"""What those of a night have to contain."""


@pytest.mark.timeout(0)
def test_the_invariants_hold_whatever_users_do_to_their_route() -> None:
    logging.disable(logging.CRITICAL)
    OwnRouteHistories.census.clear()
    try:
        run_state_machine_as_test(OwnRouteHistories, settings=examples(50, 5_000))
    finally:
        logging.disable(logging.NOTSET)
    rare = ("kill", "new leader", "write from stale")  # which other histories reach
    met = MET if NIGHTLY else SOME_MET
    wanted = [what for what in (*SOME, *met) if NIGHTLY or not what.startswith(rare)]
    missing = [what for what in wanted if not OwnRouteHistories.census[what]]
    assert not missing, "the histories never got there"


def forget_to_give_back(patch: pytest.MonkeyPatch) -> None:
    async def careless(*_: Any) -> bool:
        return False

    patch.setattr(RouteLender, "give_back", careless)


def borrow_without_a_finalizer(patch: pytest.MonkeyPatch) -> None:
    async def careless(*_: Any) -> bool:
        return False

    patch.setattr(Lending, "guard", careless)


def forget_shares_in_broken_routes(patch: pytest.MonkeyPatch) -> None:
    def blind(*_: Any) -> Iterator[Leftover]:
        yield from ()

    patch.setattr(Wish, "_leftovers", blind)


def write_weights_that_are_there(patch: pytest.MonkeyPatch) -> None:
    def stubborn(splits: Sequence[Split], share: int) -> list[dict[str, Any]]:
        return [
            {"op": "add", "path": f"{split.path}/route/0/weight", "value": 100 - share}
            for split in splits
        ]

    patch.setattr(istio_foreign, "weight_operations", stubborn)


@pytest.mark.parametrize(
    ("sabotage", "broken"),
    [
        (forget_to_give_back, {"loan"}),
        (borrow_without_a_finalizer, {"loan"}),
        (forget_shares_in_broken_routes, {"loan", "pods", "rest"}),
        (write_weights_that_are_there, {"rest"}),
    ],
)
def test_the_histories_find(
    sabotage: Callable[[pytest.MonkeyPatch], None],
    broken: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sabotage(monkeypatch)
    check_found(OwnRouteHistories, broken)
