"""How many histories are played: few with every change, many at night.

`HISTORIES=nightly` chooses the long profile; `make test-histories` does.
"""

import os

from hypothesis import HealthCheck, Phase, settings

NIGHTLY = os.environ.get("HISTORIES", "ci") == "nightly"

_COMMON = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    stateful_step_count=40,
    print_blob=True,
)
CI = settings(
    _COMMON,
    max_examples=200,
    derandomize=True,  # a change is judged by what it changed, not by luck
    database=None,
)
FULL = settings(_COMMON, max_examples=10_000)

PROFILE = FULL if NIGHTLY else CI

SABOTAGE = settings(
    CI,
    max_examples=800,
    stateful_step_count=10,  # many short histories, still close to the trial that they begin with
    phases=[Phase.generate],
    report_multiple_bugs=False,
)
"""To find what is there for sure; nobody needs the shortest history of it."""


def examples(bounded: int, nightly: int) -> settings:
    """Return the chosen profile with other numbers of examples."""
    return settings(PROFILE, max_examples=nightly if NIGHTLY else bounded)
