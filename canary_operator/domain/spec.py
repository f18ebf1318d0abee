"""What a user wants: `spec` of a CanaryRollout.

The models are the source of the CRD (`canary_operator.crd`). They keep what the user wrote; the
defaults are filled in here and never by the API server, so that a GitOps tool finds its object
unchanged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.kinds import DNS_LABEL, Duration, Number, Text, Whole, matches
from canary_operator.domain.problems import find_problems, sentence
from canary_operator.domain.schema import HERE, Place, Rule, Written, exactly_one_of, unique
from canary_operator.domain.service import ServiceSpec
from canary_operator.domain.template import PodTemplate

INT32 = 2**31 - 1
SCRAPES_OF_A_WINDOW = 4
"""A rate needs a few scrapes to be steady."""

Percent = Annotated[int, Whole(1, 100)]
Hold = Annotated[timedelta, Duration(timedelta())]

HOST = Text(
    "a DNS name such as shop.example.com or *.example.com",
    253,
    "^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
)
GATEWAY = Text(
    "mesh, or a Gateway as name or namespace/name",
    317,
    "^([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-.a-z0-9]*[a-z0-9])?$",
)


class IstioTraffic(Written):
    """Split requests with an Istio VirtualService."""

    hosts: Annotated[tuple[Annotated[str, HOST], ...], Field(max_length=20)] = ()
    """Hosts beside the rollout's own Service; the cluster's admin has to allow them."""

    gateways: Annotated[tuple[Annotated[str, GATEWAY], ...], Field(max_length=20)] = ()
    """Gateways that route the hosts, beside the mesh itself."""


class TrafficSpec(Written):
    """Who splits the requests between stable and canary: exactly one router."""

    rules = (exactly_one_of("istio"),)

    istio: IstioTraffic | None = None
    """An Istio VirtualService, the default."""


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


DEFAULT_STEP_WEIGHT = 10
DEFAULT_MAX_WEIGHT = 50


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

    hold: Hold = timedelta(minutes=1)
    """Hold of every step that has none of its own; 1m when left out."""

    progress_deadline: Annotated[timedelta, Duration(timedelta(seconds=1))] = timedelta(minutes=10)
    """Time without progress after which the rollout is rolled back; 10m when left out."""

    scale_down_delay: Annotated[timedelta, Duration(timedelta())] = timedelta(seconds=30)
    """How long canary pods outlive their traffic; 30s when left out."""

    @property
    def resolved_steps(self) -> tuple[Step, ...]:
        """The steps with everything filled in."""
        if self.steps is not None:
            return tuple(self._resolve(step) for step in self.steps)
        each = self.step_weight or DEFAULT_STEP_WEIGHT
        last = self.max_weight or DEFAULT_MAX_WEIGHT
        return tuple(Step(weight, self.hold) for weight in [*range(each, last, each), last])

    def _resolve(self, step: StepSpec) -> Step:
        return Step(step.weight, self.hold if step.hold is None else step.hold, step.approval)


class SuccessRate(Written):
    """Share of requests that succeed."""

    min: Annotated[float, Number(above=0, most=100)]
    """Lowest success rate that passes, in percent."""


class Latency(Written):
    """Time that requests take."""

    percentile: Annotated[float, Number(above=0, below=100)]
    """Share of the requests that must be faster than `max`, in percent."""

    max: Annotated[timedelta, Duration(timedelta(milliseconds=1))]
    """Longest time that passes."""


def _crossed_limits(query: "Query") -> Iterable[Place]:
    if query.min is not None and query.max is not None and query.min > query.max:
        yield HERE


class Query(Written):
    """A PromQL query of your own that gives one number."""

    rules = (
        Rule(
            "must have min, max, or both",
            "has(self.min) || has(self.max)",
            lambda query: [HERE] if query.min is None and query.max is None else [],
        ),
        Rule(
            "must have a min that is not above max",
            "!has(self.min) || !has(self.max) || self.min <= self.max",
            _crossed_limits,
        ),
    )

    promql: Annotated[str, Text("a PromQL query", 4096)]
    """The query; knows {{ namespace }}, {{ name }}, {{ canary }}, {{ stable }}, {{ service }} and
    {{ window }}."""

    min: Annotated[float, Number()] | None = None
    """Lowest value that passes."""

    max: Annotated[float, Number()] | None = None
    """Highest value that passes."""


class MetricCheck(Written):
    """One thing that is measured, and its limits: exactly one kind."""

    rules = (exactly_one_of("success_rate", "latency", "query"),)

    name: Annotated[str, DNS_LABEL]
    """Name in status and messages, unique in the rollout."""

    success_rate: SuccessRate | None = None
    """Share of requests that succeed."""

    latency: Latency | None = None
    """Time that requests take."""

    query: Query | None = None
    """A PromQL query of your own."""


class Analysis(Written):
    """How the canary's behaviour is judged."""

    rules = (unique("metrics", "name"),)

    interval: Annotated[timedelta, Duration(timedelta(seconds=5))] = timedelta(seconds=30)
    """Time from check to check; 30s when left out."""

    window: Annotated[timedelta, Duration(timedelta(seconds=1))] | None = None
    """What a check looks back on; when left out `interval`, or four scrapes where those take
    longer."""

    failure_limit: Annotated[int, Whole(0, 1000)] = 2
    """Failed checks that one rollout may have; one more rolls back; 2 when left out."""

    min_requests: Annotated[int, Whole(1, INT32)] = 10
    """With fewer canary requests than this a check is inconclusive; 10 when left out."""

    metrics: Annotated[
        tuple[MetricCheck, ...],
        Field(
            min_length=1,
            max_length=20,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ] = (MetricCheck(name="success-rate", success_rate=SuccessRate(min=99)),)
    """What is measured; a success rate of at least 99 % when left out."""

    def resolved_window(self, scrape_interval: timedelta) -> timedelta:
        """Return what a check looks back on, where Prometheus scrapes every `scrape_interval`."""
        if self.window is not None:
            return self.window
        return max(self.interval, SCRAPES_OF_A_WINDOW * scrape_interval)


class RolloutSpec(Written):
    """What to run, how callers reach it, and how a new version gets its requests."""

    replicas: Annotated[int, Whole(0, INT32)] = 1
    """Pods for the full load; 1 when left out."""

    paused: bool = Field(default=False, strict=True)
    """Whether the weight is not raised; checks go on and may roll back."""

    template: PodTemplate
    """The pods, as in a Deployment. A change here starts a rollout."""

    service: ServiceSpec
    """Ports of the Services that callers use."""

    traffic: TrafficSpec = TrafficSpec(istio=IstioTraffic())
    """Who splits the requests; Istio when left out."""

    strategy: Strategy = Strategy()
    """How the canary's share grows; to 50 % in steps of 10 % when left out."""

    analysis: Analysis = Analysis()
    """How the canary is judged; by its success rate when left out."""


NAME = Text(
    "lower-case letters, digits and inner hyphens, beginning with a letter",
    56,
    "^[a-z]([-a-z0-9]*[a-z0-9])?$",
)
"""Names of Services are made from it, and those have at most 63 characters."""


def check_name(name: str) -> None:
    """Check the name of a CanaryRollout.

    Raises:
        InvalidSpecError: no Service can have such a name.
    """
    if not matches(NAME.pattern, name) or len(name) > NAME.most:
        raise InvalidSpecError(sentence(("metadata", "name"), name, NAME.message))


def parse_spec(raw: Mapping[str, Any]) -> RolloutSpec:
    """Return the typed spec.

    Args:
        raw: The spec as the user wrote it.

    Raises:
        InvalidSpecError: something is wrong; the message names every field, its value, and what
            is allowed.
    """
    spec, problems = find_problems(RolloutSpec, raw)
    if spec is None:
        raise InvalidSpecError(" ".join(problem.sentence for problem in problems))
    return spec
