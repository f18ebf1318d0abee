"""The operator's own command line, with a record of every tick beside it.

    python -m benchmarks.scale.recorder TICKS CENSUS [--profile FILE] run …

Runs in the process that is measured. A histogram knows a lag only by its bucket; here each tick is
one entry of a file: when it ended, how long it had been due, how long it took. A profile begins
with SIGUSR1 and ends with SIGUSR2, so that only what is measured is in it. SIGHUP has the tasks
counted that are in the event loop.
"""

import asyncio
import cProfile
import gc
import signal
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from canary_operator.adapters.telemetry.operator import OperatorTelemetry
from canary_operator.cli.main import main as run
from canary_operator.telemetry import TickOutcome

_ENTRY = struct.Struct("<ddd")


@dataclass(frozen=True, slots=True)
class Tick:
    """One look at a rollout."""

    ended: float
    """Second of the machine's monotonic clock, which all processes share."""
    lag: float
    """How long it had been due when it began, in seconds."""
    seconds: float
    """How long it took."""


def read_ticks(file: Path, since: float = 0.0) -> Iterator[Tick]:
    """Yield the ticks that ended at `since` or later."""
    data = file.read_bytes()
    whole = len(data) - len(data) % _ENTRY.size
    for entry in _ENTRY.iter_unpack(data[:whole]):
        tick = Tick(*entry)
        if tick.ended >= since:
            yield tick


def record(file: Path) -> None:
    """Write down the ticks of this process."""
    ticks = file.open("ab", buffering=0)
    count = OperatorTelemetry.ticked

    def ticked(
        self: OperatorTelemetry, outcome: TickOutcome, *, seconds: float, lag: float
    ) -> None:
        ticks.write(_ENTRY.pack(monotonic(), lag, seconds))
        count(self, outcome, seconds=seconds, lag=lag)

    OperatorTelemetry.ticked = ticked  # type: ignore[method-assign]


def _count(file: Path) -> None:
    """Write down how many tasks there are, at once and as a whole."""
    gc.collect()
    new = file.with_suffix(".new")
    new.write_text(str(len(asyncio.all_tasks())))
    new.rename(file)


def main() -> None:
    """Run the operator."""
    record(Path(sys.argv.pop(1)))
    census = Path(sys.argv.pop(1))
    signal.signal(signal.SIGHUP, lambda *_: _count(census))
    if sys.argv[1] != "--profile":
        run()
    _, file, profile = sys.argv.pop(1), sys.argv.pop(1), cProfile.Profile()
    signal.signal(signal.SIGUSR1, lambda *_: profile.enable())
    signal.signal(signal.SIGUSR2, lambda *_: profile.dump_stats(file))
    run()


if __name__ == "__main__":
    main()
