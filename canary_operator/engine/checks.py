"""Measurements under way, apart from ticks: a slow source of metrics delays no decision.

A tick that finds a check due asks for it here and goes on; the result wakes the rollout again.
Rollouts that are due at the same slot are measured together, so that they can share queries: what
is due waits until no other has come for a moment.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from canary_operator.domain.istio_telemetry import SUBJECTS_PER_QUERY
from canary_operator.domain.looks import next_check_at, stretch_of
from canary_operator.domain.readings import NOT_MEASURED, Readings, Seen
from canary_operator.domain.situation import CheckResult, Situation
from canary_operator.ports import Key, Measure, MetricsSource

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.1
"""How long no other check must have come until those that wait are made."""

LONGEST_GATHER_SECONDS = 1.0
"""How long a check waits for others at most."""

FULL = SUBJECTS_PER_QUERY
"""So many that wait fill a query, so no further one is waited for."""


MOST_UNRECORDED = 50
"""Results of one rollout that are kept while its status cannot be written."""


class Checks:
    """Runs checks and keeps their results until a tick has recorded them."""

    def __init__(
        self,
        source: MetricsSource,
        wake: Callable[[Key], None],
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self._source = source
        self._wake = wake
        self._gather_seconds = gather_seconds
        self._waiting: dict[Key, tuple[Measure, Situation]] = {}
        self._flushing: asyncio.TimerHandle | None = None
        self._flush_by = 0.0
        self._checked: set[Key] = set()
        self._under_way: set[Key] = set()
        self._results: dict[Key, CheckResult] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether a check waits to be made or is under way."""
        return bool(self._waiting or self._under_way)

    @property
    def checked(self) -> int:
        """How many rollouts have a next check, as far as they were looked at."""
        return len(self._checked)

    def result(self, key: Key) -> CheckResult | None:
        """Return the result that no tick has recorded yet."""
        return self._results.get(key)

    def recorded(self, key: Key, result: CheckResult | None) -> None:
        """Drop a result that is in the status now, or that belongs to another stay."""
        if result is not None and self._results.get(key) is result:
            del self._results[key]

    def forget(self, key: Key) -> None:
        """Drop everything about a rollout that is gone."""
        self._checked.discard(key)
        self._results.pop(key, None)
        self._waiting.pop(key, None)

    def start_if_due(self, key: Key, at: Situation, taken: CheckResult | None = None) -> None:
        """Ask for a check of `at`, if one is due and none is under way.

        Args:
            key: Of which rollout.
            at: What is known of it.
            taken: The result that `at` contains already, although no tick has recorded it.
        """
        due = next_check_at(at)
        if due is None:
            self._checked.discard(key)
        else:
            self._checked.add(key)
        busy = key in self._under_way or key in self._waiting
        if due is None or at.now < due or busy or self._results.get(key) is not taken:
            return
        self._gather()
        self._waiting[key] = (Measure(key, at.spec, stretch_of(at, due)), at)
        if len(self._waiting) >= FULL:
            self._flush()

    async def stop(self) -> None:
        """Cancel what is under way and forget the rest; another check may begin afterwards."""
        if self._flushing is not None:
            self._flushing.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._checked.clear()
        self._waiting.clear()
        self._under_way.clear()
        self._results.clear()

    def _gather(self) -> None:
        """Wait a little for more, and a little again after each, but not for ever."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            self._flush_by = loop.time() + LONGEST_GATHER_SECONDS
        if self._flushing is not None:
            self._flushing.cancel()
        moment = min(loop.time() + self._gather_seconds, self._flush_by)
        self._flushing = loop.call_at(moment, self._flush)

    def _flush(self) -> None:
        """Measure what is waiting; what may be slow goes apart, so it holds up nobody else."""
        waiting, self._waiting = self._waiting, {}
        alone = [[key] for key, (measure, _) in waiting.items() if _may_be_slow(measure)]
        shared = [key for key, (measure, _) in waiting.items() if not _may_be_slow(measure)]
        for group in [shared, *alone] if shared else alone:
            chosen = {key: waiting[key] for key in group}
            self._under_way |= chosen.keys()
            task = asyncio.create_task(self._run(chosen))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, group: dict[Key, tuple[Measure, Situation]]) -> None:
        found: Mapping[Key, Readings] = {}
        try:
            found = await self._source.read([measure for measure, _ in group.values()])
        except Exception:
            facts = {"rollouts": [str(key) for key in group]}
            logger.exception("Check failed unexpectedly; it counts as inconclusive", extra=facts)
        self._under_way -= group.keys()
        for key, (measure, at) in group.items():
            self._keep(key, at, found.get(key) or _unknown(measure))
            self._wake(key)

    def _keep(self, key: Key, at: Situation, readings: Readings) -> None:
        revision, applied = at.status.canary_revision, at.status.weight_applied_at
        if revision and applied:
            before = self._results.get(key)
            same = before is not None and (before.revision, before.weight_applied_at) == (
                revision,
                applied,
            )
            earlier = _newest(before, MOST_UNRECORDED) if same else None
            self._results[key] = CheckResult(readings, revision, applied, earlier)


def _newest(result: CheckResult | None, most: int) -> CheckResult | None:
    """Return a result with at most so many, itself and those before it."""
    if result is None or most == 0:
        return None
    return replace(result, before=_newest(result.before, most - 1))


def _unknown(measure: Measure) -> Readings:
    """What is not known must not look like a pass, nor be asked again at once."""
    about = measure.about
    window, since_last = (
        None if length is None else Seen(length, NOT_MEASURED, NOT_MEASURED)
        for length in (about.window, about.since_last)
    )
    return Readings(about.at, window, since_last)


def _may_be_slow(measure: Measure) -> bool:
    """Whether a user's own query is asked, or the past."""
    queries = any(metric.query is not None for metric in measure.spec.analysis.metrics)
    return queries or measure.about.past_until is not None
