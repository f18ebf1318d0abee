"""Everything is read once before anything begins."""

import logging

import pytest

from canary_operator.controller.filling import Filling
from canary_operator.domain.errors import ForbiddenError
from tests.support.virtual_time import now, run

ROLLOUTS = "canaryrollouts.canary-operator.dev"


class Api:
    """Cannot be read for some tries."""

    def __init__(self, *troubles: str) -> None:
        self.troubles = list(troubles)

    async def read(self) -> None:
        if self.troubles:
            raise ForbiddenError(self.troubles.pop(0))


def test_filled_and_watched_is_ready() -> None:
    filling = Filling(Api().read, ROLLOUTS)
    assert filling.missing() == "not read yet"
    run(filling.until_filled())
    assert filling.missing() == f"{ROLLOUTS} not watched yet"
    filling.asked("list", ROLLOUTS, "")
    filling.asked("watch", "pods", "")
    assert filling.missing() == f"{ROLLOUTS} not watched yet"
    filling.asked("watch", ROLLOUTS, "demo")
    assert filling.missing() is None


def test_what_is_in_the_way_is_told_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    filling = Filling(Api("no right", "no right", "no CRD").read, ROLLOUTS)

    async def story() -> float:
        await filling.until_filled()
        return now()

    assert run(story()) == pytest.approx(0.5 + 1.0 + 2.0)
    told = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert told == [f"The operator cannot begin yet: {words}" for words in ("no right", "no CRD")]


def test_a_long_trouble_is_told_about_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    run(Filling(Api(*["no right"] * 24).read, ROLLOUTS).until_filled())
    assert len(caplog.records) == 4
