"""`python -m benchmarks.scrape`: series, bytes and seconds of one scrape, by number of rollouts.

The event loop goes on while a scrape is made, in a thread; how long it waits meanwhile is measured
by a task that wants to run every millisecond.
"""

import asyncio
import gzip
import time
from collections.abc import Mapping
from typing import Any

import click

from canary_operator.adapters.telemetry.operator import OperatorTelemetry
from canary_operator.domain.spec import parse_spec
from canary_operator.domain.status import RolloutStatus
from canary_operator.ports import Key, Rollout
from canary_operator.telemetry import Look
from canary_operator.testing.builders import spec

NAMESPACES = 50
TEXT = "text/plain;version=0.0.4"
AT = "2026-01-01T00:00:00Z"

READY = {"type": "Ready", "status": "True", "reason": "Stable", "lastTransitionTime": AT}
BUSY = {**READY, "type": "Reconciling", "reason": "Progressing"}
RESTING: Mapping[str, Any] = {
    "phase": "Stable",
    "stableRevision": "6f8c9d2b1a",
    "weight": 0,
    "conditions": [READY],
}
UNDER_WAY: Mapping[str, Any] = {
    **RESTING,
    "phase": "Progressing",
    "canaryRevision": "91ab77e04c",
    "step": 1,
    "weight": 20,
    "progressedAt": AT,
    "attempt": {"startedAt": AT},
    "conditions": [BUSY],
}


def telemetry_of(rollouts: int, status: Mapping[str, Any]) -> OperatorTelemetry:
    """Return what an operator knows that has looked at so many rollouts."""
    telemetry, parsed = OperatorTelemetry("0"), parse_spec(spec())
    for index in range(rollouts):
        key = Key(f"team-{index % NAMESPACES}", f"service-{index}")
        rollout = Rollout(key, str(index), "1", 1, {})
        telemetry.looked(Look(rollout, RolloutStatus.read(status), parsed))
    return telemetry


async def scrape(telemetry: OperatorTelemetry) -> tuple[bytes, float, float]:
    """Return the text, the seconds that it took, and the longest wait of the loop meanwhile."""
    longest, over = 0.0, asyncio.Event()

    async def beat() -> None:
        nonlocal longest
        while not over.is_set():
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - began)

    beating = asyncio.create_task(beat())
    began = time.perf_counter()
    body, _ = await asyncio.to_thread(telemetry.exposition, TEXT)
    seconds = time.perf_counter() - began
    over.set()
    await beating
    return body, seconds, longest


@click.command()
@click.option("--rollouts", default=(100, 2000), multiple=True, show_default=True)
def main(rollouts: tuple[int, ...]) -> None:
    """Measure scrapes and print a table."""
    click.echo("rollouts  state      series  kB (gzip)     scrape  loop waits at most")
    for many in rollouts:
        for state, status in (("at rest", RESTING), ("under way", UNDER_WAY)):
            telemetry = telemetry_of(many, status)
            body, seconds, longest = asyncio.run(scrape(telemetry))
            series = sum(not line.startswith(b"#") for line in body.splitlines())
            packed = len(gzip.compress(body)) / 1000
            click.echo(
                f"{many:8}  {state:9} {series:7}  {len(body) / 1000:4.0f} ({packed:3.0f})  "
                f"{seconds * 1000:7.0f} ms  {longest * 1000:14.0f} ms"
            )


if __name__ == "__main__":
    main()
