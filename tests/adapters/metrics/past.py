"""Gives a Prometheus of the playground a past, before it starts."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

Values = Sequence[float | None]
"""Samples at equal distances, the last one at the end of the past; None where there is none."""


async def write_past(
    folder: Path, series: Iterable[tuple[str, Values]], ends_at: float, seconds: float
) -> None:
    """Write samples, `seconds` apart, where a Prometheus that runs in `folder` will find them."""
    text = folder / "past.txt"
    text.write_text("".join(_lines(series, ends_at, seconds)))
    command = [promtool(), "tsdb", "create-blocks-from", "openmetrics"]
    await asyncio.to_thread(
        subprocess.run,
        [*command, text, folder / "prometheus-data"],
        check=True,
        capture_output=True,
    )


def promtool() -> str:
    """Return the tool that comes with Prometheus."""
    return shutil.which("promtool") or "promtool"


def _lines(series: Iterable[tuple[str, Values]], ends_at: float, seconds: float) -> Iterator[str]:
    for name, values in series:
        starts_at = ends_at - seconds * (len(values) - 1)
        for index, value in enumerate(values):
            if value is not None:
                yield f"{name} {value} {starts_at + seconds * index}\n"
    yield "# EOF\n"
