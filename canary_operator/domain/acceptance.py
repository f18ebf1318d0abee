"""When the spec that a user wrote becomes the spec in force."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from canary_operator.domain.durations import format_duration
from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.figures import number
from canary_operator.domain.hosts import check_hosts, own_hosts
from canary_operator.domain.promql import QueryTemplateError, template_variables
from canary_operator.domain.situation import Settings
from canary_operator.domain.spec import RolloutSpec, check_name, parse_spec
from canary_operator.domain.split import PodRatio, split_of, stable_pods_for, steps_of
from canary_operator.domain.workload import check_workload, read_pods

NOT_SETTINGS = frozenset({"template", "replicas", "paused"})
"""Fields that the record of an accepted spec leaves out: the template has its own place, and a
change of scale or a pause is no new acceptance."""


def settings_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a spec that is recorded beside its template."""
    return {field: value for field, value in raw.items() if field not in NOT_SETTINGS}


def read_spec(
    raw: Mapping[str, Any], *, name: str, namespace: str, settings: Settings
) -> RolloutSpec:
    """Return the typed spec, if it is one that this operator may follow.

    Where the pods are taken from a Deployment they are not in it yet.

    Raises:
        InvalidSpecError: a field is wrong.
        HostNotAllowedError: a host is not the rollout's to claim.
        NameConflictError: the pods are to be taken from a Deployment of the rollout's own.
    """
    check_name(name)
    spec = parse_spec(raw)
    check_followed(spec, name=name, namespace=namespace, settings=settings)
    return spec


def check_followed(spec: RolloutSpec, *, name: str, namespace: str, settings: Settings) -> None:
    """Refuse a spec that this operator may not follow.

    Raises:
        As `read_spec`.
    """
    if spec.traffic.istio is not None and settings.allowed_hosts is not None:
        check_hosts(
            spec.traffic.istio.hosts,
            own=own_hosts(name, namespace, settings.cluster_domain),
            namespace=namespace,
            allowed=settings.allowed_hosts,
            cluster_domain=settings.cluster_domain,
        )
    _check_queries_allowed(spec, namespace, settings)
    _check_query_variables(spec)
    if spec.workload_ref is not None:
        check_workload(name, spec.workload_ref)
    if spec.has_pods:
        check_named_ports(spec)


def _check_queries_allowed(spec: RolloutSpec, namespace: str, settings: Settings) -> None:
    allowed = settings.custom_queries
    if allowed is None or namespace in allowed:
        return
    for index, metric in enumerate(spec.analysis.metrics):
        if metric.query is not None:
            raise InvalidSpecError(
                f"spec.analysis.metrics[{index}].query: custom queries are not allowed in "
                f"namespace {namespace}. Use successRate or latency, or ask the cluster's admin "
                f"to start the operator with --custom-queries {namespace}"
            )


def _check_query_variables(spec: RolloutSpec) -> None:
    for index, metric in enumerate(spec.analysis.metrics):
        if metric.query is None:
            continue
        try:
            template_variables(metric.query.promql)
        except QueryTemplateError as error:
            field = f"spec.analysis.metrics[{index}].query.promql"
            raise InvalidSpecError(f"{field}: {error}") from error


def read_record(
    settings: Mapping[str, Any], template: Mapping[str, Any], **sizes: Any
) -> RolloutSpec:
    """Return the spec that was recorded, with its pods, wherever they were taken from.

    Raises:
        InvalidSpecError: it was recorded by an operator with other rules.
    """
    written = {**settings, **sizes}
    if "workloadRef" not in settings:
        return parse_spec({**written, "template": template})
    return parse_spec(written).model_copy(update={"template": read_pods(template)})


def asks_nothing_new(
    spec: RolloutSpec, recorded: Mapping[str, Any], template: Mapping[str, Any]
) -> bool:
    """Return whether `spec` means what was recorded, be it in other words.

    A default that is written out asks for nothing new: a person may write it, and an API server
    fills in those of a newer CRD, into objects that nobody has touched.

    Args:
        spec: The wanted spec, of the recorded template.
        recorded: Settings of the newest record.
        template: Pod template of that record.
    """
    try:
        before = read_record(recorded, template)
    except InvalidSpecError:  # recorded by an operator with other rules
        return False
    kept = {field: getattr(before, field) for field in NOT_SETTINGS}
    return before == spec.model_copy(update=kept)


def check_interval(spec: RolloutSpec, settings: Settings) -> None:
    """Refuse an interval in which Prometheus learns nothing new.

    Only for specs that are not in force yet: what was accepted stays accepted, whatever the
    operator's settings become.

    Raises:
        InvalidSpecError: names both, and who can change which.
    """
    interval, scrapes = spec.analysis.interval, settings.scrape_interval
    if interval < scrapes:
        raise InvalidSpecError(
            f"spec.analysis.interval is {format_duration(interval)}, but must not be shorter than "
            f"{format_duration(scrapes)}, the time between two scrapes of Prometheus. Where "
            "Prometheus scrapes more often, the cluster's admin can tell the operator with "
            "--prometheus-scrape-interval."
        )


