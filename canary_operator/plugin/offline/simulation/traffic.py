"""Requests of both versions: as they happen, as proxies count them, as Prometheus sees them.

Requests come as a Poisson process; each fails, or is given up by its caller, independently of the
others, and takes a time from a log-normal distribution. Then the numbers of each kind are
independent Poisson numbers, which is how they are drawn. Counters are known at the moments that
somebody asked for; a moment in between splits what happened binomially, and stays as it was drawn.

Both views, the callers' and the pods', count the same.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise

from canary_operator.domain.counts import (
    Buckets,
    Count,
    Durations,
    Histograms,
    Tracks,
    Traffic,
    View,
)
from canary_operator.plugin.offline.simulation.chance import Chance

BOUNDS: tuple[float, ...] = (
    *(0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000),
    *(300_000, 600_000, 1_800_000, 3_600_000, math.inf),
)
"""Upper bounds of Istio's histograms of durations, in milliseconds."""

SPREAD = 0.5
"""Standard deviation of the logarithm of a duration: 95 % of the requests take at most 2.3 times
the median, 99 % 3.2 times."""

NEGLIGIBLE = 1e-9
"""A share of the requests below it is none."""

LOOKBACK = timedelta(minutes=5) // timedelta(milliseconds=1)
"""How far before a window the product looks for what counters had; see `domain.promql`."""

Counts = tuple[int, ...]
Rates = tuple[float, ...]


class Source(IntEnum):
    """Pods that are counted apart."""

    CANARY = 0
    """The canary's."""
    STABLE = 1
    """Stable's, of the old version."""
    PROMOTED = 2
    """Stable's, of the new version: there are some while it is promoted."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the pods of one version answer."""

    errors: float
    """Share of the requests that fail, 0 to 1."""
    hang_up: float
    """Share of the callers that give up before the response, 0 to 1."""
    latency: timedelta
    """Median time to a response."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What is sent while nothing changes: requests a second to each source, and what they do."""

    rps: tuple[float, float, float]
    """By `Source`."""
    new: Behaviour
    old: Behaviour

    def rates(self, *, timed: bool) -> Rates:
        """Return a rate, per second, for each kind of request; see `Kinds`."""
        behaviours = (self.new, self.old, self.new)
        each = (
            _rates(rps, behaviour, timed)
            for rps, behaviour in zip(self.rps, behaviours, strict=True)
        )
        return tuple(rate for rates in each for rate in rates)


@lru_cache(maxsize=256)
def _rates(rps: float, behaviour: Behaviour, timed: bool) -> Rates:
    """Return the rates of one source: given up, then good ones by duration, then bad ones."""
    shares = _durations(behaviour.latency) if timed else (1.0,)
    answered = rps * (1 - behaviour.hang_up)
    good, bad = answered * (1 - behaviour.errors), answered * behaviour.errors
    return (
        rps * behaviour.hang_up,
        *(good * share for share in shares),
        *(bad * share for share in shares),
    )


def _durations(median: timedelta) -> Rates:
    """Return the share of requests in each bucket."""
    middle = math.log(max(median / timedelta(milliseconds=1), 0.001))
    below = [_normal((math.log(bound) - middle) / SPREAD) for bound in BOUNDS[:-1]]
    edges = [0.0, *below, 1.0]
    shares = [high - low for low, high in pairwise(edges)]
    return tuple(share if share > NEGLIGIBLE else 0.0 for share in shares)


def _normal(deviations: float) -> float:
    return (1 + math.erf(deviations / math.sqrt(2))) / 2


@dataclass(frozen=True, slots=True)
class Kinds:
    """Which number is which among the counts of all sources."""

    timed: bool
    """Whether durations are counted, too."""

    @property
    def buckets(self) -> int:
        """Buckets of a histogram; one where durations are not counted."""
        return len(BOUNDS) if self.timed else 1

    @property
    def size(self) -> int:
        """Numbers of all sources together."""
        return len(Source) * (1 + 2 * self.buckets)

    def count(self, counts: Counts, sources: Iterable[Source]) -> Count:
        """Return the requests of some sources together."""
        size, total = 1 + 2 * self.buckets, Count()
        for source in sources:
            hung_up, *rest = counts[source * size : (source + 1) * size]
            bad = sum(rest[self.buckets :])
            total += Count(sum(rest), bad, hung_up)
        return total

    def histogram(self, counts: Counts, sources: Iterable[Source]) -> Buckets:
        """Return how many requests of some sources took at most so long; without hung-up ones."""
        size, buckets = 1 + 2 * self.buckets, self.buckets
        found, below = {}, 0
        for index, bound in enumerate(BOUNDS):
            for source in sources:
                start = source * size + 1 + index
                below += counts[start] + counts[start + buckets]
            found[bound] = below
        return found


