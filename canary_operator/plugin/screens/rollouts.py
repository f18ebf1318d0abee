"""`list`: rollouts, one line each."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from rich.text import Text

from canary_operator.domain.status import Judgement
from canary_operator.domain.words import metrics_words
from canary_operator.plugin.console import Sheet
from canary_operator.plugin.screens.table import Cell, Column, Row, table
from canary_operator.plugin.screens.words import (
    VERDICT_STYLES,
    age,
    by_plugin,
    phase_text,
    verdict_sign,
)
from canary_operator.plugin.sight import Sight, images_of

_FIRST = (
    Column("NAME"),
    Column("PHASE"),
    Column("WEIGHT", right=True),
    Column("STEP"),
    Column("METRICS"),
)
_WIDE = (Column("STABLE"), Column("CANARY"), Column("IMAGE"))
_AGE = Column("AGE", right=True)


OLDER = "(The operator is newer than this plugin: not all that it says can be shown.)"


def rollouts_table(
    sights: Iterable[Sight], now: datetime, sheet: Sheet, *, namespaces: bool, wide: bool
) -> list[Text]:
    """Return a table of rollouts; on a narrow terminal the message stands below each.

    Args:
        sights: In the order of the rows.
        now: For ages.
        sheet: What it is drawn on.
        namespaces: Whether a column says in which namespace each is.
        wide: Whether revisions and images are shown.
    """
    columns = [*([Column("NAMESPACE")] if namespaces else ()), *_FIRST, *(_WIDE if wide else ())]
    columns += [_AGE] if sheet.narrow else [_AGE, Column("MESSAGE")]
    rows = (_row(one, now, sheet, namespaces=namespaces, wide=wide) for one in sights)
    return table(columns, rows, sheet)


def _row(sight: Sight, now: datetime, sheet: Sheet, *, namespaces: bool, wide: bool) -> Row:
    status = sight.status
    dash = sheet.glyphs.dash
    words = sheet.text(message_of(sight))
    cells: list[Cell] = [
        *([sight.namespace] if namespaces else []),
        sight.name,
        phase_text(status.phase),
        f"{sight.weight} %",
        status.step_progress or dash,
        metrics_summary(status.metrics, sheet),
        *([status.stable_revision or dash, status.canary_revision or dash] if wide else []),
        *([_images(sight) or dash] if wide else []),
        age(sight.created_at, now),
    ]
    return Row(cells, Text(words, "muted")) if sheet.narrow else Row([*cells, words])


def message_of(sight: Sight) -> str:
    """Return the status in a sentence; one that the operator has not written yet is said so."""
    if sight.seen:
        older = f" {OLDER}" if sight.is_newer else ""
        return by_plugin(sight.status.message, sight.namespace) + older
    if sight.status.phase is None:
        return "The operator has not looked at it yet."
    return f"The operator has not looked at the newest spec yet. Before: {sight.status.message}"


def words_of(sight: Sight) -> str:
    """Return that sentence without what the metrics say, where that is shown beside it."""
    return message_of(sight).removesuffix(metrics_words(sight.status.metrics))


def metrics_summary(metrics: Iterable[Judgement], sheet: Sheet) -> Text:
    """Return name, value and sign of each metric that decides."""
    text = Text()
    for judgement in metrics:
        if judgement.dry_run:
            continue
        if text:
            text.append(", ")
        value = f" {judgement.value}" if judgement.value else ""
        text.append(f"{judgement.name}{sheet.text(value)} ")
        sign = verdict_sign(judgement.verdict, sheet.glyphs)
        text.append(sign, VERDICT_STYLES[judgement.verdict])
    return text or Text(sheet.glyphs.dash)


def _images(sight: Sight) -> str:
    spec: Mapping[str, object] = sight.raw.get("spec") or {}
    template = spec.get("template")
    return ", ".join(images_of(template).values()) if isinstance(template, Mapping) else ""
