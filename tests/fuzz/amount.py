"""How much is generated: a bounded, repeatable amount, or as much as `FUZZ_EXAMPLES` says."""

import os
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

T = TypeVar("T")

VARIABLE = "FUZZ_EXAMPLES"
"""Examples for each test; new ones in each run, and a failure is tried first in the next run."""


def asked_for_more() -> bool:
    """Whether this run may take as long as it needs."""
    return VARIABLE in os.environ


def examples(few: int) -> settings:
    """Return the settings of a test that has `few` examples unless more are asked for."""
    asked = os.environ.get(VARIABLE)
    return settings(
        max_examples=int(asked or few),
        derandomize=asked is None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


def generated(strategy: st.SearchStrategy[T], few: int) -> list[T]:
    """Return examples, for tests that need them all at once; never more than `few`."""
    found: list[T] = []

    @settings(examples(few), max_examples=few, phases=[Phase.generate], database=None)
    @given(strategy)
    def collect(one: Any) -> None:
        found.append(one)

    collect()
    return found
