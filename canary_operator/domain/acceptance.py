"""When the spec that a user wrote becomes the spec in force."""

from collections.abc import Mapping
from typing import Any

from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.hosts import check_hosts, own_hosts
from canary_operator.domain.revision import revision_of
from canary_operator.domain.situation import Settings
from canary_operator.domain.spec import RolloutSpec, check_name, parse_spec

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

    Raises:
        InvalidSpecError: a field is wrong.
        HostNotAllowedError: a host is not the rollout's to claim.
    """
    check_name(name)
    spec = parse_spec(raw)
    if spec.traffic.istio is not None:
        own = own_hosts(name, namespace, settings.cluster_domain)
        hosts = spec.traffic.istio.hosts
        check_hosts(hosts, own=own, namespace=namespace, allowed=settings.allowed_hosts)
    _check_queries_allowed(spec, namespace, settings)
    return spec


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


def check_target_ports(spec: RolloutSpec, stable: Mapping[str, Any]) -> None:
    """Refuse a numeric targetPort that changes together with the template.

    Both tracks share one Service port, so a new number would send stable's requests to a port
    that only the canary listens on. A named port is resolved for each pod.

    Args:
        spec: The wanted spec, whose template is not stable's.
        stable: Recorded settings of the stable revision, as the user wrote them.

    Raises:
        InvalidSpecError: names the port and the way out.
    """
    before = {port.port: port.target_port for port in _recorded_ports(spec, stable)}
    for port in spec.service.all_ports:
        old = before.get(port.port, port.target_port)
        if old != port.target_port and not isinstance(port.target_port, str):
            raise InvalidSpecError(
                f"spec.service: targetPort of port {port.port} may not change from {old} to "
                f"{port.target_port} together with the template. Name the container port and use "
                "the name as targetPort, or change the two one after the other."
            )


def _recorded_ports(spec: RolloutSpec, stable: Mapping[str, Any]) -> Any:
    service = stable.get("service")
    return type(spec.service).model_validate(service).all_ports if service else ()


def is_template_change(raw: Mapping[str, Any], revision: str) -> bool:
    """Whether the pod template of a raw spec is another than `revision`."""
    return revision_of(raw["template"]) != revision
