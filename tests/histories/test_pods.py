"""The same histories without a mesh: pods behind one Service are the share."""

import logging
from collections import Counter
from typing import Any, ClassVar

import pytest
from hypothesis.stateful import run_state_machine_as_test

from canary_operator.testing.builders import without_a_mesh
from tests.histories.machine import Histories
from tests.histories.profiles import NIGHTLY, examples
from tests.histories.test_histories import SOME


class PodHistories(Histories):
    """Histories of a rollout whose steps are rounded up to what its pods can give."""

    census: ClassVar[Counter[str]] = Counter()
    spec: ClassVar[dict[str, Any]] = without_a_mesh(5, 20, 50, replicas=4, rounding="Up")

    async def begin_with(self, begins: str) -> None:
        if begins == "promoting":  # where pods are the raise, they come after it
            await self.until(self.half_are_canaries)
        await super().begin_with(begins)

    def half_are_canaries(self) -> bool:
        moment = self.witness.moment()
        return moment.status.weight == 50 and moment.canary.available == moment.stable.available


@pytest.mark.timeout(0)
def test_the_invariants_hold_where_pods_are_the_split() -> None:
    logging.disable(logging.CRITICAL)
    PodHistories.census.clear()
    try:
        run_state_machine_as_test(PodHistories, settings=examples(80, 5_000))
    finally:
        logging.disable(logging.NOTSET)
    rare = ("kill", "new leader", "write from stale")  # which other histories reach
    wanted = [what for what in SOME if NIGHTLY or not what.startswith(rare)]
    missing = [what for what in wanted if not PodHistories.census[what]]
    assert not missing, "the histories never got there"
