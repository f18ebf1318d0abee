"""`plan`: the timetable of a rollout, and what its analysis can find."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from rich.console import RenderableType
from rich.text import Text

from canary_operator.domain.durations import format_duration
from canary_operator.domain.figures import amount
from canary_operator.plugin.console import Sheet
from canary_operator.plugin.offline.plan import Detection, Plan, Rung
from canary_operator.plugin.offline.plan_words import (
    assumed_words,
    healthy_words,
    only_latency_decides,
    rounded_up,
    rung_name,
    smallest_words,
)
from canary_operator.plugin.offline.simulation.setup import is_timed
from canary_operator.plugin.offline.simulation.told import (
    interval_words,
    percent,
    since_start,
    surroundings_words,
    uncounted_words,
)
from canary_operator.plugin.offline.timetable import PlannedStep, Timetable
from canary_operator.plugin.screens.fitting import fitting_table
from canary_operator.plugin.screens.table import Cell, Column

ALL = 100
SUSPICIOUS = 0.01
"""A larger share of healthy versions that are rolled back is worth a word."""

_STEPS = (
    Column("STEP"),
    *(
        Column(header, right=True)
        for header in (
            "WEIGHT",
            "FROM",
            "HOLD",
            "CHECKS",
            "NEXT",
            "CANARY PODS",
            "ALL PODS",
            "CANARY/S",
            "STABLE/S",
            "PER CHECK",
            "NEEDS",
        )
    ),
)
_SPARE_OF_STEPS = (
    *("STABLE/S", "HOLD", "ALL PODS", "CANARY/S", "CHECKS"),
    *("CANARY PODS", "NEXT", "PER CHECK", "NEEDS"),
)
_RUNGS = (
    Column("VERSION"),
    Column("ROLLED BACK", right=True),
    Column("95 % INTERVAL"),
    Column("UNDECIDED", right=True),
    Column("MEDIAN TIME", right=True),
    Column("TIME, 95 %", right=True),
    Column("MEDIAN HURT", right=True),
    Column("HURT, 95 %", right=True),
)
_SPARE_OF_RUNGS = (
    *("TIME, 95 %", "95 % INTERVAL"),
    *("HURT, 95 %", "MEDIAN HURT", "UNDECIDED", "MEDIAN TIME"),
)


def plan_screen(plan: Plan, sheet: Sheet) -> list[RenderableType]:
    """Return everything about a plan."""
    rps = plan.detection.scenario.rps if plan.detection else None
    told = [*_heading(plan.timetable, sheet), Text(), *_steps(plan.timetable, rps, sheet)]
    notes = [*_notes(plan, rps)]
    if notes:
        told += [Text(), *(Text(sheet.text(words), style) for words, style in notes)]
    found = _detection(plan, plan.detection, sheet) if plan.detection else _not_asked(plan)
    return [*told, Text(), *found]


def _heading(times: Timetable, sheet: Sheet) -> Iterator[Text]:
    yield Text.assemble(
        (f"{times.namespace}/{times.name}", "title"),
        ("   plan, canary ", "muted"),
        (times.revision, "canary"),
    )
    spec, analysis = times.spec, times.spec.analysis
    least = spec.least_replicas
    pods = f"{least} replica{'s' if least != 1 else ''}{' or more' if spec.autoscaling else ''}"
    every = format_duration(analysis.interval)
    if analysis.comparison:
        how = (
            f"a check every {every} compares that time with stable; it has enough with "
            f"{analysis.min_requests} requests of each version"
        )
    else:
        needs = f" and needs {analysis.min_requests} requests" if times.counts_requests else ""
        how = (
            f"a check every {every} looks back on {format_duration(times.window)}{needs}"
            f"; {analysis.failure_limit} failed tolerated"
        )
    deadline = format_duration(spec.strategy.progress_deadline)
    yield Text(sheet.text(f"{pods}; {how}; rolled back after {deadline} without progress."))
    yield Text(
        "Times of the earliest promotion: pods start, people approve and Prometheus knows at once; "
        "checks pass.",
        "muted",
    )


def _steps(times: Timetable, rps: float | None, sheet: Sheet) -> list[Text]:
    rows = [*(_step(one, times, rps, sheet) for one in times.steps), _promotion(times)]
    return fitting_table(_STEPS, rows, _SPARE_OF_STEPS, sheet)


def _step(
    planned: PlannedStep, times: Timetable, rps: float | None, sheet: Sheet
) -> dict[str, Cell]:
    step, look = planned.step, planned.look
    share = step.weight / ALL
    return {
        "STEP": f"{planned.index + 1} of {len(times.steps)}",
        "WEIGHT": Text(f"{step.weight} %", "canary"),
        "FROM": since_start(planned.starts_at),
        "HOLD": format_duration(step.hold),
        "CHECKS": str(len(planned.checks_at)),
        "NEXT": since_start(planned.ends_at),
        "CANARY PODS": str(planned.canary_pods),
        "ALL PODS": str(planned.pods),
        "CANARY/S": "" if rps is None else f"{rps * share:.3g}",
        "STABLE/S": "" if rps is None else f"{rps * (1 - share):.3g}",
        "PER CHECK": "" if rps is None else _per_check(planned, rps, sheet),
        "NEEDS": "" if look is None else f"{rounded_up(look.needed_rps)}/s",
    }


def _promotion(times: Timetable) -> dict[str, Cell]:
    last = times.steps[-1]
    return {
        "STEP": "promotion",
        "WEIGHT": Text(f"{last.step.weight} %", "canary"),
        "FROM": since_start(last.ends_at),
        "NEXT": since_start(times.promoted_at),
        "CANARY PODS": str(last.canary_pods),
        "ALL PODS": str(times.promotion_pods),
    }


def _per_check(planned: PlannedStep, rps: float, sheet: Sheet) -> Text:
    """Return the canary's requests that a check sees, with a sign that says if they are enough."""
    look, glyphs = planned.look, sheet.glyphs
    if look is None:
        return Text()
    expected = amount(look.canary_requests(rps))
    if rps >= look.needed_rps:
        return Text(f"{glyphs.passed} {expected}", "good")
    if rps >= look.half_rps:
        return Text(f"{glyphs.unclear} {expected}", "warn")
    return Text(f"{glyphs.failed} {expected}", "bad")


