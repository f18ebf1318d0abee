"""`simulate`: what happened in a rollout that was played."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import groupby
from math import ceil

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from canary_operator.domain.figures import amount, number
from canary_operator.domain.phase import Phase
from canary_operator.domain.status import Verdict
from canary_operator.plugin.console import Sheet
from canary_operator.plugin.offline.simulation.timeline import (
    Approved,
    Begun,
    Check,
    End,
    Ending,
    Entry,
    Over,
    Timeline,
    Told,
    Turn,
)
from canary_operator.plugin.offline.simulation.told import (
    event_words,
    since_start,
    surroundings_words,
    uncounted_words,
    when_words,
)
from canary_operator.plugin.screens.figures import GAP, Figures
from canary_operator.plugin.screens.table import Cell
from canary_operator.plugin.screens.words import PHASE_STYLES, by_plugin

ALIKE = 4
"""Longer runs of checks with the same verdict are folded."""

CHART_COLUMNS = 60
"""Most columns of the weight over time."""

ENDING_STYLES = {Ending.PROMOTED: "good", Ending.ROLLED_BACK: "bad", Ending.WAITING: "warn"}

PHASE_WORDS = {
    Phase.PROGRESSING: "the canary's pods start",
    Phase.PROMOTING: "stable is rolled to the new version",
    Phase.STABLE: "the new version serves everything",
    Phase.ROLLED_BACK: "stable serves everything",
}

Row = tuple[Cell, Cell, Text]


def timeline_screen(timeline: Timeline, sheet: Sheet) -> list[RenderableType]:
    """Return everything about one rollout."""
    grid = Table.grid(padding=(0, GAP, 0, 0))
    grid.add_column(justify="right", style="muted", no_wrap=True)
    grid.add_column(justify="right", style="canary", no_wrap=True)
    grid.add_column(overflow="fold")
    for row in _rows(timeline, sheet):
        grid.add_row(*row)
    told = [*_heading(timeline, sheet), Text(), grid, Text(), *_end(timeline, sheet)]
    return [*told, *_missed(timeline, sheet), *_notes(timeline, sheet)]


def _notes(timeline: Timeline, sheet: Sheet) -> Iterator[RenderableType]:
    yield from notes(timeline.assumed, timeline.uncounted, sheet)


def notes(assumed: Mapping[str, float], protocol: str, sheet: Sheet) -> Iterator[RenderableType]:
    """Yield what nobody can know without a Prometheus, and what not even one can tell.

    Args:
        assumed: Answers of custom queries that nobody gave.
        protocol: Of the service, where Istio does not count its requests; else empty.
        sheet: What it is drawn on.
    """
    if protocol:
        yield Text()
        yield Text(sheet.text(f"Note: {uncounted_words(protocol)}"), "warn")
    if assumed:
        answers = ", ".join(f"{name}: {number(value)}" for name, value in assumed.items())
        words = (
            "Note: without Prometheus no custom query can be run. Each was taken to give a value "
            f"inside of its limits; a scenario file can say otherwise: queries: {{{answers}}}"
        )
        yield Text()
        yield Text(sheet.text(words), "warn")


def _heading(timeline: Timeline, sheet: Sheet) -> Iterator[Text]:
    yield Text.assemble(
        (f"{timeline.namespace}/{timeline.name}", "title"),
        ("   simulated, canary ", "muted"),
        (timeline.revision, "canary"),
        (f", seed {timeline.seed}", "muted"),
    )
    scenario = timeline.scenario
    around = surroundings_words(scenario, timed=timeline.timed)
    yield Text(sheet.text(f"{around}. Scenario: {scenario.name}"))


def _missed(timeline: Timeline, sheet: Sheet) -> Iterator[Text]:
    """Yield what the scenario has and the rollout never came to."""
    begun = [entry.event for entry in timeline.entries if isinstance(entry, Begun)]
    for event in timeline.scenario.events:
        if event not in begun:
            words = f"It never came to this: {when_words(event.at)} {event_words(event)}."
            yield Text(sheet.text(words), "warn")


# What happened.


def _rows(timeline: Timeline, sheet: Sheet) -> Iterator[Row]:
    """Yield every line; many checks that are alike become one."""
    figures = Figures.of(timeline, sheet)
    if timeline.checks:
        yield Text("TIME", "title"), Text("WEIGHT", "title"), figures.header()
    for alike, group in groupby(timeline.entries, key=_alike):
        entries = [*group]
        folded = alike is not None and len(entries) > ALIKE
        for entry in entries[:1] if folded else entries:
            yield from _row(entry, timeline, figures)
        if folded:
            words = f"{sheet.glyphs.ellipsis} {len(entries) - 2} more checks like it"
            yield "", "", Text(words, "muted")
            yield from _row(entries[-1], timeline, figures)


def _alike(entry: Entry) -> object:
    """Return what checks have in common that tell nothing new; None for what always does."""
    if not isinstance(entry, Check) or entry.verdict is Verdict.FAIL:
        return None
    return entry.weight, entry.verdict


def _row(entry: Entry, timeline: Timeline, figures: Figures) -> Iterator[Row]:
    at, sheet = since_start(entry.at), figures.sheet
    match entry:
        case Turn():
            yield at, f"{entry.weight} %", _turn(entry, len(timeline.steps))
        case Check():
            first, *others = figures.lines(entry)
            yield at, f"{entry.weight} %", first
            yield from (("", "", other) for other in others)
        case Begun(event=event):
            yield at, "", Text(sheet.text(f"Scenario: {event_words(event)}."), "warn")
        case Over(event=event):
            yield at, "", Text(sheet.text(f"Over: {event_words(event)}."), "warn")
        case Approved():
            yield at, "", Text("A person approves.", "warn")
        case Told():
            yield at, "", Text(sheet.text(f"{entry.reason}: {entry.message}"), "warn")


def _turn(turn: Turn, steps: int) -> Text:
    if turn.phase is Phase.PROGRESSING and turn.weight and turn.step is not None:
        pods = f"{turn.canary_pods} canary pod{'s' if turn.canary_pods != 1 else ''}"
        words = turn.reason or pods
        return Text.assemble(
            (f"Step {turn.step + 1} of {steps}", "canary"), (f", {words}", "muted")
        )
    told = PHASE_WORDS.get(turn.phase, "")
    words = told if turn.phase is Phase.ROLLED_BACK else turn.reason or told
    return Text.assemble((turn.phase.value, PHASE_STYLES[turn.phase]), f": {words}")


# The end.


def _end(timeline: Timeline, sheet: Sheet) -> Iterator[RenderableType]:
    end = timeline.end
    style, glyphs = ENDING_STYLES[end.ending], sheet.glyphs
    signs = {Ending.PROMOTED: glyphs.passed, Ending.ROLLED_BACK: glyphs.failed}
    words = end.ending.value.replace("-", " ").capitalize()
    after = "since" if end.ending is Ending.WAITING else "after"
    line = f"{signs.get(end.ending, glyphs.unclear)} {words} {after} {since_start(end.took)}"
    yield Text(line if end.ending is Ending.PROMOTED else f"{line}: {end.reason}", style)
    if end.ending is not Ending.PROMOTED:
        yield Text(sheet.text(by_plugin(end.message, timeline.namespace)))
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(style="muted", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("Users hurt", Text(_hurt(end), "bad" if end.hurt.failed else ""))
    grid.add_row("Weight", weight_chart(timeline, sheet))
    yield grid


def _hurt(end: End) -> str:
    hurt = end.hurt
    words = (
        f"{amount(hurt.failed)} of {amount(hurt.requests)} requests to the new version went wrong"
    )
    return words if hurt.slow is None else f"{words}, {amount(hurt.slow)} took too long"


def weight_chart(timeline: Timeline, sheet: Sheet) -> Text:
    """Return the weight over time, as a line of small bars."""
    changes, glyphs = timeline.weights, sheet.glyphs
    ends = max([timeline.end.took, *(entry.at for entry in timeline.entries)])
    columns = max(1, min(CHART_COLUMNS, sheet.console.width - 40))
    highest = max(weight for _, weight in changes)
    text = Text(f"{since_start(timedelta())} ", "muted")
    for column in range(columns):
        begins, over = ends * column / columns, ends * (column + 1) / columns
        inside = [weight for at, weight in changes if begins < at < over]
        before = [weight for at, weight in changes if at <= begins]
        weight = max([before[-1], *inside])
        level = ceil(len(glyphs.ticks) * weight / highest) if weight else 0
        text.append(glyphs.ticks[level - 1] if level else " ", "canary")
    return text.append(f" {since_start(ends)}", "muted").append(f"   at most {highest} %")
