"""What was measured, row by row, and kept in a file, so that a long run can go on later."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

IDLE, ACTIVE = "at rest", "on trial"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of all values do not exceed; 0 where there are none.

    Example:
        >>> percentile([3.0, 1.0, 2.0], 0.5), percentile([], 0.99)
        (2.0, 0.0)
    """
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else 0.0


@dataclass(frozen=True)
class Row:
    """So many rollouts, looked at for some time."""

    rollouts: int
    state: str
    source: str
    """Who answered the queries."""
    seconds: float
    requests: Mapping[str, int]
    """Requests to the API server by verb and resource; without watches and Leases."""
    queries: int
    checks: int
    cpu_seconds: float
    megabytes: float
    most_megabytes: float
    """Since the operator started."""
    ticks: int
    lags: Sequence[float]
    """Median, 99th percentile and maximum of how long ticks had been due, in seconds."""
    verdicts: Sequence[float] = (0.0, 0.0, 0.0)
    """The same of the time from the moment that a check is about until its verdict stood."""
    rollbacks: Sequence[float] = field(default_factory=list)
    """Seconds from the evidence in Prometheus to weight 0, in order."""

    @property
    def cores(self) -> float:
        """How many cores were busy."""
        return self.cpu_seconds / self.seconds


@dataclass(frozen=True)
class Whole:
    """One rollout of five steps with a check in each."""

    requests: Mapping[str, int]
    events: int
    """Of these requests."""
    writes: Sequence[int]
    """What changes something beside Events, for each step."""
    checks: int


@dataclass(frozen=True)
class Machine:
    """Where it was measured."""

    cores: int
    processor: str
    python: str
    cluster: str

    @classmethod
    def here(cls, cluster: str) -> "Machine":
        """Describe this machine."""
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        return cls(
            cores=os.cpu_count() or 1,
            processor=next(models, platform.machine()),
            python=platform.python_version(),
            cluster=cluster,
        )

    def __str__(self) -> str:
        return f"{self.cores} cores ({self.processor}), Python {self.python}, {self.cluster}"


@dataclass
class Results:
    """Everything that was measured so far."""

    file: Path
    machine: Machine | None = None
    whole: Whole | None = None
    rows: list[Row] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path) -> "Results":
        """Return what the file has; nothing where there is none."""
        if not file.exists():
            return cls(file)
        found: dict[str, Any] = json.loads(file.read_text())
        return cls(
            file,
            machine=Machine(**found["machine"]) if found["machine"] else None,
            whole=Whole(**found["whole"]) if found["whole"] else None,
            rows=[Row(**row) for row in found["rows"]],
        )

    def of(self, rollouts: int) -> list[Row]:
        """Return the rows for so many rollouts."""
        return [row for row in self.rows if row.rollouts == rollouts]

    def keep(self, rows: Sequence[Row]) -> None:
        """Put rows in the place of older ones, and write everything down."""
        new = {(row.rollouts, row.state) for row in rows}
        kept = [row for row in self.rows if (row.rollouts, row.state) not in new]
        self.rows = sorted([*kept, *rows], key=lambda row: (row.rollouts, row.state))
        self.write()

    def write(self) -> None:
        """Write everything down."""
        content = {
            "machine": self.machine and asdict(self.machine),
            "whole": self.whole and asdict(self.whole),
            "rows": [asdict(row) for row in self.rows],
        }
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(content, indent=1))