def _notes(plan: Plan, rps: float | None) -> Iterator[tuple[str, str]]:
    """Yield what a table does not tell, each with its style."""
    times, spec = plan.timetable, plan.timetable.spec
    approvals = [one for one in times.steps if one.step.approval]
    if approvals:
        after = f"After {_named(approvals)} a person has to approve"
        yield f"{after}; the rollout waits for that without a limit.", "warn"
    if spec.strategy.promotion == "Manual":
        yield "After the last step a person has to promote, or abort.", "warn"
    if spec.strategy.is_focused:
        yield "Only requests that meet strategy.match count for the weights.", "muted"
    if spec.paused:
        yield "spec.paused is true: nothing is raised before it is false.", "warn"
    if rps is not None:
        yield from _few_requests(times, rps)
    if plan.uncounted:
        yield uncounted_words(plan.uncounted), "warn"
    if plan.assumed:
        metrics = ", ".join(plan.assumed)
        yield f"Custom queries are taken to stay inside of their limits: {metrics}.", "warn"


def _few_requests(times: Timetable, rps: float) -> Iterator[tuple[str, str]]:
    """Yield at which steps there are too few requests, and how many it takes."""
    looks = [(one, one.look) for one in times.steps if one.look is not None]
    few = [one for one, look in looks if rps < look.half_rps]
    some = [one for one, look in looks if look.half_rps <= rps < look.needed_rps]
    compared = times.spec.analysis.comparison is not None
    unclear = "does not count as a full one" if compared else "is inconclusive"
    if few:
        yield f"At {_named(few)} a check {unclear} more often than not: {_remedy(few)}.", "bad"
    if some:
        yield f"At {_named(some)} a check {unclear} every now and then: {_remedy(some)}.", "warn"


def _remedy(planned: Sequence[PlannedStep]) -> str:
    needed = max(one.look.needed_rps for one in planned if one.look is not None)
    return f"it takes {rounded_up(needed)} requests/s, or a larger weight"


def _named(planned: Sequence[PlannedStep]) -> str:
    numbers = [str(one.index + 1) for one in planned]
    return f"step{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"


# What the analysis finds.


def _not_asked(plan: Plan) -> Iterator[RenderableType]:
    words = "Say how many requests there are, to see what the analysis can find: --rps N"
    if not plan.timetable.counts_requests:
        words = "What the analysis can find depends on custom queries alone, which nobody can know."
    yield Text(words, "muted")


def _detection(plan: Plan, found: Detection, sheet: Sheet) -> Iterator[RenderableType]:
    around = surroundings_words(found.scenario, timed=is_timed(plan.timetable.spec))
    head = f"What the analysis finds, with {around}; {amount(found.runs)} rollouts each at most:"
    yield Text(sheet.text(head))
    yield Text()
    spec = plan.timetable.spec
    rungs = (found.healthy, *found.rungs)
    undecided = any(rung.undecided.count for rung in rungs)
    rows = [_rung(rung, undecided=undecided) for rung in rungs]
    yield from fitting_table(_RUNGS, rows, _SPARE_OF_RUNGS, sheet)
    yield Text()
    yield Text(sheet.text(smallest_words(found)), "good" if found.smallest else "bad")
    healthy = found.healthy
    bad = max(healthy.found.value, healthy.undecided.value) > SUSPICIOUS
    yield Text(sheet.text(healthy_words(found)), "warn" if bad else "good")
    if only_latency_decides(spec):
        words = (
            "Only versions that fail were tried, and the metrics that decide see only how long "
            "requests take: try simulate --scenario latency=2s."
        )
        yield Text(words, "warn")
    yield Text(assumed_words(found, spec), "muted")


def _rung(rung: Rung, *, undecided: bool) -> dict[str, Cell]:
    cells: dict[str, Cell] = {
        "VERSION": rung_name(rung),
        "ROLLED BACK": percent(rung.found.value),
        "95 % INTERVAL": interval_words(rung.found),
        "UNDECIDED": percent(rung.undecided.value) if undecided else "",
    }
    if rung.seconds is not None:
        cells["MEDIAN TIME"] = since_start(timedelta(seconds=rung.seconds.median))
        cells["TIME, 95 %"] = since_start(timedelta(seconds=rung.seconds.p95))
    if rung.hurt is not None:
        cells["MEDIAN HURT"] = amount(rung.hurt.median)
        cells["HURT, 95 %"] = amount(rung.hurt.p95)
    return cells
