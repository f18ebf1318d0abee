"""One rollout: where it stands, what its metrics say, and what comes next."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from canary_operator.domain.durations import format_duration
from canary_operator.domain.phase import IN_STEPS, ON_TRIAL, Phase
from canary_operator.plugin.console import Sheet
from canary_operator.plugin.screens.rollouts import words_of
from canary_operator.plugin.screens.table import Cell
from canary_operator.plugin.screens.words import (
    bar,
    phase_text,
    span,
)
from canary_operator.plugin.sight import Scaling, Sight


def headline(sight: Sight) -> Text:
    """Return namespace, name, phase and revisions in one line."""
    status = sight.status
    text = Text.assemble((f"{sight.namespace}/{sight.name}", "title"), "   ")
    text.append_text(phase_text(status.phase))
    for word, revision, style in (
        ("canary", status.canary_revision, "canary"),
        ("stable", status.stable_revision, "stable"),
        ("rejected", status.rejected_revision, "bad"),
    ):
        if revision:
            text.append(f"   {word} ", "muted").append(revision, style)
    return text


def overview(sight: Sight, now: datetime, sheet: Sheet) -> list[RenderableType]:
    """Return everything about the rollout itself but its metrics."""
    message = Text(sheet.text(words_of(sight)))
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(style="muted", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in _facts(sight, now, sheet):
        grid.add_row(label, value)
    return [headline(sight), message, Text(), grid]


def _facts(sight: Sight, now: datetime, sheet: Sheet) -> Iterator[tuple[str, Cell]]:
    status = sight.status
    columns = 20 if sheet.narrow else 50
    share = Text.assemble(bar(sight.weight, columns, sheet.glyphs), f"  {sight.weight} %")
    yield "Weight", share
    if status.phase in ON_TRIAL and sight.steps:
        yield "Steps", steps_text(sight, sheet)
    yield from _times(sight, now)
    if status.phase in ON_TRIAL and sight.spec:
        limit = sight.spec.analysis.failure_limit
        words = f"{status.failed_checks} failed, {limit} tolerated"
        yield "Checks", Text(words, "warn" if status.failed_checks else "")
    yield "Pods", f"{status.ready_replicas} of {status.replicas} ready"
    scaling = sight.scaling(now)
    if scaling is not None:
        yield "Autoscaling", scaling_words(scaling)
    paused = sight.condition("Paused")
    if paused and paused.status == "True":
        yield "Paused", Text(sheet.text(paused.reason), "warn")
    if sight.stalled:
        yield "Stalled", Text(sheet.text(sight.stalled.reason), "bad")
    if sight.request:
        yield "Request", Text(f"{sight.request} waits for the operator", "warn")


def scaling_words(scaling: Scaling) -> str:
    """Return between which numbers autoscalers decide, and which pods stay whatever they think."""
    bounds = f"{scaling.least} to {scaling.most} pods for each version"
    if scaling.full_load is None:
        kept = f"; stable keeps at least {scaling.stable_floor}"
        return bounds + (kept if scaling.stable_floor > scaling.least else "")
    words = (
        f"{bounds}; all requests take {scaling.full_load}: "
        f"stable keeps at least {scaling.stable_floor}"
    )
    canary = scaling.canary_floor
    return words if canary is None else f"{words}, the canary {canary}"


def steps_text(sight: Sight, sheet: Sheet) -> Text:
    """Return the steps in a row, with signs for what is over, what is now and what is to come."""
    glyphs, here = sheet.glyphs, sight.step
    promoting = sight.status.phase is Phase.PROMOTING
    text = Text()
    for index, step in enumerate(sight.steps):
        over = promoting or (here is not None and index < here)
        words = f"{step.weight} %" + (" approval" if step.approval else "")
        text.append_text(_stop(words, sheet, over=over, now=not over and index == here))
        text.append(f" {glyphs.arrow} ", "muted")
    return text.append_text(_stop("promote", sheet, over=False, now=promoting))


def _stop(words: str, sheet: Sheet, *, over: bool, now: bool) -> Text:
    glyphs = sheet.glyphs
    if now:
        return Text(f"{glyphs.here} {words}", "canary")
    if over:
        return Text(f"{glyphs.done} {words}", "good")
    return Text(f"{glyphs.to_come} {words}", "muted")


def _times(sight: Sight, now: datetime) -> Iterator[tuple[str, Cell]]:
    """Say what is waited for, and how long still."""
    ends, step = sight.hold_ends_at(), sight.step
    if ends is not None and step is not None and step < len(sight.steps):
        hold = sight.steps[step].hold
        left = min(ends - now, hold)  # a clock of this machine that is behind must not show more
        words = format_duration(hold)
        yield "Hold", f"{span(left)} left of {words}" if ends > now else f"{words} is over"
    check = sight.next_check_at()
    if check is not None and sight.weight:
        yield "Next check", _in(check, now)
    deadline = sight.deadline_at()
    if deadline is not None:
        yield "Deadline", f"{_in(deadline, now)}, unless there is progress"
    elif sight.status.phase in IN_STEPS:
        yield "Deadline", "stopped, while paused"
    until = sight.guarded_until()
    if until is not None:
        yield "Outage", Text(f"both versions fail; waited out until {_in(until, now)}", "warn")


def _in(moment: datetime, now: datetime) -> str:
    left = moment - now
    return f"in {span(left)}" if left >= timedelta(seconds=1) else "now"
