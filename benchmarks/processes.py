"""What the kernel says of a process."""

import os
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_USER_TIME = 11
"""Place of the CPU time in what follows the name in `/proc/PID/stat`; the kernel's is next."""
_MEGA = 1e6
_KIBI = 1024


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[_USER_TIME : _USER_TIME + 2])) / _TICKS_PER_SECOND


def resident_megabytes(pid: int) -> float:
    """Return the memory of a process that is resident now."""
    return int(_status(pid, "VmRSS")) * _KIBI / _MEGA


def most_resident_megabytes(pid: int) -> float:
    """Return the most memory of a process that was ever resident."""
    return int(_status(pid, "VmHWM")) * _KIBI / _MEGA


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    return int(_status(pid, "Threads"))


def open_files(pid: int) -> int:
    """Return how many file descriptors a process has open, sockets among them."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def _status(pid: int, field: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{field}:"))
