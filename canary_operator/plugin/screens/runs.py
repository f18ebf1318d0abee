"""`simulate --runs`: how often rollouts that were played ended in which way."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from rich.console import RenderableType
from rich.text import Text

from canary_operator.domain.figures import amount
from canary_operator.plugin.console import Sheet
from canary_operator.plugin.offline.simulation.outcomes import Group
from canary_operator.plugin.offline.simulation.setup import (
    Setup,
    examine,
    is_timed,
    uncounted,
)
from canary_operator.plugin.offline.simulation.told import (
    interval_words,
    percent,
    since_start,
    surroundings_words,
)
from canary_operator.plugin.screens.fitting import fitting_table
from canary_operator.plugin.screens.table import Cell, Column
from canary_operator.plugin.screens.timeline import ENDING_STYLES, notes
from canary_operator.plugin.screens.words import bar

BAR_COLUMNS = 20

_COLUMNS = (
    Column("OUTCOME"),
    Column("REASON"),
    Column("SHARE", right=True),
    Column(""),
    Column("95 % INTERVAL"),
    Column("MEDIAN TIME", right=True),
    Column("TIME, 95 %", right=True),
    Column("MEDIAN HURT", right=True),
    Column("HURT, 95 %", right=True),
)
_SPARE = (
    *("", "TIME, 95 %", "HURT, 95 %", "95 % INTERVAL"),
    *("MEDIAN HURT", "MEDIAN TIME", "OUTCOME"),
)


def runs_screen(
    setup: Setup,
    groups: Sequence[Group],
    seeds: range,
    assumed: Mapping[str, float],
    sheet: Sheet,
) -> list[RenderableType]:
    """Return a table of outcomes.

    Args:
        setup: What was played.
        groups: How it ended.
        seeds: Of all runs.
        assumed: Answers of custom queries that nobody gave.
        sheet: What it is drawn on.
    """
    scenario, spec = setup.scenario, examine(setup)
    around = surroundings_words(scenario, timed=is_timed(spec))
    return [
        Text.assemble(
            (f"{setup.namespace}/{setup.name}", "title"),
            (f"   simulated {amount(len(seeds))} times, ", "muted"),
            (f"seeds {seeds.start} to {seeds.stop - 1}", "muted"),
        ),
        Text(sheet.text(f"{around}. Scenario: {scenario.name}")),
        Text(),
        *outcomes_table(groups, sheet),
        *_example(groups),
        *notes(assumed, uncounted(spec), sheet),
    ]


def outcomes_table(groups: Sequence[Group], sheet: Sheet) -> list[Text]:
    """Return how often it ended how, in how much time, and hurting how many requests."""
    return fitting_table(_COLUMNS, [_row(group, sheet) for group in groups], _SPARE, sheet)


def _row(group: Group, sheet: Sheet) -> dict[str, Cell]:
    style = ENDING_STYLES[group.ending]
    return {
        "OUTCOME": Text(group.ending.value.replace("-", " "), style),
        "REASON": group.reason,
        "SHARE": percent(group.share.value),
        "": bar(round(100 * group.share.value), BAR_COLUMNS, sheet.glyphs, style),
        "95 % INTERVAL": interval_words(group.share),
        "MEDIAN TIME": since_start(timedelta(seconds=group.seconds.median)),
        "TIME, 95 %": since_start(timedelta(seconds=group.seconds.p95)),
        "MEDIAN HURT": amount(group.hurt.median),
        "HURT, 95 %": amount(group.hurt.p95),
    }


def _example(groups: Sequence[Group]) -> Iterator[Text]:
    """Say how to see one of the rarer runs, where there are several kinds."""
    if len(groups) > 1:
        rarest = min(groups, key=lambda group: group.share.count)
        words = f"{rarest.ending.value.replace('-', ' ')}, {rarest.reason}"
        yield Text()
        yield Text(f"See one that ended so ({words}): --seed {rarest.example}", "muted")
