"""Rollouts that were played, as people see them: narrow and wide, Unicode and ASCII, in pipes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary_operator.plugin.offline.simulation.outcomes import groups_of
from canary_operator.plugin.offline.simulation.play import simulate
from canary_operator.plugin.offline.simulation.scenario import (
    Event,
    Scenario,
    When,
    parse_events,
)
from canary_operator.plugin.offline.simulation.setup import Setup
from canary_operator.plugin.offline.simulation.timeline import End, Ending, Hurt, Timeline
from canary_operator.plugin.screens.runs import runs_screen
from canary_operator.plugin.screens.timeline import timeline_screen, weight_chart
from tests.support.paper import drawn, sheet
from tests.support.snapshots import check_snapshot

EXAMPLES = Path(__file__).parents[3] / "examples" / "helloworld"
SPEC: dict[str, Any] = yaml.safe_load(
    (EXAMPLES / "3-helloworld-v3-faulty.yaml").read_text(encoding="utf-8")
)["spec"]
SECOND = timedelta(seconds=1)
PAPERS: dict[str, dict[str, Any]] = {
    "80": {"width": 80},
    "100": {"width": 100},
    "140": {"width": 140},
    "80-ascii": {"width": 80, "plain": True},
    "pipe": {"terminal": False},
}
COMPARED = {
    "interval": "20s",
    "comparison": {},
    "metrics": [
        {"name": "success-rate", "successRate": {"min": 95}},
        {"name": "latency", "latency": {"max": "250ms"}, "dryRun": True},
        {"name": "carts", "query": {"promql": "sum(x)", "max": 0.05}},
    ],
}
PEOPLE = {"steps": [{"weight": 10, "hold": "1m", "approval": True}, {"weight": 50, "hold": "1m"}]}


def setup(scenario: str, *events: Event, **changes: Any) -> Setup:
    played = Scenario(scenario, (*parse_events(scenario), *events))
    return Setup(SPEC | changes, played, name="helloworld", namespace="demo")


PLAYS: dict[str, Callable[[], Timeline]] = {
    "faulty": lambda: simulate(setup("errors=8%")),
    "healthy": lambda: simulate(setup("healthy")),
    "compared": lambda: simulate(setup("errors=2%@step2", analysis=COMPARED)),
    "outage": lambda: simulate(setup("outage", analysis=COMPARED)),
    "crash": lambda: simulate(setup("crashloop@step2/20s")),
    "silence": lambda: simulate(setup("no-traffic")),
    "people": lambda: simulate(
        setup(
            "healthy",
            Event(at=When(after=20 * SECOND), request="resume"),
            Event(at=When(step=2), request="abort"),
            Event(at=When(promotion=True), rps=5.0),
            strategy=PEOPLE,
        )
    ),
    "paused": lambda: simulate(setup("healthy", paused=True)),
    "uncounted": lambda: simulate(setup("healthy", service={"port": 5432, "portName": "tcp"})),
}


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("play", PLAYS)
def test_a_timeline(play: str, paper: str) -> None:
    on = sheet(**PAPERS[paper])
    check_snapshot(f"timeline/{play}-{paper}", drawn(on, timeline_screen(PLAYS[play](), on)))


@pytest.mark.parametrize("width", [40, 80, 100, 140])
@pytest.mark.parametrize("play", PLAYS)
def test_no_line_is_wider_than_the_terminal(play: str, width: int) -> None:
    on = sheet(width)
    text = drawn(on, timeline_screen(PLAYS[play](), on))
    assert max(len(line) for line in text.split("\n")) <= width


def test_what_began_is_not_told_as_missed() -> None:
    """Where there is one step only, an outage of step 2 begins at that one."""
    on, strategy = sheet(100), {"steps": [{"weight": 10, "hold": "1m"}]}
    text = drawn(on, timeline_screen(simulate(setup("outage", strategy=strategy)), on))
    assert "Scenario: both versions fail 50 %" in text
    assert "It never came to this" not in text


def test_nothing_of_a_table_is_cut_off() -> None:
    on, groups = sheet(40), groups_of(ENDS, SEEDS)
    text = drawn(on, runs_screen(setup("healthy"), groups, SEEDS, {}, on))
    assert "…" not in text
    assert max(len(line) for line in text.split("\n")) <= 40


def test_colours_say_nothing_that_signs_do_not() -> None:
    plain, coloured = sheet(100), sheet(100, color=True)
    timeline = PLAYS["compared"]()
    assert drawn(plain, timeline_screen(timeline, plain)) == drawn(
        coloured, timeline_screen(timeline, coloured)
    )
    assert "\x1b[" in drawn(coloured, timeline_screen(timeline, coloured), raw=True)


def test_ascii_is_ascii() -> None:
    on = sheet(100, plain=True)
    assert all(drawn(on, timeline_screen(play(), on)).isascii() for play in PLAYS.values())


def test_the_weight_is_drawn_in_proportion_to_time() -> None:
    timeline = PLAYS["healthy"]()
    text = weight_chart(timeline, sheet(100)).plain
    bars = text[len("0:00 ") : text.index(" 4:")]
    assert len(bars) == 60
    ticks = [bars.count(tick) for tick in "▁▂▄█"]
    assert sum(ticks) + bars.count(" ") == 60
    assert all(12 <= count <= 20 for count in ticks), "a minute each of less than five"


# Many of them.

FOUND = [
    (Ending.PROMOTED, "Promoted", 276.0, 6),
    (Ending.PROMOTED, "Promoted", 279.9, 11),
    (Ending.ROLLED_BACK, "AnalysisFailed", 97.0, 1),
    (Ending.WAITING, "ApprovalRequired", 3700.0, 1203),
]
ENDS = [
    End(ending, reason, "", took * SECOND, 50, Hurt(5000, failed))
    for ending, reason, took, failed in FOUND * 5 + FOUND[:1] * 80
]
SEEDS = range(7, 107)


@pytest.mark.parametrize("paper", PAPERS)
def test_runs(paper: str) -> None:
    on = sheet(**PAPERS[paper])
    groups = groups_of(ENDS, SEEDS)
    shown = runs_screen(setup("errors=0.1%"), groups, SEEDS, {"carts": 0.025}, on)
    check_snapshot(f"timeline/runs-{paper}", drawn(on, shown))


def test_runs_that_are_all_alike_need_no_example() -> None:
    on, alike = sheet(100), [replace(ENDS[0])] * 3
    text = drawn(on, runs_screen(setup("healthy"), groups_of(alike, range(3)), range(3), {}, on))
    assert "--seed" not in text
    assert "100 %" in text
