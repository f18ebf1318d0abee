"""The same histories with autoscalers, which ask for other numbers of pods at any moment."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from canary_operator.domain import situation, target
from canary_operator.domain.situation import Situation
from canary_operator.domain.target import TrackTarget
from tests.histories.machine import Histories
from tests.histories.profiles import NIGHTLY, examples
from tests.histories.sabotaging import check_found
from tests.histories.stage import Stage
from tests.histories.test_histories import SOME
from tests.histories.vocabulary import TRACKS


class ScaledStage(Stage):
    """A stage where nobody says `replicas`, but between which numbers autoscalers decide."""

    def edit(self, **changes: Any) -> None:
        if "replicas" in changes:
            most = max(1, changes.pop("replicas"))
            bounds = {"minReplicas": max(1, most // 2), "maxReplicas": most}
            changes["autoscaling"] = {**self.world.spec["autoscaling"], **bounds}
        super().edit(**changes)


class ScaledHistories(Histories):
    """Histories of a rollout whose pods are autoscaled; stable's floor is held."""

    census: ClassVar[Counter[str]] = Counter()
    stage_kind = ScaledStage
    spec: ClassVar[dict[str, Any]] = {"autoscaling": {"minReplicas": 2, "maxReplicas": 12}}

    async def begin_with(self, begins: str) -> None:
        await super().begin_with(begins)
        self.decide(TRACKS, 9)

    def decide(self, tracks: Sequence[str], pods: int) -> None:
        for track in tracks:
            if self.world.autoscale(track, pods):
                self.census[f"{track} scaled in {self.stage.phase}"] += 1
        self.stage.changed()

    @rule(track=st.sampled_from([*TRACKS, "both"]), pods=st.sampled_from([1, 3, 4, 6, 9, 20]))
    def autoscalers_decide(self, track: str, pods: int) -> None:
        self.decide(TRACKS if track == "both" else (track,), pods)
        self.go_on()

    @rule(track=st.sampled_from(TRACKS))
    def somebody_deletes_an_autoscaler(self, track: str) -> None:
        self.world.autoscalers.pop(track, None)
        self.stage.changed()
        self.go_on()


class LeftToItselfHistories(ScaledHistories):
    """The same, where stable may lose pods while the canary climbs."""

    census: ClassVar[Counter[str]] = Counter()
    spec: ClassVar[dict[str, Any]] = {
        "autoscaling": {
            "minReplicas": 2,
            "maxReplicas": 12,
            "capacity": {"stableFloor": "HPA"},
        }
    }


SCALED = tuple(
    f"{track} scaled in {phase}" for track in TRACKS for phase in ("Progressing", "Promoting")
)


EXHAUSTIVE = pytest.mark.exhaustive


@pytest.mark.timeout(0)
@pytest.mark.parametrize(
    "machine", [ScaledHistories, pytest.param(LeftToItselfHistories, marks=EXHAUSTIVE)]
)
def test_the_invariants_hold_whatever_autoscalers_do(machine: type[ScaledHistories]) -> None:
    logging.disable(logging.CRITICAL)
    machine.census.clear()
    try:
        run_state_machine_as_test(machine, settings=examples(60, 5_000))
    finally:
        logging.disable(logging.NOTSET)
    rare = ("kill", "new leader", "write from stale")  # which other histories reach
    wanted = [what for what in (*SOME, *SCALED) if NIGHTLY or not what.startswith(rare)]
    missing = [what for what in wanted if not machine.census[what]]
    assert not missing, "the histories never got there"


def forget_what_may_come_back(patch: pytest.MonkeyPatch) -> None:
    def careless(at: Situation) -> int:
        return at.spec.least_replicas

    patch.setattr(target, "stable_floor", careless)


def have_the_word(patch: pytest.MonkeyPatch) -> None:
    sized = target._sized

    def stubborn(*args: Any, **how: Any) -> TrackTarget:
        chosen = sized(*args, **how)
        floor = chosen.bounds.least if chosen.bounds else chosen.replicas
        return replace(chosen, replicas=floor)

    patch.setattr(target, "_sized", stubborn)


def raise_for_the_fewest_pods(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(situation, "full_load", lambda at: at.spec.least_replicas)


@pytest.mark.parametrize(
    ("sabotage", "broken"),
    [
        pytest.param(forget_what_may_come_back, {"I4 of floors", "I4"}, marks=EXHAUSTIVE),
        (have_the_word, {"I4"}),
        pytest.param(raise_for_the_fewest_pods, {"I2", "I4 of floors"}, marks=EXHAUSTIVE),
    ],
)
def test_the_histories_find(
    sabotage: Callable[[pytest.MonkeyPatch], None],
    broken: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sabotage(monkeypatch)
    check_found(ScaledHistories, broken)
