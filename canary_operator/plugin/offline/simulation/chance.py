"""Random counts from a seed: Poisson and binomial, exact at every size.

Small means are drawn event by event; large ones by W. Hörmann's transformed rejection (PTRS, 1993,
and BTRS of the same year), which takes the same time however large they are. Nothing is
approximated by a normal distribution.
"""

from collections.abc import Sequence
from math import exp, floor, lgamma, log, log1p, sqrt
from random import Random

FEW = 10.0
"""Means below it are drawn event by event."""

HALF = 0.5


class Chance:
    """A stream of random counts; the same seed gives the same ones."""

    def __init__(self, seed: int | str) -> None:
        self._random = Random(seed)  # noqa: S311 - no secret is made of it
        self.uniform = self._random.random
        """Returns a number from 0 to below 1."""

    def poisson(self, mean: float) -> int:
        """Return how many independent events happen where `mean` do on average."""
        if mean <= 0:
            return 0
        return self._few_events(mean) if mean < FEW else self._many_events(mean)

    def poissons(self, means: Sequence[float]) -> tuple[int, ...]:
        """Return one count for each of some means."""
        return tuple([self.poisson(mean) if mean else 0 for mean in means])

    def binomial(self, count: int, share: float) -> int:
        """Return how many of `count` are chosen, each with a probability of `share`."""
        if count <= 0 or share <= 0:
            return 0
        if share >= 1:
            return count
        if share > HALF:
            return count - self.binomial(count, 1 - share)
        if count * share < FEW:
            return self._few_chosen(count, share)
        return self._many_chosen(count, share)

    def _few_events(self, mean: float) -> int:
        limit, product, count = exp(-mean), self.uniform(), 0
        while product > limit:
            product *= self.uniform()
            count += 1
        return count

    def _many_events(self, mean: float) -> int:
        b = 0.931 + 2.53 * sqrt(mean)
        a = -0.059 + 0.02483 * b
        scale = 1.1239 + 1.1328 / (b - 3.4)
        quick = 0.9277 - 3.6224 / (b - 2)
        while True:
            u, v = self.uniform() - HALF, 1 - self.uniform()
            near = HALF - abs(u)
            if near <= 0:
                continue
            count = floor((2 * a / near + b) * u + mean + 0.43)
            if near >= 0.07 and v <= quick:  # noqa: PLR2004 - the constants of PTRS
                return count
            if count < 0 or (near < 0.013 and v > near):  # noqa: PLR2004
                continue
            density = count * log(mean) - mean - lgamma(count + 1)
            if log(v * scale / (a / (near * near) + b)) <= density:
                return count

    def _few_chosen(self, count: int, share: float) -> int:
        """Jump from one that is chosen to the next; the distances are geometric."""
        chosen, place, never = 0, 0, log1p(-share)
        while True:
            place += floor(log(1 - self.uniform()) / never) + 1
            if place > count:
                return chosen
            chosen += 1

    def _many_chosen(self, count: int, share: float) -> int:
        deviation = sqrt(count * share * (1 - share))
        b = 1.15 + 2.53 * deviation
        a = -0.0873 + 0.0248 * b + 0.01 * share
        quick = 0.92 - 4.2 / b
        scale = (2.83 + 5.1 / b) * deviation
        relation, mode = log(share / (1 - share)), floor((count + 1) * share)
        highest = lgamma(mode + 1) + lgamma(count - mode + 1)
        while True:
            u, v = self.uniform() - HALF, 1 - self.uniform()
            near = HALF - abs(u)
            if near <= 0:
                continue
            chosen = floor((2 * a / near + b) * u + count * share + HALF)
            if not 0 <= chosen <= count:
                continue
            if near >= 0.07 and v <= quick:  # noqa: PLR2004 - the constants of BTRS
                return chosen
            density = highest - lgamma(chosen + 1) - lgamma(count - chosen + 1)
            density += (chosen - mode) * relation
            if log(v * scale / (a / (near * near) + b)) <= density:
                return chosen
