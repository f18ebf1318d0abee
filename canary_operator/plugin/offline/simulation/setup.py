"""What is to be played, and whether the operator would take it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from canary_operator.domain.acceptance import check_interval, check_shares, read_spec
from canary_operator.domain.errors import InvalidRolloutError
from canary_operator.domain.situation import Settings
from canary_operator.domain.spec import Query, RolloutSpec
from canary_operator.domain.spec.schema import plain
from canary_operator.plugin.exits import Exit, PluginError, UsageProblemError
from canary_operator.plugin.offline.lint.analysis import READ_BY_REQUEST
from canary_operator.plugin.offline.simulation.scenario import Event, Scenario, fitted

POD_START, SCRAPE_INTERVAL = timedelta(seconds=5), timedelta(seconds=15)
"""How long pods take to start, and how often Prometheus scrapes, where nobody says."""

MARK: Mapping[str, str] = {"kubectl-canary/simulated": "stable"}
"""Annotation that makes the template of stable another revision than that of the manifest."""


@dataclass(frozen=True, slots=True)
class Setup:
    """One rollout to be played; plain data, so that processes can hand it on."""

    spec: Mapping[str, Any]
    """As the user wrote it; its template is the canary's."""
    scenario: Scenario = field(default_factory=Scenario)
    name: str = "simulated"
    namespace: str = "default"
    pod_start: timedelta = POD_START
    """Time from a pod's creation until it is available."""
    scrape_interval: timedelta = SCRAPE_INTERVAL
    """How often Prometheus reads the proxies."""

    @property
    def settings(self) -> Settings:
        """What the operator's command line would say: every host and every query is allowed."""
        return Settings(scrape_interval=self.scrape_interval, allowed_hosts=None)

    @property
    def stable_spec(self) -> dict[str, Any]:
        """The spec of the version before: the same, but another revision."""
        spec: dict[str, Any] = plain(self.spec)
        meta = spec["template"].get("metadata") or {}
        annotations = {**(meta.get("annotations") or {}), **MARK}
        spec["template"]["metadata"] = {**meta, "annotations": annotations}
        return spec


def with_pods(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a spec with a template of its own, where it takes that from a Deployment.

    Which pods they are makes no difference to a play, so any will do.
    """
    if (
        "workloadRef" not in spec
        or "template" in spec
        or not isinstance(spec.get("service"), Mapping)
    ):
        return spec
    names = {port.get("targetPort") for port in _ports(spec["service"])}
    ports = [{"name": name, "containerPort": 1} for name in names if isinstance(name, str)]
    app = {"name": "app", "image": "app", "ports": ports}
    kept = {field: value for field, value in spec.items() if field != "workloadRef"}
    return {**kept, "template": {"spec": {"containers": [app]}}}


def _ports(service: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = service.get("ports") or ()
    return [service, *(port for port in listed if isinstance(port, Mapping))]


def examine(setup: Setup) -> RolloutSpec:
    """Return the typed spec, if the operator would take it and the scenario fits.

    Raises:
        PluginError: it would not, in its own words.
        UsageProblemError: the scenario speaks of a step or a metric that there is not.
    """
    try:
        spec = read_spec(
            setup.spec, name=setup.name, namespace=setup.namespace, settings=setup.settings
        )
        check_interval(spec, setup.settings)
        check_shares(spec)
    except InvalidRolloutError as error:
        raise PluginError(error.message, code=Exit.FAILED) from error
    if spec.least_replicas == 0:
        told = "spec.replicas is 0: nothing serves, so there is nothing to play"
        raise PluginError(told, code=Exit.FAILED)
    fitted(setup.scenario.events, len(spec.strategy.resolved_steps))
    _check_queries(spec, setup.scenario)
    return spec


def uncounted(spec: RolloutSpec) -> str:
    """Return the protocol of a service whose requests Istio does not count; empty if it does."""
    port = spec.service.all_ports[0]
    protocol: str = port.app_protocol or port.name.partition("-")[0]
    counted = protocol in READ_BY_REQUEST or protocol.startswith("kubernetes.io/")
    return "" if counted else protocol


def is_timed(spec: RolloutSpec) -> bool:
    """Whether it matters how long requests take."""
    return any(metric.latency for metric in spec.analysis.metrics)


def assumed_answers(setup: Setup) -> dict[str, float]:
    """Return what custom queries give that no scenario answers, by the name of their metric."""
    return {
        metric.name: inside(metric.query)
        for metric in examine(setup).analysis.metrics
        if metric.query is not None and metric.name not in setup.scenario.queries
    }


def inside(query: Query) -> float:
    """Return an answer to a custom query that is well inside of its limits.

    Example:
        >>> inside(Query(promql="errors", max=0.1)), inside(Query(promql="up", min=2, max=4))
        (0.05, 3.0)
    """
    low, high = query.min, query.max
    if low is None:
        return (high or 0.0) - abs(high or 0.0) / 2
    return low + abs(low) / 2 if high is None else (low + high) / 2


def _check_queries(spec: RolloutSpec, scenario: Scenario) -> None:
    known = {metric.name for metric in spec.analysis.metrics if metric.query is not None}
    answers: list[Mapping[str, float]] = [scenario.queries, *map(_queries, scenario.events)]
    unknown = sorted({name for given in answers for name in given} - known)
    if unknown:
        have = ", ".join(sorted(known)) or "none"
        raise UsageProblemError(
            f"the scenario answers the query of metric {unknown[0]!r}, "
            f"but metrics with a query are: {have}"
        )


def _queries(event: Event) -> Mapping[str, float]:
    return event.queries