class Counters:
    """The counters of all proxies, from the first moment on; times are whole milliseconds."""

    def __init__(self, chance: Chance, begins: int, kinds: int) -> None:
        self._chance = chance
        self._times = [begins]
        self._counts: list[Counts] = [(0,) * kinds]

    @property
    def now(self) -> int:
        """The latest moment."""
        return self._times[-1]

    def pass_time(self, until: int, rates: Rates) -> None:
        """Draw what happens until a moment, while nothing changes."""
        seconds = (until - self.now) / 1000
        if seconds <= 0:
            return
        new = self._chance.poissons([rate * seconds for rate in rates])
        self._times.append(until)
        self._counts.append(added(self._counts[-1], new))

    def at(self, moment: int) -> Counts:
        """Return what was counted until a moment; those before the first are like the first."""
        place = bisect_right(self._times, moment)
        if place == 0:
            return self._counts[0]
        start, before = self._times[place - 1], self._counts[place - 1]
        if start == moment or place == len(self._times):
            return before
        share = (moment - start) / (self._times[place] - start)
        total, binomial = self._counts[place], self._chance.binomial
        counts = tuple(
            [low + binomial(high - low, share) for low, high in zip(before, total, strict=True)]
        )
        self._times.insert(place, moment)
        self._counts.insert(place, counts)
        return counts


def added(one: Counts, other: Counts) -> Counts:
    """Return the sum of counts, kind by kind."""
    return tuple([a + b for a, b in zip(one, other, strict=True)])


def taken(one: Counts, other: Counts) -> Counts:
    """Return the difference of counts, kind by kind."""
    return tuple([a - b for a, b in zip(one, other, strict=True)])


_CANARY, _STABLE = (Source.CANARY,), (Source.STABLE, Source.PROMOTED)
NEW = (Source.CANARY, Source.PROMOTED)
"""Pods of the new version."""


@dataclass(slots=True)
class Prometheus:
    """What a scraper knows of the counters."""

    counters: Counters
    kinds: Kinds
    interval: int
    """Milliseconds between scrapes."""
    first: int
    """A moment at which it scrapes."""
    away: list[tuple[int, int | None]] = field(default_factory=list)
    """From when to when it did not scrape; None is until now."""

    def scraped(self, moment: int) -> int:
        """Return the latest scrape at a moment or before."""
        latest = self._on_grid(moment)
        for start, end in reversed(self.away):
            if start <= latest and (end is None or latest < end):
                latest = self._on_grid(start - 1)
        return latest

    def _on_grid(self, moment: int) -> int:
        return moment - (moment - self.first) % self.interval

    def window(self, ends: int, length: int) -> Counts:
        """Return what was counted in a window, by the scrapes at or before both of its ends.

        Where the scrape before is older than `LOOKBACK`, the first one inside is the baseline, as
        for a Prometheus that has just started.
        """
        begins, latest = ends - length, self.scraped(ends)
        baseline = self.scraped(begins)
        if begins - baseline >= LOOKBACK:
            baseline = min(self._first_after(begins), latest)
        before = self.counters.at(baseline)
        return taken(self.counters.at(latest), before)

    def _first_after(self, moment: int) -> int:
        """Return the first scrape after a moment; a later moment where none is known."""
        first = self._on_grid(moment) + self.interval
        for start, end in self.away:
            if end is not None and start <= first < end:
                first = self._on_grid(end - 1) + self.interval
        return first

    def traffic(self, counts: Counts) -> Traffic:
        """Return counts as a check reads them."""
        kinds = self.kinds
        tracks = Tracks(kinds.count(counts, _STABLE), kinds.count(counts, _CANARY))
        return dict.fromkeys(View, tracks) if tracks != Tracks() else {}

    def durations(self, counts: Counts) -> Durations:
        """Return durations as a check reads them."""
        kinds = self.kinds
        histograms = Histograms(kinds.histogram(counts, _STABLE), kinds.histogram(counts, _CANARY))
        return dict.fromkeys(View, histograms)
