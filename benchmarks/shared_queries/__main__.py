"""Count queries with a real Prometheus: `python -m benchmarks.shared_queries`, about four minutes.

The rollouts live in memory, engine and adapter are the operator's own, and Prometheus itself counts
what it answers. Each line is one interval of rollouts that all check success rate and latency.
"""

import asyncio
import logging
import random
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.fleet import Fleet, Operator, now, on_first_step
from canary_operator.adapters.metrics.prometheus import PrometheusMetrics, PrometheusSettings
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import Settings
from canary_operator.playground.prometheus import Prometheus
from canary_operator.playground.synthetic import SyntheticTelemetry
from canary_operator.ports import Key

SCRAPE_SECONDS = 5
INTERVAL = timedelta(seconds=20)
METRICS = [
    {"name": "success-rate", "successRate": {"min": 99}},
    {"name": "latency", "latency": {"percentile": 99, "max": "500ms"}},
]
MODES: Mapping[str, Mapping[str, Any]] = {
    "limits": {"interval": "20s", "window": "20s", "metrics": METRICS},
    "comparison": {"interval": "20s", "window": "20s", "metrics": METRICS, "comparison": {}},
}
FLEETS = (1, 10, 50, 200)
MOST = 8
"""Queries of one interval that 200 rollouts may cause."""

_COUNTED = re.compile(
    r'^prometheus_http_requests_total\{code="200",handler="(\S+)"\} (\S+)$', re.MULTILINE
)


@dataclass(frozen=True)
class Line:
    """What was counted for one fleet."""

    mode: str
    start: str
    rollouts: int
    queries: int
    looked_at: int
    """Rollouts that were looked at in the interval."""

    def __str__(self) -> str:
        return (
            f"{self.mode:<12}{self.start:<22}{self.rollouts:>9}{self.looked_at:>9}{self.queries:>9}"
        )


async def queries_answered(prometheus: Prometheus) -> int:
    """Return how many instant queries Prometheus has answered, by its own count."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{prometheus.url}/metrics") as answer,
    ):
        counted = dict(_COUNTED.findall(await answer.text()))
    return int(float(counted.get("/api/v1/query", "0")))


async def measure(prometheus: Prometheus, mode: str, rollouts: int, *, spread: bool) -> Line:
    """Count the queries of one whole interval."""
    settings = Settings(scrape_interval=timedelta(seconds=SCRAPE_SECONDS))
    source = PrometheusMetrics(PrometheusSettings(prometheus.url), settings)
    chance, began = random.Random(rollouts), now()
    worlds = {}
    for index in range(rollouts):
        key = Key("demo", f"web-{index}")
        offset = chance.uniform(0, INTERVAL.total_seconds()) if spread else 0.0
        milliseconds = timedelta(milliseconds=round(1000 * offset))
        worlds[key] = await on_first_step(key, began - milliseconds, MODES[mode])
    operator = Operator(Fleet(worlds, source), settings)
    operator.start()
    try:
        await asyncio.sleep(1.5 * INTERVAL.total_seconds())  # the first checks are over
        before, known = await queries_answered(prometheus), _checks(worlds)
        await asyncio.sleep(INTERVAL.total_seconds())
        after = await queries_answered(prometheus)
    finally:
        await operator.stop()
        source.close()
    looked = sum(last != known.get(key) for key, last in _checks(worlds).items())
    start = "over the interval" if spread else "together"
    return Line(mode, start, rollouts, after - before, looked)


def _checks(worlds: Mapping[Key, Any]) -> Mapping[Key, str]:
    """Return when each rollout was looked at last; a look that saw nothing is none."""
    return {
        key: world.status["attempt"]["lastCheck"]["at"]
        for key, world in worlds.items()
        if "lastCheck" in world.status["attempt"] and not _saw_nothing(world.status["metrics"])
    }


def _saw_nothing(metrics: Sequence[Mapping[str, Any]]) -> bool:
    return any(metric["reason"] == Reason.METRICS_UNAVAILABLE for metric in metrics)


async def main() -> int:
    """Print the table; return 1 if a fleet asked too often or was not looked at."""
    sys.stdout.write(f"{'mode':<12}{'started':<22}{'rollouts':>9}{'checks':>9}{'queries':>9}\n")
    failed = False
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        telemetry = await stack.enter_async_context(SyntheticTelemetry())
        for index in range(max(FLEETS)):
            telemetry.traffic("demo", f"web-{index}", weight=lambda: 20, requests_per_second=10)
        prometheus = await stack.enter_async_context(
            Prometheus(folder, [telemetry.target], scrape_seconds=SCRAPE_SECONDS)
        )
        await prometheus.wait_for("sum(istio_requests_total)", bool)
        for mode in MODES:
            for rollouts, spread in [(n, False) for n in FLEETS] + [(max(FLEETS), True)]:
                line = await measure(prometheus, mode, rollouts, spread=spread)
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
                failed |= line.queries > MOST or line.looked_at < rollouts
    verdict = "does not hold" if failed else "holds"
    sys.stdout.write(f"At most {MOST} queries in an interval, every rollout looked at: {verdict}\n")
    return int(failed)


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # the rollouts' own words are not the result
    sys.exit(asyncio.run(main()))
