"""Earlier revisions, and what going back to one of them means."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from canary_operator.plugin.formats import formatted
from canary_operator.plugin.live.images import template_of
from canary_operator.plugin.live.records import Record
from canary_operator.plugin.live.undoing import Undo, last_rollback
from canary_operator.plugin.screens.wanted import consequence
from canary_operator.plugin.screens.words import age
from canary_operator.plugin.sight import Sight, images_of


def known_revisions(sight: Sight, records: Sequence[Record], now: datetime) -> str:
    """Return the revisions that there are, one a line: images, age, what became of them."""
    rows = [
        (record.revision, record.images, age(record.created_at, now), _standing(sight, record))
        for record in records
    ]
    width = max((len(images) for _, images, _, _ in rows), default=0)
    return "\n".join(
        f"  {revision}  {images:<{width}}  {old:>8}  {standing}".rstrip()
        for revision, images, old, standing in rows
    )


def _standing(sight: Sight, record: Record) -> str:
    status = sight.status
    if record.revision == status.stable_revision:
        return "stable"
    if record.revision == status.canary_revision:
        return "canary"
    return "rolled back" if last_rollback(sight, record.revision) else ""


def way_back(sight: Sight, undo: Undo, now: datetime) -> Iterator[str]:
    """Yield what going back does, sentence by sentence."""
    revision, images = undo.record.revision, undo.record.images
    present = ", ".join(images_of(template_of(sight)).values())
    if not undo.needed:
        yield f"{sight.name} asks for revision {revision} ({images}) already: nothing to undo."
        if revision == sight.status.rejected_revision:
            yield f"It was rolled back; try it again with: kubectl canary retry {sight.name}"
        return
    yield f"{sight.name}: {undo.present} ({present}) → {revision} ({images})"
    yield consequence(sight, revision)
    failed = undo.rolled_back
    if failed is not None:
        when = age(failed.finished_at, now)
        yield f"Warning: {revision} was rolled back {when} ago: {failed.message or failed.reason}"


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return how one template becomes the other, line by line."""
    old, new = (_lines(one) for one in (before, after))
    return "\n".join(difflib.unified_diff(old, new, "now", "then", lineterm=""))


def _lines(template: Mapping[str, Any]) -> list[str]:
    ordered = json.loads(json.dumps(template, sort_keys=True))
    return formatted(ordered, "yaml").splitlines()
