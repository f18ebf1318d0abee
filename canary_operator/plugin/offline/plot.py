"""A picture of a plan, for a design document.

On the left, over the earliest times of the rollout: the weight, the pods, and the requests that a
check sees beside what it needs. On the right, where it was asked for, what the analysis finds.
"""

import errno
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canary_operator.domain.durations import format_duration
from canary_operator.plugin.exits import PluginError, UsageProblemError
from canary_operator.plugin.offline.plan import Plan
from canary_operator.plugin.offline.plot_panels import (
    INK,
    MUTED,
    PAPER,
    draw_detection,
    draw_pods,
    draw_requests,
    draw_weight,
    length,
    style,
)
from canary_operator.plugin.offline.simulation.setup import is_timed
from canary_operator.plugin.offline.simulation.told import since_start, surroundings_words
from canary_operator.plugin.offline.timetable import Timetable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS: Mapping[str, str] = {".svg": "svg", ".png": "png"}


def format_of(path: Path) -> str:
    """Return the kind of picture that a file's name asks for.

    Raises:
        UsageProblemError: it is none that can be drawn.
        PluginError: nothing can be drawn here.
    """
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise UsageProblemError(f"--plot {path}: a picture ends in {' or '.join(FORMATS)}")
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise PluginError(
            "--plot needs matplotlib, which is not installed",
            "pip install 'canary-operator[playground]'",
        ) from error
    del mpl
    return found


def check_place(path: Path) -> None:
    """Find out, before anything is played, whether a picture can be drawn into a file.

    Raises:
        UsageProblemError: it is of a kind that cannot be drawn.
        PluginError: nothing can be drawn here, or not there.
    """
    format_of(path)
    place = path if path.exists() else path.parent
    problem = 0 if os.access(place, os.W_OK) else errno.EACCES
    if not path.exists() and not place.is_dir():
        problem = errno.ENOTDIR if place.exists() else errno.ENOENT
    if path.is_dir():
        problem = errno.EISDIR
    if problem:
        raise PluginError(f"{path} cannot be written: {os.strerror(problem)}")


def write(plan: Plan, path: Path) -> None:
    """Draw a plan into a file; the same plan gives the same bytes.

    Raises:
        PluginError: the file cannot be written.
    """
    import matplotlib as mpl

    kind = format_of(path)
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with mpl.rc_context({"svg.hashsalt": "canary-operator", "font.size": 9.5}):
        figure = draw(plan)
        try:
            figure.savefig(path, format=kind, dpi=150, facecolor=PAPER, metadata=metadata)
        except OSError as error:
            raise PluginError(f"{path} cannot be written: {error.strerror}") from error


def draw(plan: Plan) -> "Figure":
    """Return the picture."""
    from matplotlib.figure import Figure

    times, found = plan.timetable, plan.detection
    figure = Figure(figsize=(12.0 if found else 8.4, 7.2))
    right = 0.585 if found else 0.97
    left: Mapping[str, Any] = {"left": 0.075 if found else 0.1, "right": right}
    grid = figure.add_gridspec(
        3, 1, height_ratios=[1.25, 1, 1], hspace=0.2, top=0.865, bottom=0.085, **left
    )
    weight = figure.add_subplot(grid[0])
    pods = figure.add_subplot(grid[1], sharex=weight)
    requests = figure.add_subplot(grid[2], sharex=weight)
    draw_weight(weight, times)
    draw_pods(pods, times)
    draw_requests(requests, plan)
    for panel in (weight, pods, requests):
        style(panel)
        panel.tick_params(labelbottom=panel is requests)
    _time_axis(requests, times)
    if found:
        side = figure.add_gridspec(1, 1, left=0.715, right=0.975, top=0.865, bottom=0.085)
        draw_detection(figure.add_subplot(side[0]), found)
    _write_titles(figure, plan)
    return figure


def _write_titles(figure: "Figure", plan: Plan) -> None:
    times, found = plan.timetable, plan.detection
    left = 0.075 if found else 0.1
    title = f"Plan of {times.namespace}/{times.name}"
    figure.text(left, 0.955, title, fontsize=15, fontweight="bold", color=INK)
    analysis = times.spec.analysis
    parts = [
        f"{times.spec.least_replicas} replicas",
        f"checks every {format_duration(analysis.interval)}",
        "compared with stable" if analysis.comparison else "against limits",
    ]
    if found:
        parts.append(surroundings_words(found.scenario, timed=is_timed(times.spec)))
    figure.text(left, 0.915, ", ".join(parts), fontsize=10, color=MUTED)


def _time_axis(panel: "Axes", times: Timetable) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    panel.set_xlim(0, length(times))
    panel.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 1.5, 2, 3, 6, 10]))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _clock(value)))
    panel.set_xlabel("earliest time since the start; triangles: checks", color=INK)


def _clock(seconds: float) -> str:
    return since_start(timedelta(seconds=seconds))
