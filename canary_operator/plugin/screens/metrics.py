"""What the latest check of each metric said, with values, limits and counts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from canary_operator.domain.figures import odds
from canary_operator.domain.status import Judgement, Verdict
from canary_operator.plugin.console import Sheet
from canary_operator.plugin.screens.table import Cell, Column, Row, table
from canary_operator.plugin.screens.words import (
    VERDICT_STYLES,
    bad_text,
    sparkline,
    verdict_sign,
    verdict_text,
)
from canary_operator.plugin.sight import Sight
from canary_operator.plugin.trail import Trail

TREND_COLUMNS, NARROW_TREND_COLUMNS = 40, 12


@dataclass(frozen=True, slots=True)
class _Seen:
    """What cells are made of, beside the judgement itself."""

    judged: Sequence[Judgement]
    trail: Trail
    sheet: Sheet


def _always(_: _Seen) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class _Part:
    """One column of the table."""

    header: str
    cell: Callable[[Judgement, _Seen], Cell]
    right: bool = False
    shown: Callable[[_Seen], bool] = _always


def metrics(
    sight: Sight, sheet: Sheet, trail: Trail | None = None, *, explained: bool = True
) -> list[RenderableType]:
    """Return a table of what the latest check of each metric said; nothing before the first.

    Args:
        sight: The rollout.
        sheet: What it is drawn on.
        trail: Checks that were seen before, for trends.
        explained: Whether sentences below say why a metric does not pass.
    """
    judged = sight.status.metrics
    if not judged:
        return []
    seen = _Seen(judged, trail or Trail(), sheet)
    parts = [part for part in _PARTS if part.shown(seen)]
    columns = [Column(part.header, right=part.right) for part in parts]
    rows = [Row([part.cell(one, seen) for part in parts]) for one in judged]
    why = _explanations(judged, sheet) if explained else ()
    return [*table(columns, rows, sheet), *why]


def _name(judgement: Judgement, _: _Seen) -> Cell:
    return f"{judgement.name} (dry run)" if judgement.dry_run else judgement.name


def _verdict(judgement: Judgement, seen: _Seen) -> Cell:
    verdict, glyphs = judgement.verdict, seen.sheet.glyphs
    if seen.sheet.narrow:
        return Text(verdict_sign(verdict, glyphs), VERDICT_STYLES[verdict])
    return verdict_text(verdict, glyphs)


def _or_dash(words: str | None, seen: _Seen) -> Cell:
    return seen.sheet.text(words or seen.sheet.glyphs.dash)


def _odds(judgement: Judgement, seen: _Seen) -> Cell:
    return _or_dash(None if judgement.odds is None else odds(judgement.odds), seen)


def _trend(judgement: Judgement, seen: _Seen) -> Cell:
    columns = NARROW_TREND_COLUMNS if seen.sheet.narrow else TREND_COLUMNS
    return sparkline(seen.trail.of(judgement.name), columns, seen.sheet.glyphs)


_PARTS = (
    _Part("METRIC", _name),
    _Part("VERDICT", _verdict, shown=lambda seen: not seen.sheet.narrow),
    _Part("", _verdict, shown=lambda seen: seen.sheet.narrow),
    _Part("VALUE", lambda one, seen: _or_dash(one.value, seen), right=True),
    _Part("LIMIT", lambda one, seen: _or_dash(one.threshold, seen)),
    _Part("ODDS", _odds, True, lambda seen: any(one.odds is not None for one in seen.judged)),
    _Part("CANARY BAD", lambda one, seen: _or_dash(bad_text(one.canary), seen), right=True),
    _Part(
        "STABLE BAD",
        lambda one, seen: _or_dash(bad_text(one.stable), seen),
        right=True,
        shown=lambda seen: not seen.sheet.narrow,
    ),
    _Part("TREND", _trend, shown=lambda seen: any(seen.trail.of(one.name) for one in seen.judged)),
)


def _explanations(judged: Sequence[Judgement], sheet: Sheet) -> Iterator[RenderableType]:
    """Say why, where a metric does not pass; a pass explains itself."""
    for one in judged:
        if one.verdict is not Verdict.PASS and one.message:
            yield Text(sheet.text(one.message), VERDICT_STYLES[one.verdict])
