"""What belongs to a rollout, as a tree: Deployments, ReplicaSets, pods."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from rich.console import RenderableType
from rich.text import Text

from canary_operator.domain.objects import CANARY, KIND, STABLE
from canary_operator.plugin.console import Sheet
from canary_operator.plugin.family import Family, Pod, ReplicaSet, Track
from canary_operator.plugin.screens.table import Column, Row, table
from canary_operator.plugin.screens.words import WHOLE, age, images_text, phase_text
from canary_operator.plugin.sight import Sight

_WIDE = (
    Column("NAME"),
    Column("KIND"),
    Column("STATUS"),
    Column("AGE", right=True),
    Column("INFO"),
)
_NARROW = (Column("NAME"), Column("STATUS"), Column("INFO"))
_ALWAYS = (0, 2, 4)
"""Which of the cells a narrow terminal shows."""
Member = TypeVar("Member")

MOST_PODS = 10
"""Pods of one ReplicaSet that are shown; what is wrong comes first."""


def tree(  # noqa: PLR0913 - it shows that much
    sight: Sight,
    family: Family,
    now: datetime,
    sheet: Sheet,
    most_pods: int = MOST_PODS,
    *,
    most_stable: int | None = None,
) -> list[RenderableType]:
    """Return the rollout and what belongs to it.

    Args:
        sight: The rollout.
        family: What belongs to it.
        now: For ages.
        sheet: What it is drawn on.
        most_pods: Pods of one ReplicaSet that are shown at most.
        most_stable: The same for stable, where it is another number; 0 leaves them out.
    """
    most = {STABLE: most_pods if most_stable is None else most_stable, CANARY: most_pods}
    rows = [_root(sight, now), *_tracks(sight, family, now, sheet, most)]
    if sheet.narrow:
        rows = [Row([row.cells[index] for index in _ALWAYS]) for row in rows]
    found: list[RenderableType] = [*table(_NARROW if sheet.narrow else _WIDE, rows, sheet)]
    return [*found, *(Text(sheet.text(one), "warn") for one in family.hidden.splitlines())]


def _root(sight: Sight, now: datetime) -> Row:
    phase = phase_text(sight.status.phase)
    return Row([Text(sight.name, "title"), KIND, phase, age(sight.created_at, now), ""])


def _tracks(
    sight: Sight, family: Family, now: datetime, sheet: Sheet, most: Mapping[str, int]
) -> Iterator[Row]:
    for prefix, below, track in _branches(family.tracks, "", sheet):
        yield _track_row(sight, track, prefix, now, sheet)
        for inner, deeper, one in _branches(track.replica_sets, below, sheet):
            yield _set_row(one, inner, now)
            yield from _pod_rows(one, deeper, now, sheet, most.get(track.track, MOST_PODS))


def _track_row(sight: Sight, track: Track, prefix: str, now: datetime, sheet: Sheet) -> Row:
    canary = track.track == CANARY
    share = sight.weight if canary else WHOLE - sight.weight
    style = "canary" if canary else "stable"
    images = images_text(track.images.values(), short=sheet.narrow)
    info = Text.assemble((f"{share} %", style), f"  {images}")
    return Row(
        [
            Text.assemble((prefix, "muted"), (track.name, style)),
            "Deployment",
            _count(track.available, track.replicas, "available"),
            age(track.created_at, now),
            info if sheet.narrow else info.append(f"  {track.revision}", "muted"),
        ]
    )


def _set_row(one: ReplicaSet, prefix: str, now: datetime) -> Row:
    return Row(
        [
            Text.assemble((prefix, "muted"), one.name),
            "ReplicaSet",
            _count(one.ready, one.replicas, "ready"),
            age(one.created_at, now),
            Text(one.revision, "muted"),
        ]
    )


def _pod_rows(
    owner: ReplicaSet, below: str, now: datetime, sheet: Sheet, most: int
) -> Iterator[Row]:
    ordered = sorted(owner.pods, key=lambda pod: pod.ready)
    shown: list[Pod | int] = [*ordered[:most]]
    left = len(ordered) - most
    if left > 0 and most:
        shown.append(left)
    for prefix, _, one in _branches(shown, below, sheet):
        yield _more(one, prefix) if isinstance(one, int) else _pod_row(one, prefix, now, sheet)


def _more(count: int, prefix: str) -> Row:
    return Row([Text(f"{prefix}{count} more", "muted"), "", "", "", ""])


def _pod_row(pod: Pod, prefix: str, now: datetime, sheet: Sheet) -> Row:
    restarts = f"{pod.restarts} restart{'s' if pod.restarts != 1 else ''}" if pod.restarts else ""
    why = sheet.text(pod.trouble)
    return Row(
        [
            Text.assemble((prefix, "muted"), pod.name),
            "Pod",
            Text(_state(pod), "good" if pod.ready else "bad" if _is_trouble(pod) else "busy"),
            age(pod.created_at, now),
            Text.assemble((restarts, "bad"), "  " if restarts and why else "", why),
        ]
    )


def _state(pod: Pod) -> str:
    """Return what a pod does, and how many of its containers are ready where not all are."""
    if pod.ready_containers < pod.containers:
        return f"{pod.state} {pod.ready_containers}/{pod.containers}"
    return pod.state if pod.ready or pod.state != "Running" else "Running, not ready"


def _is_trouble(pod: Pod) -> bool:
    return bool(pod.restarts) or any(word in pod.state for word in ("Err", "BackOff", "OOM"))


def _count(part: int, whole: int, word: str) -> Text:
    style = "muted" if not whole else "good" if part >= whole else "busy"
    return Text(f"{part}/{whole} {word}", style)


def _branches(
    members: Sequence[Member], below: str, sheet: Sheet
) -> Iterator[tuple[str, str, Member]]:
    """Yield each member with what stands before its name, and before those below it."""
    glyphs = sheet.glyphs
    for index, member in enumerate(members):
        last = index == len(members) - 1
        yield (
            below + (glyphs.last_branch if last else glyphs.branch),
            below + (" " * len(glyphs.trunk) if last else glyphs.trunk),
            member,
        )
