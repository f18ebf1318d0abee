"""Many rollouts, each from a seed of its own, in two processes."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Protocol

from canary_operator.plugin.offline.simulation.play import simulate
from canary_operator.plugin.offline.simulation.setup import Setup, examine
from canary_operator.plugin.offline.simulation.timeline import End

PROCESSES = 2
"""Most processes: simulations are patient, and other work goes on beside them."""

FEW_RUNS = 60
"""So many are played sooner than another process has started."""

RUNS_AT_ONCE = 20
"""What one process is given at a time, at most; progress is seen in steps of it."""

Progress = Callable[[int], None]
"""Told how many more runs are done."""


class Player(Protocol):
    """Plays many rollouts."""

    def play(self, setup: Setup, seeds: Sequence[int], progress: Progress) -> list[End]:
        """Return how each ended, in the order of the seeds."""
        ...


class _Alone:
    """Plays one after the other."""

    def play(self, setup: Setup, seeds: Sequence[int], progress: Progress) -> list[End]:
        ends = []
        for seed in seeds:
            ends.append(_end(setup, seed))
            progress(1)
        return ends


@dataclass(slots=True)
class _Together:
    """Plays some at a time, in several processes."""

    pool: ProcessPoolExecutor

    def play(self, setup: Setup, seeds: Sequence[int], progress: Progress) -> list[End]:
        examine(setup)
        size = max(1, min(RUNS_AT_ONCE, len(seeds) // (2 * PROCESSES)))
        parts = [seeds[at : at + size] for at in range(0, len(seeds), size)]
        asked: list[Future[list[End]]] = [self.pool.submit(_ends, setup, part) for part in parts]
        for done in as_completed(asked):
            progress(len(done.result()))
        return [end for one in asked for end in one.result()]


@contextmanager
def player(runs: int) -> Iterator[Player]:
    """Open what plays so many rollouts soonest; the results are the same either way."""
    processes = min(PROCESSES, os.cpu_count() or 1)
    if runs <= FEW_RUNS or processes == 1:
        yield _Alone()
        return
    context = get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, initializer=_leave_interrupts_to_the_parent)
    try:
        yield _Together(pool)
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts_to_the_parent() -> None:
    """Ctrl-C reaches every process of a terminal, and one of them is enough to say so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def seeds_of(first: int, runs: int) -> range:
    """Return the seeds of some runs; a single one of them can be played again by its seed."""
    return range(first, first + runs)


def _ends(setup: Setup, seeds: Sequence[int]) -> list[End]:
    return [_end(setup, seed) for seed in seeds]


def _end(setup: Setup, seed: int) -> End:
    return simulate(setup, seed, brief=True).end
