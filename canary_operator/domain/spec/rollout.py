"""The whole `spec` of a CanaryRollout."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import Field
from pydantic.alias_generators import to_camel

from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.spec.analysis import Analysis
from canary_operator.domain.spec.autoscaling import INT32, Autoscaling
from canary_operator.domain.spec.kinds import text, whole
from canary_operator.domain.spec.problems import find_problems, sentence
from canary_operator.domain.spec.schema import HERE, Place, Rule, Written
from canary_operator.domain.spec.service import OPAQUE, OPAQUE_PREFIX, ServiceSpec
from canary_operator.domain.spec.strategy import Strategy
from canary_operator.domain.spec.template import NO_PODS, PodTemplate
from canary_operator.domain.spec.traffic import IstioTraffic, TrafficSpec
from canary_operator.domain.spec.workload import WorkloadRef

ALL = 100

_REPLICAS: Place = ("traffic", "replicas")
_NO_MESH = "!has(self.traffic) || !has(self.traffic.replicas) || "


def _not_one_source_of_pods(spec: "RolloutSpec") -> Iterable[Place]:
    if spec.has_pods is (spec.workload_ref is not None):
        yield HERE


def _needs_a_mesh(spec: "RolloutSpec") -> Iterable[Place]:
    if spec.traffic.replicas is not None and any(m.query is None for m in spec.analysis.metrics):
        yield _REPLICAS


def _gives_everything(spec: "RolloutSpec") -> Iterable[Place]:
    everything = any(step.weight == ALL for step in spec.strategy.resolved_steps)
    if spec.traffic.replicas is not None and everything:
        yield _REPLICAS


def _focus_without_a_mesh(spec: "RolloutSpec") -> Iterable[Place]:
    if spec.traffic.replicas is not None and spec.strategy.is_focused:
        yield ("strategy", "match")


def _two_sizes(spec: "RolloutSpec") -> Iterable[Place]:
    if spec.autoscaling is not None and "replicas" in spec.model_fields_set:
        yield ("replicas",)


def _scales_the_split(spec: "RolloutSpec") -> Iterable[Place]:
    if spec.traffic.replicas is not None and spec.autoscaling is not None:
        yield ("autoscaling",)


_OPAQUE = ", ".join(f"'{protocol}'" for protocol in sorted(OPAQUE))
_PORT_IS_OPAQUE = (
    "(has({0}.appProtocol) ? {0}.appProtocol in [" + _OPAQUE + "] : "
    f"{{0}}.name.matches('{OPAQUE_PREFIX}'))"
)
_ONLY_PORT_IS_OPAQUE = (
    f"(has(self.service.portName) && self.service.portName.matches('{OPAQUE_PREFIX}'))"
)
_HAS_PORTS = "has(self.service.ports) && size(self.service.ports) > 0"
_HTTP_SETTINGS = (
    *("match", "timeout", "retries", "headers", "rewrite", "cors_policy", "virtual_service"),
)


def _cel_of_settings() -> str:
    """Return CEL that is true where the route has settings that only HTTP knows."""
    istio = "self.traffic.istio"
    given = [f"has({istio}.{to_camel(name)})" for name in _HTTP_SETTINGS[1:]]
    given.append(f"(has({istio}.match) && size({istio}.match) > 0)")
    return f"has(self.traffic) && has({istio}) && ({' || '.join(given)})"


def _focus_on_connections(spec: "RolloutSpec") -> Iterable[Place]:
    if spec.strategy.is_focused and spec.service.all_ports[0].is_opaque:
        yield ("strategy", "match")


def _settings_of_connections(spec: "RolloutSpec") -> Iterable[Place]:
    if any(not port.is_opaque for port in spec.service.all_ports):
        return
    for name in _HTTP_SETTINGS:
        value = getattr(spec.traffic.istio, name, None)
        if value is not None and value != ():
            yield ("traffic", "istio", to_camel(name))


def _focus_in_a_foreign_route(spec: "RolloutSpec") -> Iterable[Place]:
    if spec.strategy.is_focused and spec.traffic.virtual_service is not None:
        yield ("strategy", "match")


def _asked_twice(spec: "RolloutSpec") -> Iterable[Place]:
    base = spec.traffic.istio.match if spec.traffic.istio else ()
    for index, condition in enumerate(spec.strategy.match or ()):
        if any(condition.asks_as(other) for other in base):
            yield ("strategy", "match", index)


class RolloutSpec(Written):
    """What to run, how callers reach it, and how a new version gets its requests."""

    rules = (
        Rule(
            "must have exactly one of template and workloadRef",
            "has(self.template) != has(self.workloadRef)",
            _not_one_source_of_pods,
        ),
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
        Rule(
            "needs traffic.istio: without a mesh nobody chooses among requests",
            _NO_MESH + "!has(self.strategy) || !has(self.strategy.match)",
            _focus_without_a_mesh,
        ),
        Rule(
            "must not stand beside autoscaling, which says how many pods there are: remove one of "
            "the two",
            "!(has(self.replicas) && has(self.autoscaling))",
            _two_sizes,
        ),
        Rule(
            "needs traffic.istio: without a mesh the number of pods is the split, and two "
            "autoscalers would change it. Let an autoscaler of your own scale the CanaryRollout",
            _NO_MESH + "!has(self.autoscaling)",
            _scales_the_split,
        ),
        Rule(
            "needs a first port that speaks HTTP: on others Istio sees no requests to choose from",
            "!has(self.strategy) || !has(self.strategy.match) || "
            f"!({_HAS_PORTS} ? {_PORT_IS_OPAQUE.format('self.service.ports[0]')} : "
            f"{_ONLY_PORT_IS_OPAQUE})",
            _focus_on_connections,
        ),
        Rule(
            "must not be given beside traffic.istio.virtualService: put the conditions into a "
            "route of your VirtualService, and name that route in traffic.istio.virtualService",
            "!has(self.strategy) || !has(self.strategy.match) || !has(self.traffic) || "
            "!has(self.traffic.istio) || !has(self.traffic.istio.virtualService)",
            _focus_in_a_foreign_route,
        ),
        Rule(
            "needs a port that speaks HTTP: on others Istio sees no requests",
            f"!({_cel_of_settings()}) || !({_HAS_PORTS} ? "
            f"self.service.ports.all(port, {_PORT_IS_OPAQUE.format('port')}) : "
            f"{_ONLY_PORT_IS_OPAQUE})",
            _settings_of_connections,
        ),
        Rule(
            "must not ask about what a condition of traffic.istio.match asks about (uri, scheme, "
            "method, authority, sourceNamespace, or the same header, parameter or label): Istio "
            "cannot ask for both",
            None,
            _asked_twice,
        ),
    )

    replicas: Annotated[int, whole(0, INT32)] = 1
    """Pods for the full load; when left out, 1, or with workloadRef those of the Deployment."""

    autoscaling: Autoscaling | None = None
    """Autoscalers for both versions, instead of `replicas`."""

    paused: bool = Field(default=False, strict=True)
    """Whether the weight is not raised; checks go on and may roll back."""

    template: PodTemplate = NO_PODS
    """The pods, as in a Deployment. A change here starts a rollout."""

    workload_ref: WorkloadRef | None = None
    """A Deployment that the pods are taken from, instead of template."""

    service: ServiceSpec
    """Ports of the Services that callers use."""

    traffic: TrafficSpec = TrafficSpec(istio=IstioTraffic())
    """Who splits the requests; Istio when left out."""

    strategy: Strategy = Strategy()
    """How the canary's share grows; to 50 % in steps of 10 % when left out."""

    analysis: Analysis = Analysis()
    """How the canary is judged; by its success rate when left out."""

    @property
    def has_pods(self) -> bool:
        """Whether the pods are known, and not still to be taken from a Deployment."""
        return "template" in self.model_fields_set

    @property
    def least_replicas(self) -> int:
        """Fewest pods of stable: `replicas`, or what its autoscaler may not go below."""
        return self.autoscaling.min_replicas if self.autoscaling else self.replicas

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
