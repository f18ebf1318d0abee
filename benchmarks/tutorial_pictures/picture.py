"""A story as a picture: the share of the new version, seen by callers, and below it the pods."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl

from benchmarks.tutorial_pictures.recording import Look, Story
from canary_operator.playground.picture import CANARY_COLOUR, INK, MUTED, VERSION_COLOURS

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, MaxNLocator

SECONDS_PER_DOT = 5
NEW = "v2"
CALLER_COLOURS = (CANARY_COLOUR, "#3e6fb0")
DOTS_PER_INCH = 100


def draw(story: Story, looks: Sequence[Look], file: Path) -> None:
    """Draw a recorded story.

    Args:
        story: For the words.
        looks: At least two, in order of time.
        file: Where the PNG goes.
    """
    ratios = [1.5, 1, 0.7] if story.rush else [1.5, 1]
    figure, (shares, pods, *more) = plt.subplots(
        len(ratios),
        1,
        figsize=(9, 1.92 * sum(ratios)),
        sharex=True,
        layout="constrained",
        height_ratios=ratios,
    )
    figure.suptitle(story.title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    _shares(shares, story, looks)
    _pods(pods, looks)
    for axis in more:
        _requests(axis, looks)
    for axis in (shares, pods, *more):
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", alpha=0.3)
        axis.tick_params(colors=MUTED, labelsize=9)
        axis.set_xlim(looks[0].at, looks[-1].at)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    lowest = (more or [pods])[-1]
    lowest.xaxis.set_major_locator(MaxNLocator(steps=[3, 6], nbins=8, integer=True))
    lowest.xaxis.set_major_formatter(FuncFormatter(_minutes))
    figure.savefig(file, dpi=DOTS_PER_INCH, metadata={"Software": None})
    plt.close(figure)


def _shares(axis: plt.Axes, story: Story, looks: Sequence[Look]) -> None:
    axis.set_ylabel(f"answers of {NEW}", fontsize=9, color=INK)
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
    axis.step(
        [look.at for look in looks],
        [look.weight for look in looks],
        where="post",
        color=MUTED,
        linewidth=1.2,
        label="weight told",
    )
    for callers, colour in zip(story.callers, CALLER_COLOURS, strict=False):
        dots = measured(looks, callers.label)
        axis.plot(*zip(*dots, strict=True), "o", color=colour, markersize=3.5, label=callers.label)
    axis.set_ylim(-4, 104)


def measured(looks: Sequence[Look], label: str) -> list[tuple[float, float]]:
    """Return time and share of the new version, in percent, for some seconds each."""
    dots = []
    for start in range(0, len(looks) - SECONDS_PER_DOT, SECONDS_PER_DOT):
        part = looks[start : start + SECONDS_PER_DOT]
        answers = sum(sum(look.answers[label].values()) for look in part)
        new = sum(look.answers[label].get(NEW, 0) for look in part)
        if answers:
            dots.append((part[len(part) // 2].at, 100 * new / answers))
    return dots


def _pods(axis: plt.Axes, looks: Sequence[Look]) -> None:
    versions = sorted({version for look in looks for version in look.pods})
    axis.stackplot(
        [look.at for look in looks],
        [[look.pods.get(version, 0) for look in looks] for version in versions],
        labels=[f"{version}, ready" for version in versions],
        colors=VERSION_COLOURS,
        alpha=0.85,
        step="post",
    )
    axis.set_ylabel("pods", fontsize=9, color=INK)
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))


def _requests(axis: plt.Axes, looks: Sequence[Look]) -> None:
    """Draw all requests per second; the first look has no second before it."""
    rates = [
        sum(sum(answers.values()) for answers in after.answers.values()) / (after.at - before.at)
        for before, after in pairwise(looks)
    ]
    axis.plot([look.at for look in looks[1:]], rates, color=INK, linewidth=1.2)
    axis.set_ylabel("requests\nper second", fontsize=9, color=INK)
    axis.set_ylim(bottom=0)


def _minutes(value: float, _: object) -> str:
    return f"{int(value // 60)}:{int(value % 60):02d}"
