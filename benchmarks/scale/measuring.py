"""One measurement after the other: at rest, on trial, and from evidence to weight 0."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from benchmarks.scale import sources
from benchmarks.scale.rows import ACTIVE, IDLE, Row, Whole, percentile
from benchmarks.scale.stage import OpenSource, Stage, checked_at, namespace_of, open_stage
from canary_operator.playground.api.requests import Request
from canary_operator.playground.client import Client
from tests.e2e.test_cost import FIVE_STEPS, ONE_CHECK_PER_STEP, raises_of
from tests.support.counting import asked, writes

REAL_UP_TO = 200
"""Rollouts that a real Prometheus can scrape and count beside all that runs on the machine."""
INTERVAL_SECONDS = 30
IDLE_SECONDS = 20
ACTIVE_SECONDS = 2 * INTERVAL_SECONDS
SETTLING_SECONDS = 5
"""Events are sent in the background."""
AT_ONCE = 20
"""Canaries that begin to fail, one second after the other."""

Report = Callable[[str], None]

TRIAL: dict[str, Any] = {
    "strategy": {"steps": [{"weight": 20, "hold": "24h"}], "progressDeadline": "48h"},
    "analysis": {
        "interval": f"{INTERVAL_SECONDS}s",
        "window": f"{INTERVAL_SECONDS}s",
        "failureLimit": 0,
        "metrics": [
            {"name": "success-rate", "successRate": {"min": 99}},
            {"name": "latency", "latency": {"percentile": 99, "max": "500ms"}},
        ],
    },
}
"""A canary that keeps its weight and is checked every interval, for as long as it is measured."""


async def measure(rollouts: int, folder: Path, report: Report) -> list[Row]:
    """Return a row for so many rollouts at rest, and one for all of them on trial."""
    names = [f"web-{number}" for number in range(rollouts)]
    async with open_stage(folder, _source_of(names)) as stage:
        report(f"{rollouts} rollouts are made")
        await stage.make_namespaces(names)
        await stage.apply(names, "v1", TRIAL)
        await stage.until(names, lambda s: s.status.get("readyReplicas") == 1)
        await asyncio.sleep(SETTLING_SECONDS)
        report("at rest")
        idle = await _row(stage, rollouts, IDLE, IDLE_SECONDS)
        report("a canary for each")
        await _begin_trials(stage, names)
        await asyncio.sleep(SETTLING_SECONDS)
        report("on trial")
        with stage.profiled():
            active = await _row(stage, rollouts, ACTIVE, ACTIVE_SECONDS)
        report("some fail")
        active = await _with_rollbacks(active, stage, names)
        return [idle, active]


def _source_of(names: Sequence[str]) -> OpenSource:
    """Return what opens the source of measurements for these rollouts."""
    if len(names) > REAL_UP_TO:
        return lambda _folder, _client: sources.stand_in()
    places = [(namespace_of(name), name) for name in names]
    return lambda folder, client: sources.prometheus(folder, client, places)


async def _begin_trials(stage: Stage, names: Sequence[str]) -> None:
    """Apply another version to all, evenly over one interval: no two teams release together."""
    began = time.monotonic()
    for index, name in enumerate(names):
        due = began + INTERVAL_SECONDS * index / len(names)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await stage.apply([name], "v2", TRIAL)
    await stage.until(names, lambda s: bool(s.weight and checked_at(s.status)))


async def _row(stage: Stage, rollouts: int, state: str, seconds: float) -> Row:
    """Count for some time."""
    stage.cluster.forget_requests()
    stage.late.clear()
    queries, cpu = await stage.source.queries(), stage.operator.cpu_seconds
    since = time.monotonic()
    await asyncio.sleep(seconds)
    lasted = time.monotonic() - since
    cpu = stage.operator.cpu_seconds - cpu
    ticks = stage.operator.ticks(since)
    return Row(
        rollouts=rollouts,
        state=state,
        source=stage.source.name,
        seconds=lasted,
        requests=by_kind(asked(stage.cluster)),
        queries=await stage.source.queries() - queries,
        checks=len(stage.late),
        cpu_seconds=cpu,
        megabytes=stage.operator.megabytes,
        most_megabytes=stage.operator.most_megabytes,
        ticks=len(ticks),
        lags=_spread([tick.lag for tick in ticks]),
        verdicts=_spread(stage.late),
    )


async def _with_rollbacks(row: Row, stage: Stage, names: Sequence[str]) -> Row:
    """Let some canaries fail, evenly chosen, and add how long each kept its weight."""
    chosen = names[:: max(1, len(names) // AT_ONCE)][:AT_ONCE]
    failing = []
    for name in chosen:
        failing.append(asyncio.create_task(stage.source.fail(name)))
        await asyncio.sleep(1.0)
    evidence = await asyncio.gather(*failing)
    await stage.until(chosen, lambda seen: seen.weight == 0)
    took = [stage.seen[name].since - at for name, at in zip(chosen, evidence, strict=True)]
    return Row(**{**vars(row), "rollbacks": sorted(took)})


def _spread(values: Sequence[float]) -> list[float]:
    return [percentile(values, share) for share in (0.5, 0.99, 1.0)]


def by_kind(requests: Iterable[Request]) -> dict[str, int]:
    """Count requests by verb and resource, most frequent first."""
    counted = Counter(
        f"{r.verb} {r.resource}{'/' if r.subresource else ''}{r.subresource}"
        f"{' (dry run)' if r.dry_run else ''}"
        for r in requests
    )
    return dict(counted.most_common())


async def measure_whole(folder: Path, report: Report) -> Whole:
    """Count the requests of one rollout of five steps, with all controllers of a cluster."""
    names = ["web"]  # as the test whose way of counting this is
    changes = {"strategy": FIVE_STEPS, "analysis": ONE_CHECK_PER_STEP}
    places = [(namespace_of(name), name) for name in names]

    def source(folder: Path, client: Client) -> AbstractAsyncContextManager[sources.Source]:
        return sources.prometheus(folder, client, places, sources.QUICK)

    async with open_stage(folder, source, whole=True) as stage:
        report("one rollout of five steps")
        await stage.make_namespaces(names)
        await stage.apply(names, "v1", changes)
        await stage.until(names, lambda s: s.status.get("readyReplicas") == 1)
        await asyncio.sleep(SETTLING_SECONDS)
        stage.cluster.forget_requests()
        stage.late.clear()
        await stage.apply(names, "v2", changes)
        await stage.until(names, lambda s: bool(s.status.get("history")))
        await stage.until(names, lambda s: s.status.get("replicas") == 1)
        await asyncio.sleep(SETTLING_SECONDS)
        requests = asked(stage.cluster)
        _, *steps, _ = raises_of(writes(requests))
        return Whole(
            requests=by_kind(requests),
            events=sum(request.resource == "events" for request in requests),
            writes=[len(step) for step in steps],
            checks=len(stage.late),
        )
