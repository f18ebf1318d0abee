"""Many rollouts, each from a seed of its own, in two processes."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any, Protocol

from canary_operator.plugin.offline.simulation.play import simulate
from canary_operator.plugin.offline.simulation.setup import Setup, examine
from canary_operator.plugin.offline.simulation.timeline import End

PROCESSES = 2
"""Most processes: simulations are patient, and other work goes on beside them."""

FEW_RUNS = 60
"""So many are played sooner than another process has started."""

RUNS_AT_ONCE = 20
"""What one process is given at a time, at most; progress is seen in steps of it."""

NO_PROCESSES = (OSError, ImportError, NotImplementedError, BrokenProcessPool)
"""What Python raises where no process can be started, or the system ends one: no permission or
memory, no `_multiprocessing`, no semaphores (for which `concurrent.futures` has the third), or one
that was killed. Rollouts themselves raise none of them: they touch no file."""

Progress = Callable[[int], None]
"""Told how many more runs are done."""


class _EndedError(BaseException):
    """This process was asked to end, and does so in order: no other one is left behind."""


@dataclass(slots=True)
class _Ending:
    """Handles SIGTERM: at once, but not while another process is started.

    One that was started and not yet noted would be waited for by nobody, and would take the word
    to end from another one.
    """

    asked: bool = False
    busy: bool = False

    def __call__(self, *_: object) -> None:
        self.asked = True
        if not self.busy:
            raise _EndedError

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """Handle it afterwards."""
        self.busy = True
        try:
            yield
        finally:
            self.busy = False
        if self.asked:
            raise _EndedError


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
            ends.append(_played(setup, seed))
            progress(1)
        return ends


@dataclass(slots=True)
class _Together:
    """Plays some at a time, in several processes."""

    pool: ProcessPoolExecutor | None
    ending: _Ending

    def play(self, setup: Setup, seeds: Sequence[int], progress: Progress) -> list[End]:
        examine(setup)
        told = 0

        def tell(done: int) -> None:
            nonlocal told
            told += done
            progress(done)

        if self.pool is not None:
            try:
                return self._asked(self.pool, setup, seeds, tell)
            except NO_PROCESSES:
                self.pool = None
        known = told
        ends = _Alone().play(setup, seeds[:known], lambda _: None)
        return ends + _Alone().play(setup, seeds[known:], progress)

    def _asked(
        self, pool: ProcessPoolExecutor, setup: Setup, seeds: Sequence[int], progress: Progress
    ) -> list[End]:
        size = max(1, min(RUNS_AT_ONCE, len(seeds) // (2 * PROCESSES)))
        parts = [seeds[at : at + size] for at in range(0, len(seeds), size)]
        with self.ending.put_off():  # what is asked may start a process
            asked: list[Future[list[End]]] = [pool.submit(_ends, setup, part) for part in parts]
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
    ending, pool = _Ending(), None
    try:
        with _handled(signal.SIGTERM, ending):
            try:
                with ending.put_off():
                    pool = _pool(processes)
                yield _Together(pool, ending)
            finally:
                if pool is not None:
                    pool.shutdown(cancel_futures=True)
    except _EndedError:
        signal.raise_signal(signal.SIGTERM)


def _pool(processes: int) -> ProcessPoolExecutor | None:
    """Return processes that have been started; None where there can be none.

    Ctrl-C reaches every process of a terminal, and one of them is enough to say so: the others
    ignore it from their first moment on, as they inherit it.
    """
    with _handled(signal.SIGINT, signal.SIG_IGN):
        try:
            context = multiprocessing.get_context("spawn")
            pool = ProcessPoolExecutor(processes, context, initializer=_begin)
        except NO_PROCESSES:
            return None
        try:
            for _ in range(processes):
                pool.submit(int)
        except NO_PROCESSES:
            pool.shutdown(wait=False, cancel_futures=True)
            return None
        return pool


@contextmanager
def _handled(number: signal.Signals, handler: Any) -> Iterator[None]:
    """Let a signal that nobody else handles have another effect for a while."""
    usual = signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(number) != usual:
        yield
        return
    signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, usual)


def _begin() -> None:
    """Prepare another process: it ignores Ctrl-C, and ends when its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def seeds_of(first: int, runs: int) -> range:
    """Return the seeds of some runs; a single one of them can be played again by its seed."""
    return range(first, first + runs)


def _ends(setup: Setup, seeds: Sequence[int]) -> list[End]:
    return [_played(setup, seed) for seed in seeds]


def _played(setup: Setup, seed: int) -> End:
    return simulate(setup, seed, brief=True).end