def check_shares(spec: RolloutSpec) -> None:
    """Refuse a step that whole pods cannot give: it asks for less than the share of one pod.

    Where no pod is wanted there is nothing to share.

    Raises:
        InvalidSpecError: names the step, what it needs, and the way out.
    """
    traffic, split = spec.traffic.replicas, split_of(spec)
    if traffic is None or traffic.rounding == "Up" or not isinstance(split, PodRatio):
        return
    smallest, replicas = split.smallest_share(), spec.replicas
    step = min(spec.strategy.resolved_steps, key=lambda step: step.weight)
    if replicas and step.weight < smallest:
        raise InvalidSpecError(
            f"spec.strategy: {step.weight} % needs {stable_pods_for(step.weight)} stable pods; "
            f"with {replicas} the smallest share is {smallest} %. Raise spec.replicas or the "
            "weight, or set spec.traffic.replicas.rounding to Up."
        )


def check_router(spec: RolloutSpec, recorded: Mapping[str, Any], *, splits: bool) -> None:
    """Refuse another router: the route of the old one would stay, and go on to split requests.

    Args:
        spec: The wanted spec.
        recorded: Settings of the newest record.
        splits: Whether a router has an object, or a canary is under way; else nothing would stay.

    Raises:
        InvalidSpecError: says what to do instead.
    """
    traffic = recorded.get("traffic")
    counted = isinstance(traffic, Mapping) and traffic.get("replicas") is not None
    if splits and counted is not (spec.traffic.replicas is not None):
        before, after = ("replicas", "istio") if counted else ("istio", "replicas")
        raise InvalidSpecError(
            f"spec.traffic may not change from {before} to {after}: what splits requests now would "
            "stay and go on. Give the new way to a CanaryRollout of another name, or delete this "
            "one first."
        )


def doubts_about(spec: RolloutSpec) -> Iterator[str]:
    """Yield a sentence for each value that is allowed but probably not meant."""
    yield from shares_for_percentages(spec)
    yield from _shares_that_differ(spec)


def shares_for_percentages(spec: RolloutSpec) -> Iterator[str]:
    """Yield a sentence for each percentage that looks like a share of 1."""
    for index, metric in enumerate(spec.analysis.metrics):
        rate, latency = metric.success_rate, metric.latency
        written = {
            "successRate.min": rate.min if rate else None,
            "latency.percentile": latency.percentile if latency else None,
        }
        for field, percent in written.items():
            if percent is not None and percent <= 1:
                place = f"spec.analysis.metrics[{index}].{field}"
                yield (
                    f"{place} is {number(percent)}, which means {number(percent)} %: it is a "
                    f"percentage. If {number(percent * 100)} % is meant, write "
                    f"{number(percent * 100)}."
                )


def _shares_that_differ(spec: RolloutSpec) -> Iterator[str]:
    asked = [step.weight for step in spec.strategy.resolved_steps]
    given = [step.weight for step in steps_of(spec)]
    if asked != given:
        pods = [split_of(spec).pods_for(weight) for weight in asked]
        yield (
            f"Beside {spec.replicas} stable pods the steps {_listed(asked)} % come out at "
            f"{_listed(given)} %, with {_listed(pods)} canary pods."
        )


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def check_target_ports(
    spec: RolloutSpec, stable: Mapping[str, Any], stable_template: Mapping[str, Any]
) -> None:
    """Refuse a targetPort that changes together with the template, unless stable has it too.

    Both tracks share the port of one Service, so a new number would send stable's requests to a
    port that only the canary listens on, and a new name would leave stable without endpoints. A
    name that both templates have is resolved for each pod.

    Args:
        spec: The wanted spec, whose template is not stable's.
        stable: Recorded settings of the stable revision, as the user wrote them.
        stable_template: Recorded pod template of the stable revision.

    Raises:
        InvalidSpecError: names the port and the way out.
    """
    before = {port.port: port.target_port for port in _recorded_ports(spec, stable)}
    known = _port_names(stable_template)
    for port in spec.service.all_ports:
        old = before.get(port.port, port.target_port)
        if port.target_port not in {old, *known}:
            raise InvalidSpecError(
                f"spec.service: targetPort of port {port.port} may not change from {old} to "
                f"{port.target_port} together with the template: stable's pods have no such port. "
                "First apply a template that names its container port, with the old targetPort; "
                "when it is stable, use the name as targetPort."
            )


def check_named_ports(spec: RolloutSpec) -> None:
    """Refuse a named targetPort that no container of the template has: nothing would be served.

    Raises:
        InvalidSpecError: names the port and the names that there are.
    """
    names = _port_names(spec.template.raw)
    for port in spec.service.all_ports:
        if isinstance(port.target_port, str) and port.target_port not in names:
            known = ", ".join(sorted(names)) or "none"
            raise InvalidSpecError(
                f"spec.service: targetPort {port.target_port!r} of port {port.port} is the name of "
                f"no container port in {_source_of(spec)} (named ports there: {known}). Add "
                "`name` to the container port, or use its number."
            )


def _source_of(spec: RolloutSpec) -> str:
    ref = spec.workload_ref
    return f"the template of Deployment {ref.name}" if ref else "spec.template"


def _port_names(template: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of container ports; what is none is for the API server to refuse."""
    pod = template.get("spec") or {}
    containers = [*_objects(pod.get("containers")), *_objects(pod.get("initContainers"))]
    ports = (port for container in containers for port in _objects(container.get("ports")))
    return frozenset(name for port in ports if isinstance(name := port.get("name"), str) and name)


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a list, as far as it is one."""
    if isinstance(value, list | tuple):
        yield from (one for one in value if isinstance(one, Mapping))


def _recorded_ports(spec: RolloutSpec, stable: Mapping[str, Any]) -> Any:
    service = stable.get("service")
    return type(spec.service).model_validate(service).all_ports if service else ()
