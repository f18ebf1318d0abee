"""What is simulated, and what the comparison has to show."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.decision_quality.rules import Plan
from benchmarks.decision_quality.traffic import Service

HOUR = Plan(weights=(10,), hold=3600)
SELDOM = 2_000
"""Runs of scenarios whose claim is about common outcomes."""

HEALTHY_RUNS = {
    0.0001: {1: 8_000, 10: 8_000, 100: 20_000, 1000: 20_000},
    0.001: {1: 8_000, 10: 30_000, 100: 40_000, 1000: 20_000},
    0.01: {1: 15_000, 10: 50_000, 100: 20_000, 1000: 20_000},
}
"""Runs of healthy canaries, by error rate and requests a second. Runs with other seeds said how
many it takes for the interval of a rare outcome to end below what is claimed."""


@dataclass(frozen=True)
class Claim:
    """What has to hold for the comparison, with a confidence of 95 %."""

    rolled_back_at_most: float = 1.0
    rolled_back_at_least: float = 0.0
    median_seconds_at_most: float | None = None


@dataclass(frozen=True)
class Scenario:
    """One service, and a rollout on it."""

    name: str
    service: Service
    claim: Claim | None = None
    runs: int = SELDOM
    plan: Plan = field(default_factory=Plan)
    healthy: bool = True
    """Whether a rollback is an error."""


def healthy() -> Sequence[Scenario]:
    """Return healthy canaries of quiet and busy, good and bad services."""
    return [
        Scenario(
            f"healthy, {100 * base:g} % errors, {rate:g}/s",
            Service(rate, stable=base),
            Claim(rolled_back_at_most=0.001),
            runs=runs,
        )
        for base, by_rate in HEALTHY_RUNS.items()
        for rate, runs in by_rate.items()
    ]


SCENARIOS: Sequence[Scenario] = (
    *healthy(),
    Scenario(
        "healthy, 0.1 % errors, 100/s, an hour",
        Service(100),
        Claim(rolled_back_at_most=0.01),
        runs=3_000,
        plan=HOUR,
    ),
    Scenario(
        "healthy, 1 % errors in clumps of 20, 100/s",
        Service(100, stable=0.01, clump=20),
        Claim(rolled_back_at_most=0.01),
        runs=5_000,
    ),
    *(
        Scenario(
            f"both at {100 * share:g} % for 2 minutes, 100/s",
            Service(100, outage=(60, 180, share)),
            Claim(rolled_back_at_most=0.005),
            runs=5_000,
        )
        for share in (0.05, 0.3)
    ),
    Scenario(
        "no canary traffic, 100/s",
        Service(100, bypassed=True),
        Claim(rolled_back_at_most=0.0),
        runs=200,
    ),
    Scenario(
        "canary +0.5 points, 100/s",
        Service(100, canary=0.006),
        Claim(rolled_back_at_least=0.9, median_seconds_at_most=180),
        healthy=False,
    ),
    Scenario(
        "canary +5 points, 100/s",
        Service(100, canary=0.051),
        Claim(rolled_back_at_least=1.0, median_seconds_at_most=40),
        healthy=False,
    ),
    Scenario(
        "canary +0.1 points, 1000/s",
        Service(1000, canary=0.002),
        Claim(rolled_back_at_least=0.7),
        healthy=False,
    ),
    Scenario(
        "canary +0.5 points, 1000/s",
        Service(1000, canary=0.006),
        Claim(rolled_back_at_least=1.0, median_seconds_at_most=60),
        healthy=False,
    ),
    Scenario(
        "canary +5 points, 1 % errors in clumps of 20, 100/s",
        Service(100, stable=0.01, canary=0.06, clump=20),
        healthy=False,
    ),
    Scenario("canary +5 points, 1/s", Service(1, canary=0.051), healthy=False),
    Scenario("canary +5 points, 10/s", Service(10, canary=0.051), healthy=False),
)
