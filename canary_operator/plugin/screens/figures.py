"""The figures of checks below each other, as many as there is room for."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from canary_operator.domain.figures import odds
from canary_operator.domain.reasons import Reason
from canary_operator.domain.status import Judgement, Verdict
from canary_operator.plugin.console import Sheet
from canary_operator.plugin.offline.simulation.timeline import Check, Timeline
from canary_operator.plugin.screens.words import VERDICT_STYLES, bad_text, verdict_text

GAP = 2
"""Blanks between columns."""

BEFORE = 15
"""Columns that time and weight take."""

PLAIN_REASONS = frozenset({None, Reason.WITHIN_LIMITS, Reason.OUTSIDE_LIMITS})
"""Reasons that value and limit tell already."""


@dataclass(frozen=True, slots=True)
class _Figure:
    """One column."""

    header: str
    right: bool = False
    """Whether numbers stand below each other by their last digit."""


VERDICT, METRIC, VALUE, ODDS, CANARY, LIMIT, REASON, STABLE, FAILED = FIGURES = (
    _Figure("VERDICT"),
    _Figure("METRIC"),
    _Figure("VALUE", right=True),
    _Figure("ODDS", right=True),
    _Figure("CANARY BAD", right=True),
    _Figure("LIMIT"),
    _Figure("REASON"),
    _Figure("STABLE BAD", right=True),
    _Figure("FAILED CHECKS"),
)
"""From what is always shown to what is left out first."""

ORDER = (VERDICT, METRIC, VALUE, LIMIT, ODDS, CANARY, STABLE, REASON, FAILED)

Cells = dict[_Figure, str]


@dataclass(frozen=True, slots=True)
class Figures:
    """The columns that are shown, and how wide they are."""

    timeline: Timeline
    sheet: Sheet
    widths: dict[_Figure, int]

    @classmethod
    def of(cls, timeline: Timeline, sheet: Sheet) -> "Figures":
        """Return the columns that say something, as many as there is room for."""
        figures = cls(timeline, sheet, {})
        rows = [cells for check in timeline.checks for cells in figures._cells(check)]
        left = sheet.console.width - BEFORE
        for figure in FIGURES:
            width = _width(figure, rows)
            if figure is LIMIT and width + GAP > left:  # what stable had may be told elsewhere
                width = _width(figure, [row for row in rows if not _is_stable(row)])
            if width and width + GAP <= left:
                figures.widths[figure] = width
                left -= width + GAP
        return figures

    def header(self) -> Text:
        """Return the names of the columns."""
        return Text(self._joined({figure: figure.header for figure in FIGURES}), "title")

    def lines(self, check: Check) -> list[Text]:
        """Return a line for each metric of a check."""
        found = []
        for judgement, cells in zip(check.metrics, self._cells(check), strict=True):
            text = Text(self._joined(cells))
            text.stylize(VERDICT_STYLES[judgement.verdict], 0, self.widths.get(VERDICT, 0))
            found.append(text)
        return found

    def _joined(self, cells: Cells) -> str:
        shown = [figure for figure in ORDER if figure in self.widths]
        parts = (_fitted(cells[figure], figure, self.widths[figure]) for figure in shown)
        return (" " * GAP).join(parts).rstrip()

    def _cells(self, check: Check) -> Iterator[Cells]:
        counted = f"{check.failed_checks}, {self.timeline.failure_limit} tolerated"
        for index, judgement in enumerate(check.metrics):
            failed = counted if index == 0 and check.verdict is Verdict.FAIL else ""
            cells = {**self._judged(judgement), FAILED: failed}
            yield {figure: self.sheet.text(cell) for figure, cell in cells.items()}

    def _judged(self, judgement: Judgement) -> Cells:
        name, reason = judgement.name, judgement.reason
        return {
            VERDICT: verdict_text(judgement.verdict, self.sheet.glyphs).plain,
            METRIC: f"{name} (dry run)" if judgement.dry_run else name,
            VALUE: judgement.value or self.sheet.glyphs.dash,
            ODDS: "" if judgement.odds is None else odds(judgement.odds),
            CANARY: bad_text(judgement.canary),
            LIMIT: judgement.threshold,
            REASON: "" if reason in PLAIN_REASONS else str(reason),
            STABLE: bad_text(judgement.stable),
        }


def _width(figure: _Figure, rows: list[Cells]) -> int:
    """Return the columns that a figure takes; 0 where there is nothing to show."""
    widest = max((len(row[figure]) for row in rows), default=0)
    return max(widest, len(figure.header)) if widest else 0


def _is_stable(cells: Cells) -> bool:
    return cells[LIMIT].startswith("stable")


def _fitted(cell: str, figure: _Figure, width: int) -> str:
    shown = cell if len(cell) <= width else ""
    return shown.rjust(width) if figure.right else shown.ljust(width)
