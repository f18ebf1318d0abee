"""When the steps of a rollout come at the earliest, with how many pods and requests.

The times are those of a rollout that is played by the operator's own rules, with pods that are
available at once, approvals that come at once, a Prometheus that knows everything at once, and
checks that pass. It begins at several moments between two at which checks are made; the beginning
with the earliest promotion counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from math import sqrt

from canary_operator.domain.phase import Phase
from canary_operator.domain.spec import Analysis, RolloutSpec, Step
from canary_operator.domain.split import split_of, steps_of
from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.offline.simulation.play import simulate
from canary_operator.plugin.offline.simulation.scenario import Scenario
from canary_operator.plugin.offline.simulation.setup import Setup, examine, uncounted
from canary_operator.plugin.offline.simulation.timeline import Ending, Timeline, Turn
from canary_operator.plugin.offline.simulation.told import uncounted_words

ALL = 100
PLENTY = 1_000_000.0
"""Requests a second, or a thousand times `minRequests`, with which no check has too few."""

AT_ONCE = timedelta()
QUICK = timedelta(microseconds=1)
"""A time to a response, shorter than every limit."""

BEGINNINGS = 12
"""Moments between two at which checks are made, from each of which the rollout is played."""

MANY_CHECKS = 1200
"""Checks of all beginnings together; long rollouts are played from fewer."""

Z90 = 1.644854
"""Standard normal quantile that 5 % exceed."""


@dataclass(frozen=True, slots=True)
class Look:
    """How many requests a check sees at a step, and how many it needs."""

    length: timedelta
    """What it looks back on."""
    canary_share: float
    """Share of the requests that the canary gets, 0 to 1."""
    half_rps: float
    """Requests a second of both versions with which one of two checks has enough."""
    needed_rps: float
    """Requests a second of both versions with which 19 of 20 checks have enough."""

    def canary_requests(self, rps: float) -> float:
        """Return how many requests of the canary a check sees on average."""
        return rps * self.canary_share * self.length.total_seconds()


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step at its earliest."""

    index: int
    """From 0."""
    step: Step
    starts_at: timedelta
    """Since the rollout began, as all times here."""
    ends_at: timedelta
    """When the next raise, or the promotion, is at the earliest."""
    checks_at: tuple[timedelta, ...]
    """When checks are made until then."""
    canary_pods: int
    pods: int
    """Pods of both tracks."""
    look: Look | None
    """None where only custom queries are asked."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """A whole rollout at its earliest."""

    namespace: str
    name: str
    revision: str
    """Of the canary."""
    spec: RolloutSpec
    window: timedelta
    """What limits look back on."""
    steps: tuple[PlannedStep, ...]
    promoted_at: timedelta
    promotion_pods: int
    """Most pods of both tracks, while stable is rolled to the new version."""

    @property
    def counts_requests(self) -> bool:
        """Whether any check counts requests; else only custom queries are asked."""
        return any(planned.look is not None for planned in self.steps)


def timetable_of(setup: Setup) -> Timetable:
    """Return when everything happens at the earliest.

    Raises:
        PluginError: the rollout is never promoted, whatever its version is like.
    """
    spec = examine(setup)
    timeline = _earliest(_smooth(setup, spec))
    end = timeline.end
    if end.ending is not Ending.PROMOTED:
        told = f"{setup.namespace}/{setup.name} is never promoted, not even at its best"
        why = f"{end.reason}. {end.message}"
        if protocol := uncounted(spec):
            why = f"{why} {uncounted_words(protocol)}"
        raise PluginError(f"{told}: {why}", code=Exit.FAILED)
    turns = [one for one in timeline.entries if isinstance(one, Turn)]
    steps, split = steps_of(spec), split_of(spec)
    raised = [_raised(turns, index) for index in range(len(steps))]
    promotes_at = next(turn.at for turn in turns if turn.phase is Phase.PROMOTING)
    ends = [*(turn.at for turn in raised[1:]), promotes_at]
    window = spec.analysis.resolved_window(setup.scrape_interval)
    return Timetable(
        namespace=setup.namespace,
        name=setup.name,
        revision=timeline.revision,
        spec=spec,
        window=window,
        steps=tuple(
            PlannedStep(
                index=index,
                step=step,
                starts_at=turn.at,
                ends_at=end,
                checks_at=tuple(c.at for c in timeline.checks if turn.at < c.at <= end),
                canary_pods=split.pods_for(step.weight),
                pods=spec.least_replicas + split.pods_for(step.weight),
                look=look_at(step, spec.analysis, window),
            )
            for index, (step, turn, end) in enumerate(zip(steps, raised, ends, strict=True))
        ),
        promoted_at=end.took,
        promotion_pods=timeline.most_pods,
    )


def look_at(step: Step, analysis: Analysis, window: timedelta) -> Look | None:
    """Return what a check sees at a step; None where only custom queries are asked.

    A comparison looks back on one interval, and needs enough requests of both versions.
    """
    if not any(check.compared for check in analysis.metrics):
        return None
    compared = analysis.comparison is not None
    length = analysis.interval if compared else window
    share = step.weight / ALL
    least = min(share, 1 - share) if compared and share < 1 else share
    per_rps, needed = least * length.total_seconds(), analysis.min_requests
    return Look(length, share, median_for(needed) / per_rps, mean_for(needed) / per_rps)


def median_for(least: int) -> float:
    """Return the mean of a Poisson number that is at least `least` in one of two cases."""
    return max(1, least) - 1 / 3


def mean_for(least: int) -> float:
    """Return the mean of a Poisson number that is at least `least` in 19 of 20 cases.

    Half of the 95th percentile of χ² with `2 * least` degrees of freedom, by Wilson and Hilferty.

    Example:
        >>> round(mean_for(1), 1), round(mean_for(20), 1)
        (3.0, 27.9)
    """
    spread = 1 / (9 * max(1, least))
    return max(1, least) * (1 - spread + Z90 * sqrt(spread)) ** 3


def _smooth(setup: Setup, spec: RolloutSpec) -> Setup:
    """Return a setup in which nothing is in the way."""
    scenario = Scenario(
        "nothing in the way",
        rps=max(PLENTY, 1000.0 * spec.analysis.min_requests),
        base_error_rate=0.0,
        base_latency=QUICK,
        approve_after=AT_ONCE,
    )
    running = {field: value for field, value in setup.spec.items() if field != "paused"}
    return replace(setup, spec=running, scenario=scenario, pod_start=AT_ONCE)


def _earliest(setup: Setup) -> Timeline:
    """Return the play with the earliest promotion, and among those with the earliest raises."""
    first = simulate(setup, late=0.0)
    if first.end.ending is not Ending.PROMOTED:
        return first
    beginnings = max(1, min(BEGINNINGS, MANY_CHECKS // max(1, len(first.checks))))
    others = (simulate(setup, late=at / beginnings) for at in range(1, beginnings))
    promoted = [one for one in (first, *others) if one.end.ending is Ending.PROMOTED]
    return min(promoted, key=lambda one: (one.end.took, one.weights))


def _raised(turns: Iterable[Turn], index: int) -> Turn:
    """Return the turn that raised the weight to that of a step."""
    return next(turn for turn in turns if turn.weight and turn.step == index)
