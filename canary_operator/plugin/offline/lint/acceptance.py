"""What the schema cannot see and the operator refuses, or the API server when pods are made."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from canary_operator.domain.acceptance import check_named_ports, check_shares
from canary_operator.domain.errors import HostNotAllowedError, InvalidSpecError
from canary_operator.domain.hosts import can_be_allowed, check_hosts, own_hosts
from canary_operator.domain.promql import QueryTemplateError, template_variables
from canary_operator.domain.situation import Settings
from canary_operator.domain.spec import ServiceSpec
from canary_operator.domain.spec.problems import path, sentence
from canary_operator.domain.spec.schema import Place
from canary_operator.plugin.offline.lint.containers import (
    ContainerAt,
    containers_of,
    odd_containers,
)
from canary_operator.plugin.offline.lint.findings import Severity
from canary_operator.plugin.offline.lint.rules import Note, Rollout, Rule, SpecRule, split_advice

DEFAULT_NAMESPACE = "default"
HOSTS: Place = ("spec", "traffic", "istio", "hosts")
STRATEGY: Place = ("spec", "strategy")


def unknown_variables(at: Rollout) -> Iterator[Note]:
    """A custom query that cannot be filled in."""
    for index, metric in enumerate(at.spec.analysis.metrics):
        place: Place = ("spec", "analysis", "metrics", index, "query", "promql")
        try:
            template_variables(metric.query.promql if metric.query else "")
        except QueryTemplateError as error:
            yield Note(place, f"{path(place)}: {error}.")


def missing_ports(at: Rollout) -> Iterator[Note]:
    """A named targetPort that no container has."""
    if not at.spec.has_pods:
        return
    service = at.spec.service
    for index, port in enumerate(service.all_ports):
        place: Place = ("targetPort",) if service.port else ("ports", index, "targetPort")
        # The check stops at the first port that it refuses, so it gets one after the other.
        alone = ServiceSpec(port=port.port, target_port=port.target_port)
        try:
            check_named_ports(at.spec.model_copy(update={"service": alone}))
        except InvalidSpecError as error:
            yield Note(("spec", "service", *place), *split_advice(error.message))


def shares_below_one_pod(at: Rollout) -> Iterator[Note]:
    """Without a mesh, a step that asks for less than the share of one canary pod."""
    try:
        check_shares(at.spec)
    except InvalidSpecError as error:
        yield Note(STRATEGY, *split_advice(error.message))


def refused_hosts(at: Rollout) -> Iterator[Note]:
    """Hosts that are not on the operator's allow-list, where the list is known."""
    allowed = at.operator.allowed_hosts
    namespace = at.document.namespace or DEFAULT_NAMESPACE
    for place, host in _foreign_hosts(at):
        if allowed is None and can_be_allowed(host, namespace):
            continue
        try:
            check_hosts([host], own=frozenset(), namespace=namespace, allowed=allowed or ())
        except HostNotAllowedError as error:
            yield Note(place, *split_advice(error.message))


def hosts_that_need_a_list(at: Rollout) -> Iterator[Note]:
    """Hosts that somebody has to allow, where the list is not known."""
    namespace = at.document.namespace or DEFAULT_NAMESPACE
    foreign = [one for one in _foreign_hosts(at) if can_be_allowed(one[1], namespace)]
    if foreign and at.operator.allowed_hosts is None:
        flags = " ".join(f"--allowed-host {namespace}/{host}" for _, host in foreign)
        yield Note(
            foreign[0][0],
            f"The operator refuses hosts that it was not started with: {flags}.",
            "Give lint the operator's --allowed-host to have them checked.",
        )


def _foreign_hosts(at: Rollout) -> Iterator[tuple[Place, str]]:
    """Yield the hosts that are not names of the rollout's own Service, and their places."""
    name, namespace = at.document.name, at.document.namespace
    own = own_hosts(name, namespace or DEFAULT_NAMESPACE, Settings().cluster_domain)
    for index, host in enumerate(at.spec.traffic.istio.hosts if at.spec.traffic.istio else ()):
        maybe = not namespace and host.startswith(f"{name}.") and ".svc" in host
        if host not in own and not maybe:
            yield (*HOSTS, index), host


def wrong_pod_values(at: Rollout) -> Iterator[Note]:
    """Fields of containers of the wrong kind, mostly text that YAML takes for a number or true.

    The CRD lets every field of a pod pass; the API server refuses it in the Deployment.
    """
    for place, odd in odd_containers(at.spec.template.raw):
        must = "must be an object" if isinstance(place[-1], int) else "must be a list of containers"
        yield Note(place, sentence(place, odd, must))
    for container in containers_of(at.spec.template.raw):
        for place, value in _texts(container):
            if value is not None and not isinstance(value, str):
                words = sentence(place, value, "must be text")
                written = at.document.written(place) or json.dumps(value)
                yield Note(place, words, f'Put it in quotes: "{written}".')
        yield from _wrong_lists(container)
        yield from _wrong_ports(container)


def _texts(container: ContainerAt) -> Iterator[tuple[Place, Any]]:
    for field, part in (("env", "value"), ("ports", "name")):
        for place, entry in container.entries(field):
            if isinstance(entry, Mapping):
                yield (*place, part), entry.get(part)
    for field in ("command", "args"):
        yield from container.entries(field)


def _wrong_lists(container: ContainerAt) -> Iterator[Note]:
    for field in ("ports", "env", "command", "args"):
        place, value = (*container.place, field), container.fields.get(field)
        if value is not None and not isinstance(value, list):
            yield Note(place, sentence(place, value, "must be a list"))


def _wrong_ports(container: ContainerAt) -> Iterator[Note]:
    for place, port in container.entries("ports"):
        if not isinstance(port, Mapping):
            words = sentence(place, port, "must be an object")
            yield Note(place, words, "For example {name: http, containerPort: 8080}.")
        elif not isinstance(port.get("containerPort"), int):
            below: Place = (*place, "containerPort")
            yield Note(below, sentence(below, port.get("containerPort"), "must be a whole number"))


ACCEPTANCE_RULES: tuple[SpecRule, ...] = (
    Rule("query-variable", Severity.ERROR, unknown_variables),
    Rule("named-port", Severity.ERROR, missing_ports),
    Rule("share-of-pods", Severity.ERROR, shares_below_one_pod),
    Rule("host-not-allowed", Severity.ERROR, refused_hosts),
    Rule("pod-value", Severity.ERROR, wrong_pod_values),
    Rule("host-needs-permission", Severity.INFO, hosts_that_need_a_list),
)
