"""How a sample server behaves, read from environment variables.

| environment variable | default | meaning |
|---|---|---|
| `VERSION` | `unknown` | told in the header `x-version` and in the body |
| `ERROR_RATE` | `0` | share of answers that are 500: `0.08` or `8%` |
| `DEPENDENCY` | none | a file; while it is missing every answer is 500, as with a database away |
| `LATENCY` | `0s` | time to an answer, as a Go duration: `20ms`, `1m30s` |
| `LATENCY_JITTER` | `0s` | the time varies evenly by up to this much, both ways |
| `CRASH_AFTER` | never | exits with code 1 after this time; `0s`: before it listens |
| `REFUSE` | `false` | listens nowhere |
| `REFUSE_AFTER` | never | stops listening after this time, and goes on running |
| `UNHEALTHY` | `false` | `/healthz` answers 503 instead of 200; it is never late |
| `ABRUPT_END` | `false` | SIGTERM ends it at once, and whatever it was answering |
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

_UNIT_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|us|ns|s)")


@dataclass(frozen=True)
class Behaviour:
    """What the server does to its callers."""

    version: str = "unknown"
    error_rate: float = 0.0
    """Fraction of answers that are errors, 0 to 1."""
    dependency: Path | None = None
    """Every answer is an error while this file is missing."""
    latency_seconds: float = 0.0
    jitter_seconds: float = 0.0
    crash_after_seconds: float | None = None
    refuses: bool = False
    refuse_after_seconds: float | None = None
    is_healthy: bool = True
    ends_abruptly: bool = False

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Behaviour":
        """Read the behaviour from environment variables.

        Raises:
            ValueError: a variable cannot be understood; the message names it.
        """
        refuse_after = environment.get("REFUSE_AFTER")
        crash_after = environment.get("CRASH_AFTER")
        return cls(
            version=environment.get("VERSION", "unknown"),
            error_rate=fraction(environment.get("ERROR_RATE", "0")),
            dependency=Path(needed) if (needed := environment.get("DEPENDENCY")) else None,
            latency_seconds=duration_seconds(environment.get("LATENCY", "0s")),
            jitter_seconds=duration_seconds(environment.get("LATENCY_JITTER", "0s")),
            crash_after_seconds=duration_seconds(crash_after) if crash_after else None,
            refuse_after_seconds=duration_seconds(refuse_after) if refuse_after else None,
            refuses=is_true(environment.get("REFUSE", "")),
            is_healthy=not is_true(environment.get("UNHEALTHY", "")),
            ends_abruptly=is_true(environment.get("ABRUPT_END", "")),
        )

    def delay_seconds(self) -> float:
        """Return the time that the next answer takes."""
        if not self.jitter_seconds:
            return self.latency_seconds
        spread = random.uniform(-self.jitter_seconds, self.jitter_seconds)
        return max(0.0, self.latency_seconds + spread)

    def next_status(self) -> HTTPStatus:
        """Return the status of the next answer."""
        failed = self.error_rate > 0 and random.random() < self.error_rate
        if self.dependency is not None and not self.dependency.exists():
            failed = True
        return HTTPStatus.INTERNAL_SERVER_ERROR if failed else HTTPStatus.OK


def duration_seconds(text: str) -> float:
    """Return the seconds of a Go duration.

    Example:
        >>> [duration_seconds(text) for text in ("20ms", "1m30s", "0", "1.5s")]
        [0.02, 90.0, 0.0, 1.5]
    """
    if text == "0":
        return 0.0
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration; write it like 20ms, 1.5s or 1m30s.")
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)


def fraction(text: str) -> float:
    """Return the fraction that `0.08` or `8%` names.

    Example:
        >>> fraction("8%"), fraction("0.08")
        (0.08, 0.08)
    """
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ValueError(f"ERROR_RATE={text!r} is not a share; write 0.08 or 8%.")
    return value


def is_true(text: str) -> bool:
    """Return whether a variable is switched on."""
    return text.lower() in ("1", "true", "yes", "on")
