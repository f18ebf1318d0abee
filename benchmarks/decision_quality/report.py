"""The results as a table and as a picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from benchmarks.decision_quality.results import Result
from benchmarks.decision_quality.rules import RULES

mpl.use("Agg")
import matplotlib.pyplot as plt

HEAD = "| scenario | rules | runs | rolled back (95 % interval) | median time | hurt | promoted |"
COLOURS = dict(
    zip(RULES, ("#1b6ca8", "#7fb3d5", "#c0392b", "#e6a49d", "#d68910", "#f5cba7"), strict=True)
)


def table(results: Sequence[Result]) -> str:
    """Return the results as a Markdown table."""
    lines = [HEAD, "|---|---|---:|---:|---:|---:|---:|"]
    return "\n".join([*lines, *map(_line, results)]) + "\n"


def _line(result: Result) -> str:
    low, high = result.interval
    return (
        f"| {result.scenario.name} | {result.rules} | {result.runs:,} | "
        f"{_percent(result.share)} ({_percent(low)} to {_percent(high)}) | "
        f"{_or_none(result.seconds, ' s')} | {_or_none(result.hurt)} | "
        f"{_percent(result.promoted / result.runs)} |"
    )


def _percent(share: float) -> str:
    return f"{100 * round(share, 6):.3g} %"


def _or_none(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:,.0f}{unit}"


def claims(results: Sequence[Result]) -> str:
    """Return what was claimed of the comparison and whether it holds."""
    return "".join(
        f"{'holds' if one.holds else 'DOES NOT HOLD'}: {one.scenario.name}: "
        f"rolled back {_percent(one.share)}"
        f"{'' if one.seconds is None else f', median {one.seconds:.0f} s'}\n"
        for one in results
        if one.rules == "comparison"
    )


def draw(results: Sequence[Result], file: Path) -> None:
    """Draw the share that was rolled back: of healthy canaries, and of harmful ones."""
    figure, axes = plt.subplots(1, 2, figsize=(13, 8.5), layout="constrained")
    for axis, healthy, title in (
        (axes[0], True, "Healthy canaries rolled back (lower is better)"),
        (axes[1], False, "Harmful canaries rolled back (higher is better)"),
    ):
        names = list(
            dict.fromkeys(r.scenario.name for r in results if r.scenario.healthy is healthy)
        )
        height = 0.8 / len(RULES)
        for number, rules in enumerate(RULES):
            chosen = {r.scenario.name: r for r in results if r.rules == rules}
            places = [
                index + (number - (len(RULES) - 1) / 2) * height for index in range(len(names))
            ]
            shares = [100 * chosen[name].share for name in names]
            axis.barh(places, shares, height, label=rules, color=COLOURS[rules])
        axis.set_yticks(range(len(names)), names)
        axis.invert_yaxis()
        axis.set_xlim(0, 100)
        axis.set_xlabel("share of the rollouts, %")
        axis.set_title(title)
        axis.grid(axis="x", alpha=0.3)
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(RULES))
    figure.savefig(file, dpi=110)
    plt.close(figure)
