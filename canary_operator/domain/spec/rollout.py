"""The whole `spec` of a CanaryRollout."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import Field

from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.spec.analysis import Analysis
from canary_operator.domain.spec.kinds import text, whole
from canary_operator.domain.spec.problems import find_problems, sentence
from canary_operator.domain.spec.schema import Place, Rule, Written
from canary_operator.domain.spec.service import ServiceSpec
from canary_operator.domain.spec.strategy import Strategy
from canary_operator.domain.spec.template import NO_PODS, PodTemplate
from canary_operator.domain.spec.traffic import IstioTraffic, TrafficSpec

INT32 = 2**31 - 1
ALL = 100

_REPLICAS: Place = ("traffic", "replicas")
_NO_MESH = "!has(self.traffic) || !has(self.traffic.replicas) || "


def _needs_a_mesh(spec: "RolloutSpec") -> Iterable[Place]:
    if spec.traffic.replicas is not None and any(m.query is None for m in spec.analysis.metrics):
        yield _REPLICAS


def _gives_everything(spec: "RolloutSpec") -> Iterable[Place]:
    everything = any(step.weight == ALL for step in spec.strategy.resolved_steps)
    if spec.traffic.replicas is not None and everything:
        yield _REPLICAS


class RolloutSpec(Written):
    """What to run, how callers reach it, and how a new version gets its requests."""

    rules = (
        Rule(
            "needs analysis.metrics with a query each. Without a mesh nothing counts requests for "
            "successRate (also the one that is checked when metrics are left out), latency and "
            "comparison",
            _NO_MESH + "(has(self.analysis) && has(self.analysis.metrics) && "
            "self.analysis.metrics.all(metric, has(metric.query)))",
            _needs_a_mesh,
        ),
        Rule(
            "needs weights below 100: stable keeps its pods, and they get their share",
            _NO_MESH + "!has(self.strategy) || ((!has(self.strategy.steps) || "
            "self.strategy.steps.all(step, step.weight < 100)) && "
            "(!has(self.strategy.maxWeight) || self.strategy.maxWeight < 100))",
            _gives_everything,
        ),
    )

    replicas: Annotated[int, whole(0, INT32)] = 1
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

    def without_pods(self) -> Self:
        """Return the spec without its template, which takes most of the memory.

        Decisions do not look at it, and Deployments are made from records.
        """
        return self.model_copy(update={"template": NO_PODS})


NAME = text(
    "a name of lower-case letters, digits and inner hyphens that begins with a letter",
    56,
    "^[a-z]([-a-z0-9]*[a-z0-9])?$",
)
"""Names of Services are made from it, and those have at most 63 characters."""


def check_name(name: str) -> None:
    """Check the name of a CanaryRollout.

    Raises:
        InvalidSpecError: no Service can have such a name.
    """
    try:
        NAME.read(name)
    except ValueError:
        raise InvalidSpecError(sentence(("metadata", "name"), name, NAME.message)) from None


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
