"""Synthetic requests to two versions, second by second, from a seed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from canary_operator.domain.bets import Window
from canary_operator.domain.clumping import clumping_of

PODS = 4
PAST_WINDOWS = 60
WHOLE = 100


@dataclass(frozen=True)
class Service:
    """What callers ask for, and how often both versions fail."""

    rate: float
    """Requests a second, to both versions together."""
    stable: float = 0.001
    """Share of stable's requests that fail."""
    canary: float | None = None
    """Share of the canary's requests that fail; stable's where it is None."""
    outage: tuple[float, float, float] | None = None
    """From second, to second, share of the requests that both versions fail meanwhile."""
    clump: int = 1
    """Failures come so many at a time, in one version."""
    bypassed: bool = False
    """Whether the canary gets no request at all, whatever its weight."""

    def bad(self, track: float | None, second: float) -> float:
        """Return the share of failures at a moment."""
        own = self.stable if track is None else track
        if self.outage and self.outage[0] <= second < self.outage[1]:
            return max(own, self.outage[2])
        return own


Observe = Callable[[float, float, int], Window]
"""Requests between two seconds at a weight in percent."""


def observer(service: Service, chance: np.random.Generator) -> Observe:
    """Return random traffic of a service."""

    def observe(start: float, end: float, weight: int) -> Window:
        share = 0.0 if service.bypassed else weight / WHOLE
        requests = int(chance.poisson(service.rate * (end - start)))
        canary = int(chance.binomial(requests, share))
        stable = requests - canary
        middle = (start + end) / 2
        return Window(
            canary,
            _failures(canary, service.bad(service.canary, middle), service.clump, chance),
            stable,
            _failures(stable, service.bad(None, middle), service.clump, chance),
        )

    return observe


def _failures(requests: int, rate: float, clump: int, chance: np.random.Generator) -> int:
    if clump == 1:
        return int(chance.binomial(requests, rate))
    return min(requests, clump * int(chance.poisson(requests * rate / clump)))


def clumping_before(service: Service, interval: float, chance: np.random.Generator) -> float:
    """Return what the A/A test says of stable before the rollout, by the operator's own code."""
    requests = chance.poisson(service.rate * interval / PODS, size=(PAST_WINDOWS, PODS))
    if service.clump == 1:
        bad = chance.binomial(requests, service.stable)
    else:
        clumps = chance.poisson(requests * service.stable / service.clump)
        bad = np.minimum(requests, service.clump * clumps)
    names = [str(pod) for pod in range(PODS)]
    windows = zip(requests.tolist(), bad.tolist(), strict=True)
    return clumping_of([dict(zip(names, zip(*one, strict=True), strict=True)) for one in windows])
