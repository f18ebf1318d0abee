"""A picture of a rollout: the weight, the measured success rate, and the requests, over time.

`render` is a pure function: the same recording gives the same bytes.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from itertools import pairwise

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from canary_operator.playground.picture_data import Event, Moment, Recording, Tone

__all__ = ["Event", "ImageFormat", "Moment", "Recording", "Tone", "draw", "render"]

WIDTH_INCHES, HEIGHT_INCHES, DOTS_PER_INCH = 11.0, 7.6, 150
FULL_PERCENT = 100.0
MINUTES_FROM_SECONDS = 180.0
"""From this length on the axis shows minutes."""

INK, MUTED, GRID, PAPER = "#1f2933", "#616e7c", "#e4e7eb", "#ffffff"
VERSION_COLOURS = ("#3e6fb0", "#e8963e", "#7b5ea7", "#3a9188", "#c7677f")
"""Told apart by people who see few colours, too; in order of appearance."""
CANARY_COLOUR, STABLE_COLOUR, FAILED_COLOUR = "#d97b18", "#3e6fb0", "#c62f2f"

LABEL_ROWS = 3
LABEL_ROW_HEIGHT = 0.145
"""As a share of the first panel's height."""
LABEL_CHARACTER_SHARE = 0.0082
"""Width of a character as a share of the axis; decides which row has room for a label."""


class ImageFormat(StrEnum):
    """What `render` can make."""

    PNG = "png"
    SVG = "svg"


def render(recording: Recording, image_format: ImageFormat) -> bytes:
    """Return the picture as a file's content."""
    image = io.BytesIO()
    metadata = {"Date": None} if image_format is ImageFormat.SVG else {"Software": None}
    with mpl.rc_context({"svg.hashsalt": "canary-operator"}):
        draw(recording).savefig(
            image, format=image_format, dpi=DOTS_PER_INCH, facecolor=PAPER, metadata=metadata
        )
    return image.getvalue()


def draw(recording: Recording) -> Figure:
    """Return the picture as a figure of three panels over one time axis."""
    labels = [*_label_rows(recording)]
    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES))
    panels = figure.subplots(
        3,
        1,
        sharex=True,
        gridspec_kw={
            "height_ratios": [1, 1, 1.35],
            "hspace": 0.14,
            "left": 0.075,
            "right": 0.875,
            "top": 0.90 - 0.032 * (1 + max((row for _, row in labels), default=-1)),
            "bottom": 0.085,
        },
    )
    weight, success, requests = panels
    _draw_weight(weight, recording)
    _draw_success(success, recording)
    _draw_requests(requests, recording)
    for panel in panels:
        _style(panel, recording)
    _draw_events(panels, labels)
    _write_frame(figure, requests, recording)
    return figure


def _draw_weight(panel: Axes, recording: Recording) -> None:
    times = [at for at, _ in recording.steps]
    weights = [weight for _, weight in recording.steps]
    panel.fill_between(times, weights, step="post", color=CANARY_COLOUR, alpha=0.18, linewidth=0)
    panel.step(times, weights, where="post", color=CANARY_COLOUR, linewidth=2)
    panel.set_ylabel("canary's weight")
    top = max([*weights, 10])
    panel.set_ylim(0, top * 1.28)
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
    for at, level in _levels(recording.steps):
        panel.annotate(
            f"{level} %",
            (at, level),
            xytext=(4, 3),
            textcoords="offset points",
            fontsize=9,
            color=CANARY_COLOUR,
            fontweight="bold",
        )


def _draw_success(panel: Axes, recording: Recording) -> None:
    series = {
        "stable": (STABLE_COLOUR, [moment.stable_success for moment in recording.moments]),
        "canary": (CANARY_COLOUR, [moment.canary_success for moment in recording.moments]),
    }
    times = [moment.at for moment in recording.moments]
    seen = [recording.threshold]
    for name, (colour, values) in series.items():
        numbers = [float("nan") if value is None else value for value in values]
        if any(value is not None for value in values):
            panel.plot(times, numbers, color=colour, linewidth=2, label=name)
        seen += [value for value in values if value is not None]
    panel.axhline(recording.threshold, color=FAILED_COLOUR, linewidth=1.2, linestyle=(0, (5, 3)))
    panel.annotate(
        f"limit {recording.threshold:g} %",
        (1.0, recording.threshold),
        xycoords=("axes fraction", "data"),
        xytext=(5, -3),
        textcoords="offset points",
        fontsize=9,
        color=FAILED_COLOUR,
    )
    span = max(FULL_PERCENT - min(seen), 1.0)
    panel.set_ylim(FULL_PERCENT - span * 1.15, FULL_PERCENT + span * 0.12)
    panel.set_ylabel("success rate")
    panel.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    panel.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:g} %" if value <= FULL_PERCENT else "")
    )
    _legend(panel)


