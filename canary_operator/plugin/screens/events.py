"""`events`: what happened and why, newest first."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from canary_operator.plugin.console import Sheet
from canary_operator.plugin.harmless import harmless_object
from canary_operator.plugin.screens.table import Column, Row, table
from canary_operator.plugin.screens.words import age, by_plugin

_COLUMNS = (
    Column("AGE", right=True),
    Column("TYPE"),
    Column("REASON"),
    Column("MESSAGE", wraps=True),
)


def happened_at(event: dict[str, Any]) -> datetime | None:
    """Return when an Event happened last; None where it does not say."""
    series = event.get("series") or {}
    meta = event.get("metadata") or {}
    times = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        meta.get("creationTimestamp"),
    )
    found = next((one for one in times if one), None)
    return datetime.fromisoformat(found) if found else None


def newest_first(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return Events in the order in which they are told; of equal times the latest written."""

    def order(event: dict[str, Any]) -> tuple[float, str]:
        moment = happened_at(event)
        version = str((event.get("metadata") or {}).get("resourceVersion") or "")
        return (moment.timestamp() if moment else 0.0, version.zfill(20))

    return sorted(events, key=order, reverse=True)


def events_table(
    events: Iterable[dict[str, Any]], now: datetime, sheet: Sheet
) -> list[RenderableType]:
    """Return a table of Events, in the order given."""
    rows = [_row(harmless_object(one), now, sheet) for one in events]
    if not rows:
        return [Text("No Events; the API server keeps them for an hour, unless set.", "muted")]
    return [*table(_COLUMNS, rows, sheet)]


def _row(event: dict[str, Any], now: datetime, sheet: Sheet) -> Row:
    count = (event.get("series") or {}).get("count") or event.get("count") or 1
    times = f" (x{count})" if count > 1 else ""
    kind = event.get("type") or ""
    namespace = (event.get("metadata") or {}).get("namespace") or ""
    return Row(
        [
            age(happened_at(event), now) + times,
            Text(kind, "warn" if kind == "Warning" else ""),
            event.get("reason") or "",
            sheet.text(by_plugin(event.get("message") or "", namespace)),
        ]
    )
