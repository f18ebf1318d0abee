"""`history`: finished rollouts and the one under way, newest first."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from canary_operator.domain.figures import amount
from canary_operator.domain.phase import ON_TRIAL
from canary_operator.domain.status import HistoryEntry, Outcome
from canary_operator.plugin.console import Sheet
from canary_operator.plugin.screens.table import Column, Row, table
from canary_operator.plugin.screens.words import age, phase_text, span
from canary_operator.plugin.sight import Sight

OUTCOME_STYLES = {
    Outcome.PROMOTED: "good",
    Outcome.ROLLED_BACK: "bad",
    Outcome.REVERTED: "warn",
    Outcome.SUPERSEDED: "muted",
}
_COLUMNS = (
    Column("REVISION"),
    Column("OUTCOME"),
    Column("REASON"),
    Column("UP TO", right=True),
    Column("AGE", right=True),
    Column("TOOK", right=True),
    Column("HURT", right=True),
    Column("IMAGE"),
)


def history(
    sight: Sight, images: Mapping[str, str], now: datetime, sheet: Sheet, most: int | None = None
) -> list[RenderableType]:
    """Return a table of rollouts, and why those that were not promoted ended.

    Args:
        sight: The rollout.
        images: The images of each revision, where they are known.
        now: For ages.
        sheet: What it is drawn on.
        most: Finished rollouts that are shown at most; all when left out.
    """
    entries = sight.status.history[:most]
    rows = [*_under_way(sight, images, now, sheet)]
    rows += [_row(entry, images, now, sheet) for entry in entries]
    if not rows:
        return [Text("No rollout has ended yet; the first revision is not one.", "muted")]
    return [*table(_COLUMNS, rows, sheet), *_why(entries, sheet)]


def _under_way(
    sight: Sight, images: Mapping[str, str], now: datetime, sheet: Sheet
) -> Iterator[Row]:
    attempt, revision = sight.status.attempt, sight.status.canary_revision
    if attempt is None or revision is None or sight.status.phase not in ON_TRIAL:
        return
    hurt = attempt.requests_hurt
    yield Row(
        [
            revision,
            phase_text(sight.status.phase),
            "",
            f"{attempt.max_weight} %",
            age(attempt.started_at, now),
            "",
            sheet.glyphs.dash if hurt is None else amount(hurt),
            sheet.text(images.get(revision, "")),
        ]
    )


def _row(entry: HistoryEntry, images: Mapping[str, str], now: datetime, sheet: Sheet) -> Row:
    hurt = entry.requests_hurt
    return Row(
        [
            entry.revision,
            Text(entry.outcome.value, OUTCOME_STYLES[entry.outcome]),
            entry.reason if entry.reason != entry.outcome.value else "",
            f"{entry.max_weight} %",
            age(entry.finished_at, now),
            span(entry.finished_at - entry.started_at),
            sheet.glyphs.dash if hurt is None else amount(hurt),
            sheet.text(images.get(entry.revision, "")),
        ]
    )


def _why(entries: tuple[HistoryEntry, ...], sheet: Sheet) -> Iterator[RenderableType]:
    told = [one for one in entries if one.message and one.outcome is not Outcome.PROMOTED]
    if told:
        yield Text()
    for entry in told:
        yield Text.assemble(
            (f"{entry.revision} ", "title"),
            (f"{entry.outcome.value}: ", OUTCOME_STYLES[entry.outcome]),
            sheet.text(entry.message),
        )


def entries(sight: Sight, images: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return finished rollouts as data, newest first, each with its image."""
    found = []
    for one in sight.status.history:
        entry = one.model_dump(mode="json", by_alias=True, exclude_none=True)
        found.append({**entry, "image": images.get(one.revision)})
    return found
