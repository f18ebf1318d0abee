"""The results as a picture: what grows with the number of rollouts, and where the limits are."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from benchmarks.scale.measuring import INTERVAL_SECONDS
from benchmarks.scale.report import MOST_LAG_SECONDS, MOST_MEGABYTES, REACTION_SECONDS
from benchmarks.scale.rows import ACTIVE, IDLE, Row

mpl.use("Agg")
import matplotlib.pyplot as plt

AT_REST, ON_TRIAL, LIMIT = "#4c78a8", "#e45756", "#888888"
_MANY = 50
"""Rollouts below which the picture is not logarithmic, so that 1 and 10 do not take half of it."""


def draw(rows: Sequence[Row], file: Path) -> None:
    """Draw cost and delay over the number of rollouts."""
    idle = [row for row in rows if row.state == IDLE]
    active = [row for row in rows if row.state == ACTIVE]
    figure, axes = plt.subplots(2, 2, figsize=(11, 7.5), layout="constrained")
    cpu, memory, lag, reaction = axes.flat
    _title(cpu, "CPU: busy cores")
    _line(cpu, idle, [row.cores for row in idle], AT_REST, "at rest")
    _line(cpu, active, [row.cores for row in active], ON_TRIAL, "on trial, a check each 30 s")
    _limit(cpu, 1.0, "one core")
    _title(memory, "Memory: resident, MB")
    _line(memory, idle, [row.megabytes for row in idle], AT_REST, "at rest")
    _line(memory, active, [row.megabytes for row in active], ON_TRIAL, "on trial")
    _limit(memory, MOST_MEGABYTES, "target")
    _title(lag, "Ticks: seconds late")
    _line(lag, active, [row.lags[1] for row in active], ON_TRIAL, "99th percentile")
    _line(lag, active, [row.lags[0] for row in active], AT_REST, "median")
    _limit(lag, MOST_LAG_SECONDS, "target")
    _title(reaction, "From evidence to weight 0: seconds")
    failed = [row for row in active if row.rollbacks]
    _line(reaction, failed, [row.rollbacks[-1] for row in failed], ON_TRIAL, "slowest of up to 20")
    middle = [row.rollbacks[len(row.rollbacks) // 2] for row in failed]
    _line(reaction, failed, middle, AT_REST, "median")
    _limit(reaction, INTERVAL_SECONDS + REACTION_SECONDS, "target")
    for axis in axes.flat:
        axis.set_ylim(bottom=0)
        axis.legend(frameon=False)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def _title(axis: plt.Axes, words: str) -> None:
    axis.set_title(words, loc="left", fontweight="bold")
    axis.set_xscale("symlog", linthresh=_MANY)
    axis.set_xlabel("rollouts")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(visible=True, alpha=0.3)


def _line(
    axis: plt.Axes, rows: Sequence[Row], values: Sequence[float], colour: str, label: str
) -> None:
    numbers = [row.rollouts for row in rows]
    axis.plot(numbers, values, marker="o", color=colour, label=label)
    axis.set_xticks(numbers, [f"{number:,}" for number in numbers])
    axis.minorticks_off()


def _limit(axis: plt.Axes, value: float, label: str) -> None:
    axis.axhline(value, color=LIMIT, linestyle="--", label=label)
