"""Panels of the picture of a plan."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from canary_operator.domain.figures import amount
from canary_operator.plugin.offline.plan import SURE, Detection, Plan, Rung
from canary_operator.plugin.offline.plan_words import rounded_up, rung_name
from canary_operator.plugin.offline.simulation.told import since_start
from canary_operator.plugin.offline.timetable import Timetable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, GRID, PAPER = "#1f2933", "#616e7c", "#e4e7eb", "#ffffff"
CANARY, STABLE, BAD, GOOD = "#d97b18", "#3e6fb0", "#c62f2f", "#2f855a"
ALL = 100


def draw_weight(panel: "Axes", times: Timetable) -> None:
    """Draw the weight over time, with the checks."""
    edges = [*(seconds(one.starts_at) for one in times.steps), seconds(times.promoted_at)]
    weights = [one.step.weight for one in times.steps]
    for one in times.steps:
        span = (seconds(one.starts_at), seconds(one.ends_at))
        panel.fill_between(span, one.step.weight, color=CANARY, alpha=0.18, linewidth=0)
        panel.annotate(
            f"{one.step.weight} %",
            (span[0], one.step.weight),
            xytext=(3, 3),
            textcoords="offset points",
            color=CANARY,
            fontweight="bold",
        )
    panel.stairs(weights, edges, color=CANARY, linewidth=2, baseline=None)
    panel.plot([edges[-1]] * 2, [weights[-1], 0], color=CANARY, linewidth=2)
    checks = [seconds(at) for one in times.steps for at in one.checks_at]
    panel.plot(checks, [0.0] * len(checks), "^", color=INK, markersize=4, clip_on=False, zorder=5)
    panel.set_ylim(0, max([*weights, 10]) * 1.45)
    panel.set_ylabel("canary's weight in %")
    for one in times.steps:
        if one.step.approval:
            _mark(panel, seconds(one.ends_at), "approval", MUTED, height=0.1)


def draw_pods(panel: "Axes", times: Timetable) -> None:
    """Draw the pods of both tracks over time."""
    ends = length(times)
    edges = [*(seconds(one.starts_at) for one in times.steps), seconds(times.promoted_at), ends]
    stable = [*(one.pods - one.canary_pods for one in times.steps), times.spec.least_replicas]
    all_pods = [*(one.pods for one in times.steps), times.spec.least_replicas]
    panel.stairs(all_pods, edges, fill=True, color=CANARY, alpha=0.75, label="canary")
    panel.stairs(stable, edges, fill=True, color=STABLE, alpha=0.85, label="stable")
    for one in times.steps:
        panel.annotate(
            f"{one.canary_pods}",
            (seconds(one.starts_at), one.pods),
            xytext=(3, 2),
            textcoords="offset points",
            color=CANARY,
            fontweight="bold",
        )
    panel.plot([seconds(times.promoted_at)], [times.promotion_pods], "_", color=INK, markersize=14)
    panel.annotate(
        f"up to {times.promotion_pods} while promoting",
        (seconds(times.promoted_at), times.promotion_pods),
        xytext=(-4, 4),
        textcoords="offset points",
        ha="right",
        color=INK,
    )
    panel.set_ylim(0, max([*all_pods, times.promotion_pods]) * 1.3)
    panel.set_ylabel("pods")
    panel.legend(loc="lower left", frameon=False, ncols=2, labelcolor=PAPER, fontsize=9)


def draw_requests(panel: "Axes", plan: Plan) -> None:
    """Draw the requests that checks see, or, where nobody said how many there are, need."""
    times, found = plan.timetable, plan.detection
    planned = [(one, one.look) for one in times.steps if one.look is not None]
    if not planned:
        panel.text(
            0.5, 0.5, "only custom queries", transform=panel.transAxes, ha="center", color=MUTED
        )
        return
    least = times.spec.analysis.min_requests
    if found is None:
        values = [look.needed_rps for _, look in planned]
        words = [rounded_up(value) for value in values]
        panel.set_ylabel("requests/s that\nchecks need")
    else:
        values = [look.canary_requests(found.scenario.rps) for _, look in planned]
        words = [amount(value) for value in values]
        panel.set_ylabel("canary requests\nper check")
        _draw_least(panel, least)
    edges = [*(seconds(one.starts_at) for one, _ in planned), seconds(times.promoted_at)]
    panel.stairs(values, edges, color=INK, linewidth=2, baseline=None)
    for at, value, told in zip(edges, values, words, strict=False):
        few = found is not None and value < least
        panel.annotate(
            told,
            (at, value),
            xytext=(3, 3),
            textcoords="offset points",
            color=BAD if few else INK,
            fontweight="bold",
        )
    _scale(panel, [*values, *([least] if found else [])])


def _draw_least(panel: "Axes", least: int) -> None:
    panel.axhline(least, color=BAD, linewidth=1.2, linestyle=(0, (5, 3)))
    panel.annotate(
        f"minRequests {least}",
        (1.0, least),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 3),
        textcoords="offset points",
        ha="right",
        color=BAD,
    )


def _scale(panel: "Axes", values: Sequence[float]) -> None:
    """Show requests by their powers of ten, since the first step has few of them."""
    from matplotlib.ticker import FuncFormatter, NullLocator

    panel.set_yscale("log")
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    panel.yaxis.set_minor_locator(NullLocator())
    shown = [value for value in values if value > 0]
    panel.set_ylim(min(shown) / 3, max(shown) * 5)


def _mark(panel: "Axes", at: float, words: str, colour: str, height: float) -> None:
    panel.axvline(at, color=colour, linewidth=1.1, linestyle=":")
    late = at > 0.6 * panel.get_xlim()[1]
    panel.annotate(
        words,
        (at, height),
        xycoords=panel.get_xaxis_transform(),
        xytext=(-4 if late else 4, 0),
        textcoords="offset points",
        ha="right" if late else "left",
        va="center",
        color=colour,
        fontsize=8.5,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.8},
    )


def draw_detection(panel: "Axes", found: Detection) -> None:
    """Draw how often versions are rolled back that fail more often than stable."""
    rungs = [found.healthy, *found.rungs]
    for place, rung in enumerate(rungs):
        low, high = rung.found.interval
        colour = GOOD if rung.is_found == bool(rung.extra) else BAD
        panel.plot([ALL * low, ALL * high], [place, place], color=colour, linewidth=2, alpha=0.5)
        panel.plot([ALL * rung.found.value], [place], "o", color=colour, markersize=7)
        panel.annotate(
            _rung_words(rung),
            (ALL / 2, place),
            xytext=(0, -15),
            textcoords="offset points",
            ha="center",
            color=MUTED,
            fontsize=8.5,
        )
    panel.axvline(ALL * SURE, color=MUTED, linewidth=1.1, linestyle=(0, (5, 3)))
    panel.set_yticks(range(len(rungs)), [rung_name(rung) for rung in rungs])
    panel.set_xlim(-3, 103)
    panel.set_ylim(len(rungs) - 0.4, -0.6)
    panel.set_xlabel(f"rolled back, in % of up to {amount(found.runs)} rollouts", color=INK)
    panel.set_title("What the analysis finds", loc="left", fontsize=11, color=INK, pad=10)
    style(panel)
    panel.grid(axis="x", color=GRID, linewidth=0.8)
    panel.grid(visible=False, axis="y")


def _rung_words(rung: Rung) -> str:
    if rung.seconds is None or rung.hurt is None:
        return f"{ALL * rung.undecided.value:.3g} % undecided" if rung.undecided.count else ""
    took = since_start(timedelta(seconds=rung.seconds.median))
    median = amount(rung.hurt.median)
    hurt = f"{median} request{'' if median == '1' else 's'} hurt"
    return f"after {took}, {hurt} (95 %: {amount(rung.hurt.p95)})"


def style(panel: "Axes") -> None:
    """Make a panel calm."""
    panel.grid(axis="y", color=GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(colors=MUTED, labelsize=9, length=0)
    panel.yaxis.label.set_color(INK)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
    panel.spines["bottom"].set_color(MUTED)


def seconds(at: timedelta) -> float:
    """Return a time as axes have it."""
    return at.total_seconds()


def length(times: Timetable) -> float:
    """Return the seconds that are shown: a little more than the rollout."""
    return max(1.0, 1.04 * seconds(times.promoted_at))
