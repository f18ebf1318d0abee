"""What a rollout is like before it is begun: its timetable, and what its analysis can find.

What it can find is measured, not calculated: rollouts of versions that fail more often than stable
are played by the operator's own rules, and those that a verdict takes back are counted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from canary_operator.domain.reasons import Reason
from canary_operator.plugin.exits import UsageProblemError
from canary_operator.plugin.offline.simulation.outcomes import Share, Spread
from canary_operator.plugin.offline.simulation.runs import Player, Progress, seeds_of
from canary_operator.plugin.offline.simulation.scenario import Change, Event, Scenario
from canary_operator.plugin.offline.simulation.setup import Setup, assumed_answers, uncounted
from canary_operator.plugin.offline.simulation.timeline import End, Ending
from canary_operator.plugin.offline.timetable import Timetable, timetable_of

FALSE_ALARMS = 0.2
"""Share of healthy versions that are rolled back above which a rollback tells nothing."""

LADDER: tuple[float, ...] = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""By how much more often than stable a version may fail: shares of the requests."""

QUESTIONS = 5
"""Regressions that a bisection of the ladder asks for, with the healthy version."""

SURE = 0.95
"""Share of the rollouts that a verdict has to take back, for a regression to count as found."""

ENOUGH = 60
"""Rollouts that are enough where every one is found: if only 95 % were, one would have been missed
with a probability of 95 %."""

BATCH = 20
"""Rollouts that are played before it is asked whether more can change the answer."""

VERDICTS = frozenset({Reason.ANALYSIS_FAILED, Reason.WORSE_THAN_STABLE})
"""Reasons of a rollback that say something about the version."""


@dataclass(frozen=True, slots=True)
class Rung:
    """What became of versions that fail so much more often than stable."""

    extra: float
    """Share of the requests; 0 is a healthy version."""
    found: Share
    """Those that a verdict took back."""
    undecided: Share
    """Those that were taken back, or left waiting, because nothing could be told."""
    seconds: Spread | None
    """From the start until a verdict took them back; None where none did."""
    hurt: Spread | None
    """Requests that went wrong until then."""
    always_fails: bool = False
    """Whether every request fails."""

    @property
    def is_found(self) -> bool:
        """Whether nearly all are found."""
        return self.found.value >= SURE


@dataclass(frozen=True, slots=True)
class Detection:
    """What the analysis can find under some traffic."""

    setup: Setup
    runs: int
    """Rollouts for each regression, at most: a question is dropped when its answer is certain."""
    seed: int
    """Of the first rollout for each."""
    healthy: Rung
    rungs: tuple[Rung, ...]
    """Those that were asked for, from the smallest to the largest."""

    @property
    def scenario(self) -> Scenario:
        """Under which versions were tried."""
        return self.setup.scenario

    @property
    def tells_nothing(self) -> bool:
        """Whether so many healthy versions are rolled back that a rollback tells nothing."""
        return self.healthy.found.value > FALSE_ALARMS

    @property
    def smallest(self) -> Rung | None:
        """The smallest regression that is found; None where none is, or rollbacks tell nothing."""
        if self.tells_nothing:
            return None
        return next((rung for rung in self.rungs if rung.is_found), None)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything about a rollout that can be known before."""

    timetable: Timetable
    detection: Detection | None = None
    """None where nobody said how many requests there are."""
    assumed: tuple[str, ...] = ()
    """Metrics whose custom queries were taken to stay inside of their limits."""
    uncounted: str = ""
    """Protocol of the service where Istio does not count its requests; else empty."""


def plan_of(setup: Setup) -> Plan:
    """Return the plan of a rollout, without what its analysis can find."""
    times = timetable_of(setup)
    return Plan(times, assumed=tuple(assumed_answers(setup)), uncounted=uncounted(times.spec))


def ladder_of(base_error_rate: float) -> tuple[float, ...]:
    """Return by how much more often than stable a version can fail; the last one always fails.

    Example:
        >>> ladder_of(0.75)
        (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25)
    """
    room = round(1 - base_error_rate, 9)
    return (*(extra for extra in LADDER if extra < room), room)


def detect(setup: Setup, runs: int, seed: int, player: Player, progress: Progress) -> Detection:
    """Find the smallest regression that the analysis finds, by bisection of the ladder.

    Args:
        setup: Its scenario says how many requests there are, and how many fail with stable.
        runs: Rollouts for each regression, at most.
        seed: Of the first rollout.
        player: Plays them.
        progress: Told how many are done.

    Raises:
        UsageProblemError: no version can fail more often than stable.
    """
    ladder = ladder_of(setup.scenario.base_error_rate)
    if not ladder[-1]:
        raise UsageProblemError(
            "every request to stable fails (--base-error-rate), so that no version can be worse"
        )
    asking = _Asking(setup, runs, seed, player, progress)
    healthy = asking.rung(0.0)
    rungs: dict[int, Rung] = {}
    low, high = 0, len(ladder)
    while low < high:
        middle = (low + high) // 2
        rungs[middle] = asking.rung(ladder[middle])
        low, high = (low, middle) if rungs[middle].is_found else (middle + 1, high)
    return Detection(
        setup=setup,
        runs=runs,
        seed=seed,
        healthy=healthy,
        rungs=tuple(rung for _, rung in sorted(rungs.items())),
    )


@dataclass(frozen=True, slots=True)
class _Asking:
    """Plays rollouts of versions that are more or less bad."""

    setup: Setup
    runs: int
    seed: int
    player: Player
    progress: Progress

    def rung(self, extra: float) -> Rung:
        """Return what becomes of versions that fail so much more often than stable."""
        ends: list[End] = []
        setup = self._setup(extra)
        for seeds in self._batches():
            ends += self.player.play(setup, seeds, self.progress)
            missed = sum(not _is_found(end) for end in ends)
            if extra and (missed > (1 - SURE) * self.runs or (not missed and len(ends) >= ENOUGH)):
                break  # more cannot change the answer
        worst = ladder_of(self.setup.scenario.base_error_rate)[-1]
        return replace(_rung(extra, ends), always_fails=extra == worst)

    def _batches(self) -> Iterator[range]:
        seeds = seeds_of(self.seed, self.runs)
        yield from (seeds[at : at + BATCH] for at in range(0, len(seeds), BATCH))

    def _setup(self, extra: float) -> Setup:
        scenario = self.setup.scenario
        errors = round(scenario.base_error_rate + extra, 9)
        bad = Event(canary=Change(errors=errors))
        return replace(self.setup, scenario=replace(scenario, events=(bad,) if extra else ()))


def _rung(extra: float, ends: list[End]) -> Rung:
    found = [end for end in ends if _is_found(end)]
    undecided = sum(end.ending is not Ending.PROMOTED for end in ends) - len(found)
    return Rung(
        extra=extra,
        found=Share(len(found), len(ends)),
        undecided=Share(undecided, len(ends)),
        seconds=_spread(found, lambda end: end.took.total_seconds()),
        hurt=_spread(found, lambda end: float(end.hurt.failed)),
    )


def _spread(ends: list[End], value: Callable[[End], float]) -> Spread | None:
    return Spread.of([value(end) for end in ends]) if ends else None


def _is_found(end: End) -> bool:
    return end.ending is Ending.ROLLED_BACK and end.reason in VERDICTS
