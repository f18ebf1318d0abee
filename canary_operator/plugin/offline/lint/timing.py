"""Advice about time: whether what is asked to be held, looked at and waited for fits together."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from canary_operator.domain.durations import format_duration
from canary_operator.domain.looks import slot_of
from canary_operator.domain.spec.schema import Place
from canary_operator.domain.steps import PROXY_DELAY
from canary_operator.plugin.offline.lint.containers import containers_of
from canary_operator.plugin.offline.lint.findings import Severity
from canary_operator.plugin.offline.lint.rules import Note, Rollout, Rule, SpecRule

STRATEGY: Place = ("spec", "strategy")
NOTHING = timedelta()


@dataclass(frozen=True, slots=True)
class Stay:
    """How long a step lasts at least, however short its hold is."""

    length: timedelta
    why: str


def least_stay(at: Rollout, step: int) -> Stay:
    """Return how long a step lasts at least; what the operator's own rules say of its first pass.

    Args:
        at: The rollout.
        step: Index of the step; the first one has no intervals before it that count.
    """
    analysis, window = at.spec.analysis, at.window
    limit = Stay(window, f"its first check looks back on {_span(window)}")
    terms = analysis.comparison
    if terms is None:
        return limit
    advances = terms.on_insufficient_data == "Advance"
    needed = (terms.min_windows if step == 0 else 1) if advances else terms.healthy.min_windows
    plural = "intervals" if needed > 1 else "interval"
    why = f"the comparison needs {needed} {plural} of {_span(analysis.interval)}"
    compared = Stay(needed * analysis.interval, why)
    limited = any(one.compared and one.has_limit and not one.dry_run for one in analysis.metrics)
    return max(compared, limit, key=lambda stay: stay.length) if limited else compared


def _span(length: timedelta) -> str:
    return format_duration(length)


def short_hold(at: Rollout) -> Iterator[Note]:
    """A hold that is over before anything is known is none; 0s says so and is left alone."""
    if next(never_proven(at), None) is not None:
        return  # says more
    slot = slot_of(at.spec.analysis.interval)
    told: set[Place] = set()
    for index, step in enumerate(at.spec.strategy.resolved_steps):
        place, stay = _hold_place(at, index), least_stay(at, index)
        if place is None or place in told or not NOTHING < step.hold < stay.length:
            continue
        told.add(place)
        earliest, latest = _span(stay.length), _span(stay.length + slot)
        yield Note(
            place,
            f"A hold of {_span(step.hold)} is over too early: {stay.why}, so the step "
            f"of {step.weight} % lasts {earliest} to {latest}, or longer.",
            f"hold: {earliest} or more, or a shorter {_shortened(at)}.",
        )


def _hold_place(at: Rollout, step: int) -> Place | None:
    """Return where the hold of a step is written; None where nobody wrote it."""
    strategy = at.spec.strategy
    if strategy.steps is not None and strategy.steps[step].hold is not None:
        return (*STRATEGY, "steps", step, "hold")
    return (*STRATEGY, "hold") if "hold" in strategy.model_fields_set else None


def _shortened(at: Rollout) -> str:
    return "interval" if at.spec.analysis.comparison else "window"


def never_proven(at: Rollout) -> Iterator[Note]:
    """With `Rollback`, a hold that is too short for a proof ends every rollout."""
    terms, interval = at.spec.analysis.comparison, at.spec.analysis.interval
    if terms is None or terms.on_insufficient_data != "Rollback":
        return
    needed = terms.healthy.min_windows
    for index, step in enumerate(at.spec.strategy.resolved_steps):
        if ceil(step.hold / interval) < needed:
            length = _span(needed * interval)
            yield Note(
                _hold_place(at, index) or (*STRATEGY, "steps", index),
                f"The step of {step.weight} % is held for {_span(step.hold)}, and a "
                f"proof of health needs {needed} intervals of {_span(interval)}, "
                f"{length} in all: with onInsufficientData: Rollback every rollout ends there.",
                f"hold: {length} or more, a shorter interval, or onInsufficientData: Wait.",
            )
            return


def one_check_decides(at: Rollout) -> Iterator[Note]:
    """A promotion after one look is a matter of luck."""
    steps, analysis = at.spec.strategy.resolved_steps, at.spec.analysis
    if analysis.comparison or any(step.approval for step in steps):
        return  # a comparison has a least number of its own, and a person may look longer
    further = sum(max(NOTHING, step.hold - at.window) // analysis.interval for step in steps)
    if len(steps) + further < 2:  # noqa: PLR2004 - one, or more than one
        yield Note(
            (*STRATEGY, "steps"),
            f"The only step is over after one check: {_span(at.window)} at {steps[0].weight} % "
            "decide about the promotion.",
            f"Another step, or hold: {_span(at.window + analysis.interval)} for a second check.",
        )


def short_deadline(at: Rollout) -> Iterator[Note]:
    """Without the time for a second look, one that cannot tell ends the rollout."""
    deadline, analysis = at.spec.strategy.progress_deadline, at.spec.analysis
    second = (analysis.interval if analysis.comparison else at.window) + analysis.interval
    for index, step in enumerate(at.spec.strategy.resolved_steps):
        stay, given = least_stay(at, index), step.hold + deadline
        if given >= max(stay.length, second):
            continue
        lost = f"{stay.why}, so no rollout gets further"
        risky = f"a second check is due after {_span(second)}: a first one that cannot tell ends it"
        yield Note(
            (*STRATEGY, "progressDeadline"),
            f"A raise to {step.weight} % has {_span(given)}, its hold and the progressDeadline of "
            f"{_span(deadline)}; {lost if stay.length > second else risky}.",
            f"progressDeadline: {_span(2 * max(stay.length, second))} or more; 10m is the default.",
        )
        return


def late_readiness(at: Rollout) -> Iterator[Note]:
    """Pods that are asked too late are never available in time."""
    deadline = at.spec.strategy.progress_deadline
    for container in containers_of(at.spec.template.raw):
        probe = container.fields.get("readinessProbe")
        delay = probe.get("initialDelaySeconds") if isinstance(probe, dict) else None
        if isinstance(delay, int) and timedelta(seconds=min(delay, 10**9)) >= deadline:
            yield Note(
                (*container.place, "readinessProbe", "initialDelaySeconds"),
                f"Pods are not asked whether they are ready for {delay} s, and a rollout whose "
                f"pods are not available within {_span(deadline)} is rolled back.",
                "A shorter initialDelaySeconds, or a longer spec.strategy.progressDeadline.",
            )


def short_scale_down(at: Rollout) -> Iterator[Note]:
    """Proxies follow a new weight a little later than they are told."""
    delay = at.spec.strategy.scale_down_delay
    if delay < PROXY_DELAY:
        yield Note(
            (*STRATEGY, "scaleDownDelay"),
            f"scaleDownDelay is {_span(delay)}: canary pods stop when they lose their traffic, and "
            f"proxies take up to {_span(PROXY_DELAY)} to follow, so some callers get errors.",
            "scaleDownDelay: 30s, the default, also lets requests end that are under way.",
        )


def gaps_between_checks(at: Rollout) -> Iterator[Note]:
    """What happens between two windows is seen by nobody."""
    analysis = at.spec.analysis
    limited = any(one.compared and one.has_limit and not one.dry_run for one in analysis.metrics)
    if limited and at.window < analysis.interval:
        yield Note(
            ("spec", "analysis", "window"),
            f"Checks look back on {_span(at.window)} of every {_span(analysis.interval)}: what "
            "fails in between is not seen by the limits.",
            f"Leave window out, or give it the length of the interval, {_span(analysis.interval)}.",
        )


TIMING_RULES: tuple[SpecRule, ...] = (
    Rule("never-proven", Severity.WARNING, never_proven),
    Rule("short-hold", Severity.WARNING, short_hold),
    Rule("one-check-decides", Severity.WARNING, one_check_decides),
    Rule("short-deadline", Severity.WARNING, short_deadline),
    Rule("late-readiness", Severity.WARNING, late_readiness),
    Rule("gaps-between-checks", Severity.WARNING, gaps_between_checks),
    Rule("short-scale-down", Severity.WARNING, short_scale_down),
)
