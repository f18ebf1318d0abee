"""How the canary's share of the requests grows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from canary_operator.domain.spec.conditions import MOST_CONDITIONS, Condition
from canary_operator.domain.spec.kinds import duration, whole
from canary_operator.domain.spec.schema import HERE, Place, Rule, Written

Percent = Annotated[int, whole(1, 100)]
Hold = Annotated[timedelta, duration(timedelta())]

DEFAULT_STEP_WEIGHT = 10
DEFAULT_MAX_WEIGHT = 50


class StepSpec(Written):
    """One share of the requests, held for a while."""

    weight: Percent
    """Share of the requests that the canary gets, in percent."""

    hold: Hold | None = None
    """Shortest stay at this weight; `strategy.hold` when left out."""

    approval: bool = Field(default=False, strict=True)
    """Whether a person has to approve the next step, after the hold."""


@dataclass(frozen=True, slots=True)
class Step:
    """One share of the requests, complete."""

    weight: int
    """Share of the requests that the canary gets, in percent."""
    hold: timedelta
    """Shortest stay at this weight."""
    approval: bool = False
    """Whether a person has to approve the next step, after the hold."""


def _two_forms_of_steps(strategy: "Strategy") -> Iterable[Place]:
    shorthand = strategy.step_weight is not None or strategy.max_weight is not None
    return [HERE] if strategy.steps and shorthand else []


def _falling_weights(strategy: "Strategy") -> Iterable[Place]:
    weights = [step.weight for step in strategy.steps or ()]
    for index in range(1, len(weights)):
        if weights[index] < weights[index - 1]:
            yield ("steps", index, "weight")


def _first_step_beyond_last(strategy: "Strategy") -> Iterable[Place]:
    step = strategy.step_weight or DEFAULT_STEP_WEIGHT
    if step > (strategy.max_weight or DEFAULT_MAX_WEIGHT):
        yield ("stepWeight",) if strategy.step_weight else ("maxWeight",)


class Strategy(Written):
    """How the canary's share of the requests grows."""

    rules = (
        Rule(
            "must have either steps or stepWeight with maxWeight (and not both)",
            "!(has(self.steps) && (has(self.stepWeight) || has(self.maxWeight)))",
            _two_forms_of_steps,
        ),
        Rule(
            "weights of steps must never decrease",
            "!has(self.steps) || self.steps.map(step, step.weight).isSorted()",
            _falling_weights,
        ),
        Rule(
            f"stepWeight ({DEFAULT_STEP_WEIGHT} when left out) must not be more than maxWeight "
            f"({DEFAULT_MAX_WEIGHT} when left out)",
            f"(has(self.stepWeight) ? self.stepWeight : {DEFAULT_STEP_WEIGHT}) <= "
            f"(has(self.maxWeight) ? self.maxWeight : {DEFAULT_MAX_WEIGHT})",
            _first_step_beyond_last,
        ),
    )

    steps: Annotated[tuple[StepSpec, ...], Field(min_length=1, max_length=20)] | None = None
    """Weights in their order, never decreasing; instead of `stepWeight` and `maxWeight`."""

    step_weight: Percent | None = None
    """First weight, and what every step adds, in percent; 10 when left out."""

    max_weight: Percent | None = None
    """Weight of the last step, in percent; 50 when left out."""

    match: (
        Annotated[tuple[Condition, ...], Field(min_length=1, max_length=MOST_CONDITIONS)] | None
    ) = None
    """Which requests the canary is for: those that meet one of the conditions. The weights of the
    steps count among them; everybody else stays on stable. All requests when left out."""

    promotion: Literal["Automatic", "Manual"] = "Automatic"
    """What follows when every step passed; with `Manual` the rollout waits for the request
    `promote`, or `abort`."""

    hold: Hold = timedelta(minutes=1)
    """Hold of every step that has none of its own; 1m when left out."""

    progress_deadline: Annotated[timedelta, duration(timedelta(seconds=1))] = timedelta(minutes=10)
    """Time without progress after which the rollout is rolled back; 10m when left out."""

    scale_down_delay: Annotated[timedelta, duration(timedelta())] = timedelta(seconds=30)
    """How long canary pods outlive their traffic; 30s when left out."""

    @property
    def is_focused(self) -> bool:
        """Whether the canary is for some requests only."""
        return self.match is not None

    @cached_property
    def resolved_steps(self) -> tuple[Step, ...]:
        """The steps with everything filled in."""
        if self.steps is not None:
            return tuple(self._resolve(step) for step in self.steps)
        each = self.step_weight or DEFAULT_STEP_WEIGHT
        last = self.max_weight or DEFAULT_MAX_WEIGHT
        return tuple(Step(weight, self.hold) for weight in [*range(each, last, each), last])

    def _resolve(self, step: StepSpec) -> Step:
        return Step(step.weight, self.hold if step.hold is None else step.hold, step.approval)
