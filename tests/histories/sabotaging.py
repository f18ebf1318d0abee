"""A broken engine is played, and its histories have to notice."""

import logging
from collections.abc import Set as AbstractSet

import pytest
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.histories.invariants import BrokenInvariantError
from tests.histories.profiles import SABOTAGE


def check_found(machine: type[RuleBasedStateMachine], broken: AbstractSet[str]) -> None:
    """Check that histories of a sabotaged engine break one of these invariants."""
    logging.disable(logging.CRITICAL)
    try:
        with pytest.raises(BrokenInvariantError) as found:
            run_state_machine_as_test(machine, settings=SABOTAGE)
    finally:
        logging.disable(logging.NOTSET)
    assert found.value.name in broken, found.value
