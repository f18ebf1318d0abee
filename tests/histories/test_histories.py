"""I1 to I5 over generated histories, and that those histories reach what they are about."""

import logging
import sys
import time

import pytest
from hypothesis.stateful import run_state_machine_as_test

from canary_operator.domain.phase import Phase
from tests.histories.machine import Histories
from tests.histories.profiles import NIGHTLY, PROFILE

MOST = (Phase.STABLE, Phase.PROGRESSING, Phase.PROMOTING, Phase.ROLLING_BACK, Phase.ROLLED_BACK)
SOME = (
    "raise",
    "Promoted: Promoted",
    "Reverted: Reverted",
    "RolledBack: Aborted",
    "RolledBack: AnalysisFailed",
    *(f"phase {phase}" for phase in Phase),
    *(f"kill in {phase}" for phase in MOST),
    *(f"new leader in {phase}" for phase in (Phase.STABLE, Phase.PROGRESSING)),
    *(f"write from stale caches in {phase}" for phase in (Phase.STABLE, Phase.PROGRESSING)),
)
"""What the histories of every run have to contain."""
EVERYTHING = (
    *SOME,
    "Superseded: Superseded",
    "RolledBack: ProgressDeadlineExceeded",
    "RolledBack: NoData",
    *(f"kill in {phase}" for phase in Phase),
    *(f"new leader in {phase}" for phase in Phase),
    *(f"write from stale caches in {phase}" for phase in Phase),
)
"""What those of a night have to contain."""


@pytest.mark.timeout(0)
def test_the_invariants_hold_whatever_happens(capsys: pytest.CaptureFixture[str]) -> None:
    logging.disable(logging.CRITICAL)
    Histories.census.clear()
    started = time.monotonic()
    try:
        run_state_machine_as_test(Histories, settings=PROFILE)
    finally:
        logging.disable(logging.NOTSET)
    seconds = time.monotonic() - started
    lines = [f"\n{Histories.census['history']:,} histories in {seconds:,.0f} s"]
    lines += [f"  {count:>7,} {what}" for what, count in sorted(Histories.census.items())]
    with capsys.disabled():
        sys.stdout.write("\n".join(lines) + "\n")
    wanted = EVERYTHING if NIGHTLY else SOME
    missing = [what for what in wanted if not Histories.census[what]]
    assert not missing, "the histories never got there"
