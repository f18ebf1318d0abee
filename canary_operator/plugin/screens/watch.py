"""`watch`: the whole rollout as one frame for a terminal, or one line for each change."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Group
from rich.text import Text

from canary_operator.domain.status import Judgement
from canary_operator.plugin.console import Sheet
from canary_operator.plugin.family import Family
from canary_operator.plugin.screens.metrics import metrics
from canary_operator.plugin.screens.rollout import overview
from canary_operator.plugin.screens.rollouts import message_of, metrics_summary, words_of
from canary_operator.plugin.screens.tree import tree
from canary_operator.plugin.screens.words import bar, clock, phase_text
from canary_operator.plugin.sight import Scaling, Sight
from canary_operator.plugin.trail import Trail

BAR_COLUMNS = 10
_OTHER_LINES = 24
"""Lines of a frame beside pods and news, mostly."""
_FEWEST_PODS = 2


@dataclass(frozen=True, slots=True)
class News:
    """A change that was seen."""

    at: datetime
    sight: Sight


def frame(
    sight: Sight, family: Family, seen: tuple[Trail, Sequence[News]], now: datetime, sheet: Sheet
) -> Group:
    """Return everything that can be said about a rollout now, to fill a terminal.

    Args:
        sight: The rollout.
        family: What belongs to it.
        seen: What was seen before: checks, and changes that are worth a line.
        now: For times that are left.
        sheet: What it is drawn on.
    """
    trail, news = seen
    head, found = overview(sight, now, sheet), Group()
    for room in _rooms(sheet.console.height, len(news)):
        parts = [*head]
        judged = metrics(sight, sheet, trail, explained=room.explained) if room.metrics else ()
        if judged:
            parts += [Text(), *judged]
        pods = {"most_pods": room.canary_pods, "most_stable": room.stable_pods}
        parts += [Text(), *tree(sight, family, now, sheet, **pods)]
        if room.news:
            latest = news[-room.news :]
            parts += [Text(), *(line(one, sheet, brief=True) for one in latest)]
        found = Group(*parts)
        if _lines_of(found, sheet) <= sheet.console.height:
            break
    return found


@dataclass(frozen=True, slots=True)
class _Room:
    """How much is shown of what can be left out."""

    stable_pods: int
    news: int
    canary_pods: int
    explained: bool = True
    metrics: bool = True


def _rooms(height: int, news: int) -> Iterator[_Room]:
    """Yield from what a high terminal shows to what a low one does: the canary's pods stay last."""
    pods = max(_FEWEST_PODS, (height - _OTHER_LINES) // 2)
    for stable in range(pods, -1, -1):
        yield _Room(stable, news, pods)
    for fewer in range(news - 1, -1, -1):
        yield _Room(0, fewer, pods)
    yield _Room(0, 0, pods, explained=False)
    yield _Room(0, 0, pods, explained=False, metrics=False)
    for canary in range(pods - 1, 0, -1):
        yield _Room(0, 0, canary, explained=False, metrics=False)


def _lines_of(found: Group, sheet: Sheet) -> int:
    return len(sheet.console.render_lines(found, pad=False))


def line(news: News, sheet: Sheet, *, brief: bool = False) -> Text:
    """Return one change in one line: when, phase, weight, and what happens.

    Args:
        news: The change.
        sheet: What it is drawn on.
        brief: Whether metrics are told by their values instead of in sentences.
    """
    sight = news.sight
    text = Text(no_wrap=sheet.live, overflow="ellipsis")
    text.append(f"{clock(news.at)}  ", "muted")
    phase = phase_text(sight.status.phase)
    phase.pad_right(13 - len(phase))
    text.append_text(phase).append(f"{sight.weight:3d} %  ")
    if not sheet.narrow:
        text.append_text(bar(sight.weight, BAR_COLUMNS, sheet.glyphs)).append("  ")
    if not brief:
        return text.append(sheet.text(message_of(sight)))
    if sight.status.metrics:
        text.append_text(metrics_summary(sight.status.metrics, sheet)).append("  ")
    return text.append(sheet.text(words_of(sight)))


def named_line(news: News, sheet: Sheet, words: str = "") -> Text:
    """Return one change in one line that says of which rollout, for logs of several.

    Args:
        news: The change.
        sheet: What it is drawn on.
        words: What is said instead of how the rollout is, such as `deleted`.
    """
    text = Text(no_wrap=sheet.live, overflow="ellipsis")
    text.append(f"{news.sight.namespace}/{news.sight.name}  ")
    return text.append(words) if words else text.append_text(line(news, sheet))


def summary(sight: Sight, sheet: Sheet) -> Text:
    """Return how a rollout is, in one line that needs no other to be understood."""
    text = Text(f"{sight.namespace}/{sight.name}: ", no_wrap=sheet.live, overflow="ellipsis")
    text.append_text(phase_text(sight.status.phase)).append(f", {sight.weight} %")
    return text.append(f": {sheet.text(message_of(sight))}")


def change_of(news: News) -> dict[str, Any]:
    """Return one change as data for `--output json`."""
    sight, status = news.sight, news.sight.status
    scaling = sight.scaling(news.at)
    return {
        "time": news.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "namespace": sight.namespace,
        "name": sight.name,
        "phase": status.phase.value if status.phase else None,
        "weight": sight.weight,
        "step": status.step_progress,
        "stableRevision": status.stable_revision,
        "canaryRevision": status.canary_revision,
        "rejectedRevision": status.rejected_revision,
        "failedChecks": status.failed_checks,
        "message": message_of(sight),
        "metrics": [judgement_of(one) for one in status.metrics],
        "end": sight.end.value if sight.end else None,
        **({"autoscaling": scaling_of(scaling)} if scaling else {}),
    }


def scaling_of(scaling: Scaling) -> dict[str, int]:
    """Return floors and load as the status and the spec call them, without what is not known."""
    told = {
        "minReplicas": scaling.least,
        "maxReplicas": scaling.most,
        "fullLoad": scaling.full_load,
        "stableFloor": scaling.stable_floor,
        "canaryFloor": scaling.canary_floor,
    }
    return {name: pods for name, pods in told.items() if pods is not None}


def judgement_of(judgement: Judgement) -> Mapping[str, Any]:
    """Return a judgement as the status has it."""
    content: dict[str, Any] = judgement.model_dump(mode="json", by_alias=True, exclude_none=True)
    return content


def is_news(before: Sight | None, after: Sight) -> bool:
    """Whether a change is worth a line: another phase, weight, step or sentence, or a check."""
    if before is None:
        return True
    return _gist(before) != _gist(after)


def _gist(sight: Sight) -> tuple[object, ...]:
    status = sight.status
    checks = tuple((one.name, one.verdict) for one in status.metrics)
    return (status.phase, sight.weight, status.step_progress, message_of(sight), checks)
