"""Runs of a scenario, counted, and what they say with which confidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

import numpy as np

from benchmarks.decision_quality.peers import OURS, RULES, UNCLUMPED
from benchmarks.decision_quality.rules import INTERVAL, End
from benchmarks.decision_quality.scenarios import Claim, Scenario
from benchmarks.decision_quality.traffic import clumping_before, observer

SEED = 20261127
CHUNK = 500
MOST_OF_OTHERS = 1000
"""Runs of other rules than the comparison with its defaults: nothing rare is claimed of them."""
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
    def undecided(self) -> int:
        """Runs that the progress deadline ended."""
        return self.runs - self.rolled_back - self.promoted

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of that share."""
        n, p, z = self.runs, self.share, Z95
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        spread = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return max(0.0, middle - spread), min(1.0, middle + spread)

    @property
    def holds(self) -> bool:
        """Whether the runs show what is claimed: the whole interval is on the right side of it.

        No number of runs could show "always" or "never" that way; there it is all runs or none.
        """
        claim = self.scenario.claim or Claim()
        low, high = self.interval
        most, least = claim.rolled_back_at_most, claim.rolled_back_at_least
        limit = claim.median_seconds_at_most
        return (
            (high <= most or (most == 0 and self.rolled_back == 0))
            and (low >= least or (least == 1 and self.rolled_back == self.runs))
            and (limit is None or (self.seconds is not None and self.seconds <= limit))
        )


def jobs(scenarios: Sequence[Scenario]) -> list[tuple[int, str, int, int]]:
    """Return scenario, rules, seed and runs of every chunk of work."""
    return [
        (index, rules, SEED + start, min(CHUNK, runs - start))
        for index, scenario in enumerate(scenarios)
        for rules in rules_for(scenario)
        for runs in [scenario.runs if rules == OURS else min(scenario.runs, MOST_OF_OTHERS)]
        for start in range(0, runs, CHUNK)
    ]


def rules_for(scenario: Scenario) -> list[str]:
    """Return the rules that a scenario is about; without clumps two of them are the same."""
    return [rules for rules in RULES if rules != UNCLUMPED or scenario.service.clump > 1]


def run(scenario: Scenario, rules: str, seed: int, runs: int) -> list[End]:
    """Return how some runs ended."""
    chance = np.random.default_rng([seed, scenario.runs, *scenario.name.encode()])
    service = scenario.service
    return [
        RULES[rules](
            observer(service, chance),
            clumping_before(service, INTERVAL, chance) if rules == OURS else 1.0,
            scenario.plan,
        )
        for _ in range(runs)
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
