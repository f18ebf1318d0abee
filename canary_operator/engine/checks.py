"""Measurements under way, apart from ticks: a slow source of metrics delays no decision.

A tick that finds a check due asks for it here and goes on; the result wakes the rollout again.
Rollouts that ask at about the same time are measured together, so that they can share queries.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

from canary_operator.domain.facts import next_check_at
from canary_operator.domain.situation import CheckResult, Situation
from canary_operator.domain.status import Judgement, Verdict
from canary_operator.ports import Key, Measure, MetricsSource

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
"""How long a check waits for others that are due with it."""


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
        self._under_way: set[Key] = set()
        self._results: dict[Key, CheckResult] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether a check waits to be made or is under way."""
        return bool(self._waiting or self._under_way)

    def result(self, key: Key) -> CheckResult | None:
        """Return the result that no tick has recorded yet."""
        return self._results.get(key)

    def recorded(self, key: Key, result: CheckResult | None) -> None:
        """Drop a result that is in the status now, or that belongs to another stay."""
        if result is not None and self._results.get(key) is result:
            del self._results[key]

    def forget(self, key: Key) -> None:
        """Drop everything about a rollout that is gone."""
        self._results.pop(key, None)
        self._waiting.pop(key, None)

    def start_if_due(self, key: Key, at: Situation) -> None:
        """Ask for a check of `at`, if one is due and none is under way."""
        due = next_check_at(at)
        busy = key in self._under_way or key in self._waiting or key in self._results
        if due is None or at.now < due or busy:
            return
        if not self._waiting:
            asyncio.get_running_loop().call_later(self._gather_seconds, self._flush)
        self._waiting[key] = (_measure(key, at), at)

    async def stop(self) -> None:
        """Cancel what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _flush(self) -> None:
        """Measure what is waiting; a custom query may be slow, so it holds up nobody else."""
        waiting, self._waiting = self._waiting, {}
        shared = [key for key, (measure, _) in waiting.items() if not _has_query(measure)]
        alone = [[key] for key in waiting if key not in shared]
        for group in [shared, *alone] if shared else alone:
            chosen = {key: waiting[key] for key in group}
            self._under_way |= chosen.keys()
            task = asyncio.create_task(self._run(chosen))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, group: dict[Key, tuple[Measure, Situation]]) -> None:
        found: Mapping[Key, tuple[Judgement, ...]] = {}
        try:
            found = await self._source.judge([measure for measure, _ in group.values()])
        except Exception:
            logger.exception("Check failed unexpectedly; it counts as inconclusive")
        self._under_way -= group.keys()
        for key, (measure, at) in group.items():
            self._keep(key, measure, at, found.get(key) or _unknown(measure))
            self._wake(key)

    def _keep(
        self, key: Key, measure: Measure, at: Situation, judgements: tuple[Judgement, ...]
    ) -> None:
        revision, applied = at.status.canary_revision, at.status.weight_applied_at
        if revision and applied:
            self._results[key] = CheckResult(judgements, revision, applied, measure.at)


def _measure(key: Key, at: Situation) -> Measure:
    window = at.spec.analysis.resolved_window(at.settings.scrape_interval)
    return Measure(key=key, spec=at.spec, weight=at.weight, at=at.now, window=window)


def _unknown(measure: Measure) -> tuple[Judgement, ...]:
    """What is not known must not look like a pass, nor be asked again at once."""
    return tuple(
        Judgement(
            name=metric.name,
            verdict=Verdict.INCONCLUSIVE,
            message=f"{metric.name}: not measured, the operator's log says why.",
            measured_at=measure.at,
        )
        for metric in measure.spec.analysis.metrics
    )


def _has_query(measure: Measure) -> bool:
    return any(metric.query is not None for metric in measure.spec.analysis.metrics)
