"""Runs of a scenario, counted, and what they say with which confidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

import numpy as np

from benchmarks.decision_quality.rules import INTERVAL, RULES, End
from benchmarks.decision_quality.scenarios import Scenario
from benchmarks.decision_quality.traffic import clumping_before, observer

SEED = 20261127
CHUNK = 500
FEWER = 10
"""Other rules than the comparison are run less often: nothing rare is claimed of them."""
PASTS = 50
"""Pasts of stable that the runs of a chunk draw from."""
Z95 = 1.959964


@dataclass(frozen=True)
class Result:
    """What became of all runs of a scenario under one set of rules."""

    scenario: Scenario
    rules: str
    runs: int
    rolled_back: int
    promoted: int
    seconds: float | None
    """Median time to a rollback."""
    hurt: float | None
    """Median of canary requests that failed until then."""

    @property
    def share(self) -> float:
        """Share of the runs that were rolled back."""
        return self.rolled_back / self.runs

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of that share."""
        n, p, z = self.runs, self.share, Z95
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        spread = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return max(0.0, middle - spread), min(1.0, middle + spread)

    @property
    def holds(self) -> bool:
        """Whether the claim holds; for rare outcomes the share itself is claimed."""
        claim = self.scenario.claim
        share = claim.rolled_back_at_least <= self.share <= claim.rolled_back_at_most
        limit = claim.median_seconds_at_most
        return share and (limit is None or (self.seconds or 0) <= limit)


def jobs(scenarios: Sequence[Scenario]) -> list[tuple[int, str, int, int]]:
    """Return scenario, rules, seed and runs of every chunk of work."""
    return [
        (index, rules, SEED + start, min(CHUNK, runs - start))
        for index, scenario in enumerate(scenarios)
        for rules in RULES
        for runs in [scenario.runs if rules == "comparison" else max(200, scenario.runs // FEWER)]
        for start in range(0, runs, CHUNK)
    ]


def run(scenario: Scenario, rules: str, seed: int, runs: int) -> list[End]:
    """Return how some runs ended."""
    chance = np.random.default_rng([seed, scenario.runs, *scenario.name.encode()])
    past = [
        clumping_before(scenario.service, INTERVAL, chance)
        for _ in range(PASTS if rules == "comparison" else 1)
    ]
    return [
        RULES[rules](observer(scenario.service, chance), past[index % len(past)], scenario.plan)
        for index in range(runs)
    ]


def summed(scenario: Scenario, rules: str, ends: Sequence[End]) -> Result:
    """Return what became of all runs."""
    back = [end for end in ends if end.rolled_back]
    return Result(
        scenario,
        rules,
        len(ends),
        len(back),
        sum(end.promoted for end in ends),
        median(end.seconds for end in back) if back else None,
        median(end.hurt for end in back) if back else None,
    )
