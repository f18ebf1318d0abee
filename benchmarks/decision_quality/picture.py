"""The results as a picture: shares that were rolled back, a cell for each scenario and rules."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from benchmarks.decision_quality.peers import RULES
from benchmarks.decision_quality.results import Result

mpl.use("Agg")
import matplotlib.pyplot as plt

ALL = 100
DARK = 60
"""Percent from which a cell is so dark that its number is white."""
LEAST_SHOWN = 0.005
"""Smallest share, in percent, that is not written as zero."""


def draw(results: Sequence[Result], file: Path) -> None:
    """Draw what happened to healthy canaries, where dark is bad, and to harmful ones."""
    parts = [
        (True, "Reds", "Healthy canaries: rolled back by a verdict, % (light is good)"),
        (False, "Greens", "Harmful canaries: rolled back by a verdict, % (dark is good)"),
    ]
    names = [_names(results, healthy) for healthy, _, _ in parts]
    figure, axes = plt.subplots(
        2,
        1,
        figsize=(12, 11),
        layout="constrained",
        gridspec_kw={"height_ratios": [len(part) for part in names]},
    )
    for axis, rows, (_, colours, title) in zip(axes, names, parts, strict=True):
        _cells(axis, results, rows, colours)
        axis.set_title(title, loc="left", fontweight="bold", pad=10)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def _names(results: Sequence[Result], healthy: bool) -> list[str]:
    chosen = (one.scenario for one in results if one.scenario.healthy is healthy)
    return list(dict.fromkeys(scenario.name for scenario in chosen))


def _cells(axis: plt.Axes, results: Sequence[Result], rows: Sequence[str], colours: str) -> None:
    shares = {(one.scenario.name, one.rules): ALL * one.share for one in results}
    values = [[shares.get((name, rules), float("nan")) for rules in RULES] for name in rows]
    axis.imshow(values, cmap=colours, vmin=0, vmax=ALL * 1.15, aspect="auto")
    for row, line in enumerate(values):
        for column, share in enumerate(line):
            colour = "white" if share >= DARK else "black"
            axis.text(column, row, _number(share), ha="center", va="center", color=colour)
    axis.set_xticks(range(len(RULES)), [rules.replace(", ", "\n") for rules in RULES])
    axis.set_yticks(range(len(rows)), rows)
    axis.set_xticks([column - 0.5 for column in range(1, len(RULES))], minor=True)
    axis.set_yticks([row - 0.5 for row in range(1, len(rows))], minor=True)
    axis.grid(which="minor", color="white", linewidth=2)
    axis.tick_params(which="both", length=0)
    axis.spines[:].set_visible(False)


def _number(share: float) -> str:
    if share != share:  # noqa: PLR0124 - rules that the scenario is not about
        return "–"  # noqa: RUF001 - a dash in a picture
    return "0" if share < LEAST_SHOWN else f"{share:.3g}"