def _draw_requests(panel: Axes, recording: Recording) -> None:
    times = [moment.at for moment in recording.moments]
    versions = _versions(recording.moments)
    colours = [VERSION_COLOURS[index % len(VERSION_COLOURS)] for index in range(len(versions))]
    layers = [
        [moment.requests.get(version, 0.0) for moment in recording.moments] for version in versions
    ]
    if layers:
        panel.stackplot(times, layers, labels=versions, colors=colours, alpha=0.85, linewidth=0)
    failed = _without_calm([moment.failed for moment in recording.moments])
    if any(moment.failed for moment in recording.moments):
        panel.plot(times, failed, color=FAILED_COLOUR, linewidth=1.8, label="failed")
        panel.fill_between(times, failed, color=FAILED_COLOUR, alpha=0.35, linewidth=0)
    panel.set_ylim(bottom=0)
    panel.margins(y=0.12)
    panel.set_ylabel("requests per second")
    _legend(panel)


def _draw_events(panels: Sequence[Axes], labels: Sequence[tuple[Event, int]]) -> None:
    """Mark each event in all panels and name it above the first."""
    above = panels[0].get_xaxis_transform()  # time across, share of the panel's height upwards
    for event, row in labels:
        for panel in panels:
            panel.axvline(event.at, color=event.tone, linewidth=1.1, linestyle=":", alpha=0.9)
        height = 1.06 + row * LABEL_ROW_HEIGHT
        panels[0].plot(
            [event.at, event.at],
            [1.0, height + 0.08],
            transform=above,
            color=event.tone,
            linewidth=1.1,
            linestyle=":",
            clip_on=False,
        )
        panels[0].annotate(
            event.label,
            (event.at, height),
            xycoords=above,
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=9,
            color=event.tone,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.5},  # over others' lines
            annotation_clip=False,
        )


def _label_rows(recording: Recording) -> Iterator[tuple[Event, int]]:
    """Yield each event with the lowest row whose last label ends before it.

    What happened before or after the samples is shown at their edge.
    """
    first, last = recording.moments[0].at, recording.moments[-1].at
    within = [replace(event, at=min(max(event.at, first), last)) for event in recording.events]
    ends = [-1.0] * LABEL_ROWS
    for event in sorted(within, key=lambda event: event.at):
        start = (event.at - recording.moments[0].at) / _length(recording)
        row = next((row for row, end in enumerate(ends) if end <= start), LABEL_ROWS - 1)
        ends[row] = start + (len(event.label) + 2) * LABEL_CHARACTER_SHARE
        yield event, row


def _style(panel: Axes, recording: Recording) -> None:
    first, last = recording.moments[0].at, recording.moments[-1].at
    panel.set_xlim(first, last)
    panel.grid(axis="y", color=GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(colors=MUTED, labelsize=9, length=0)
    panel.yaxis.label.set_color(INK)
    panel.yaxis.label.set_fontsize(10)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
    panel.spines["bottom"].set_color(MUTED)


def _write_frame(figure: Figure, lowest: Axes, recording: Recording) -> None:
    in_minutes = _length(recording) >= MINUTES_FROM_SECONDS
    lowest.xaxis.set_major_formatter(FuncFormatter(_minutes if in_minutes else _seconds))
    lowest.set_xlabel("time", color=INK, fontsize=10)
    figure.text(0.075, 0.955, recording.title, fontsize=15, fontweight="bold", color=INK)
    if recording.footnote:
        figure.text(0.875, 0.018, recording.footnote, fontsize=8.5, color=MUTED, ha="right")


def _legend(panel: Axes) -> None:
    handles, names = panel.get_legend_handles_labels()
    if names:
        panel.legend(
            handles[::-1],
            names[::-1],
            loc="upper left",
            bbox_to_anchor=(1.005, 0.72),
            frameon=False,
            fontsize=9.5,
            handlelength=1.2,
            labelcolor=INK,
        )


def _without_calm(values: Sequence[float]) -> list[float]:
    """Blank zeros, except beside something: a lone failure is a peak, calm is no line at all."""
    padded = [0.0, *values, 0.0]
    return [
        value if any(padded[index : index + 3]) else float("nan")
        for index, value in enumerate(values)
    ]


def _levels(steps: Sequence[tuple[float, int]]) -> Iterator[tuple[float, int]]:
    """Yield where the weight rises to a new level."""
    for (_, before), (at, after) in pairwise(steps):
        if after > before:
            yield at, after


def _versions(moments: Sequence[Moment]) -> list[str]:
    return list(dict.fromkeys(version for moment in moments for version in moment.requests))


def _length(recording: Recording) -> float:
    return max(recording.moments[-1].at - recording.moments[0].at, 1.0)


def _seconds(value: float, _: object) -> str:
    return f"{value:g} s"


def _minutes(value: float, _: object) -> str:
    return f"{int(value // 60)}:{int(value % 60):02d}"
