"""A CanaryRollout that takes its pods from a Deployment, which stays, and its Service over."""

from collections.abc import Iterator, Mapping
from typing import Any

from canary_operator.domain.errors import InvalidSpecError, NameConflictError
from canary_operator.domain.spec import RolloutSpec, find_problems
from canary_operator.domain.takeover import check_service, how_to_give
from canary_operator.domain.workload import read_pods, referenced_name
from canary_operator.plugin.live.adoption import doubts, leftovers
from canary_operator.plugin.live.adoption.handover import (
    Remark,
    about_route,
    aim_at,
    hosts_of,
    ingresses_to,
    of_pods,
    own_hosts,
    routes_to,
    scalers_of,
    traffic_of,
)
from canary_operator.plugin.live.adoption.naming import name_of_service
from canary_operator.plugin.live.adoption.ports import Ports, choose_service, leads, ports_of
from canary_operator.plugin.live.adoption.proposal import (
    HAND_OVER,
    LOOK,
    Proposal,
    Stage,
    commands_to_apply,
    defaults_in_words,
    manifest_of,
    more_pods,
    replicas_of,
    stages_of,
    title_of,
)
from canary_operator.plugin.live.adoption.surroundings import (
    Manifests,
    Surroundings,
    controller_of,
    name_of,
)
from canary_operator.plugin.live.adoption.template import written_template
from canary_operator.plugin.live.managers import manager_of

PREFACE = (
    "Nothing in the cluster was changed. Applied, the CanaryRollout takes its pods from the "
    "Deployment, which stays and is scaled to zero, and the Service leads to the rollout's pods; "
    "whoever deletes the CanaryRollout gets both back. In this order:"
)


def propose_keeping(
    seen: Surroundings, *, service: str | None = None, name: str | None = None
) -> Proposal:
    """Return a CanaryRollout that names a Deployment.

    Args:
        seen: The Deployment, and what is around it.
        service: Name of its Service; None to find it.
        name: Name of the CanaryRollout; None for that of the Service, which it has to be.

    Raises:
        PluginError: there is no Service, there are several, or a name is taken.
    """
    found = choose_service(seen, service)
    leaving = _of_own_host_only(seen, name_of(found))
    chosen, ports = name_of_service(seen, name_of(found), name, leaving), ports_of(found)
    spec = {"workloadRef": {"name": seen.name}, "service": ports.spec}
    return Proposal(
        title=title_of(seen, chosen),
        preface=PREFACE,
        manifest=manifest_of(seen, chosen, spec),
        stages=stages_of(
            Stage(LOOK, tuple(map(Remark, _doubts(seen, found, ports, spec)))),
            Stage("Give it the Service, apply it, wait until it serves.", _applying(seen, chosen)),
            Stage("Look at who calls the Service.", (*_callers(seen, chosen),)),
            Stage(HAND_OVER, (*_others(seen, chosen),)),
        ),
        left_out=(*leftovers.of_deployment(seen.deployment),),
        defaults=defaults_in_words(),
        traffic=traffic_of(seen, chosen),
    )


def _doubts(
    seen: Surroundings, service: Mapping[str, Any], ports: Ports, spec: Mapping[str, Any]
) -> Iterator[str]:
    yield from _refusals(seen, service, spec)
    yield from doubts.about_sight(seen)
    tool = manager_of(seen.deployment)
    if tool:
        yield (
            f"{tool} manages the Deployment: put the CanaryRollout there, too, and the annotation "
            "on the Service. What it has to be told of replicas and selector stands in "
            "docs/adopting.md, In Git."
        )
    yield from ports.doubts
    yield from doubts.about_pods(seen, written_template(seen.deployment))


def _refusals(
    seen: Surroundings, service: Mapping[str, Any], spec: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what the operator would refuse, in its own words where it has some."""
    maker = controller_of(seen.deployment)
    if maker:
        yield f"{doubts.FIRST}{maker} controls the Deployment; the operator takes no pods from it."
    for one in seen.rollouts:
        if referenced_name(one.get("spec") or {}) == seen.name:
            yield f"{doubts.FIRST}CanaryRollout {name_of(one)} takes its pods from it already."
    typed, problems = find_problems(RolloutSpec, spec)
    yield from (f"{doubts.FIRST}{problem.sentence}" for problem in problems)
    if typed is None:
        return
    try:
        pods = read_pods(seen.template, f"Deployment {seen.name}: spec.template")
        ports = typed.service.all_ports
        check_service(name_of(service), service.get("spec") or {}, ports, seen.labels)
    except NameConflictError as error:
        reason = error.message.partition(": ")[2]  # it has no annotation yet, as the message says
        yield f"{doubts.FIRST}Service {name_of(service)} cannot be taken over: {reason}"
    except InvalidSpecError as error:
        yield f"{doubts.FIRST}{error.message}"
    else:
        yield from doubts.about_ports(typed.model_copy(update={"template": pods}))


def _applying(seen: Surroundings, name: str) -> tuple[Remark, ...]:
    return (
        *_routes_in_the_way(seen, name),
        Remark(
            f"It comes up beside the Deployment, with {more_pods(seen)}; then the Service leads to "
            "it alone, and the Deployment is scaled to zero. No caller notices:",
            (f"{how_to_give(name)} -n {seen.namespace}", *commands_to_apply(seen, name)),
        ),
        Remark(
            "From then on a change of the Deployment's template starts a rollout, wherever it "
            "comes from. The way back, which gives the Deployment its pods and the Service its "
            "selector:",
            (f"kubectl delete cro/{name} -n {seen.namespace}",),
        ),
    )


def _routes_in_the_way(seen: Surroundings, service: str) -> Iterator[Remark]:
    """Yield VirtualServices of the Service's own host, which the rollout routes itself."""
    own, leaving = own_hosts(service, seen.namespace), _of_own_host_only(seen, service)
    for one in routes_to(seen, service):
        inside = ", ".join(sorted(own & hosts_of(one)))
        words = (
            f"VirtualService {name_of(one)} routes {inside}, and so does the rollout, which is "
            "refused while both do. Write its retries, timeouts and matches into "
            "spec.traffic.istio, and "
        )
        if one in leaving:
            command = f"kubectl delete virtualservice/{name_of(one)} -n {seen.namespace}"
            yield Remark(f"{words}delete it just before:", (command,))
        elif inside:
            yield Remark(f"{words}take that host out of it just before.")


def _of_own_host_only(seen: Surroundings, service: str) -> Manifests:
    """Return the VirtualServices that route nothing but the Service's own host to it."""
    own = own_hosts(service, seen.namespace)
    return tuple(one for one in routes_to(seen, service) if hosts_of(one) <= own)


def _callers(seen: Surroundings, service: str) -> Iterator[Remark]:
    for one in ingresses_to(seen, service):
        yield Remark(
            f"Ingress {name_of(one)} sends to Service {service}. Unless its controller is in the "
            "mesh, its requests only meet stable."
        )
    leaving = _of_own_host_only(seen, service)
    for one in routes_to(seen, service):
        if one not in leaving:
            yield Remark(about_route(one, seen, service, service))
    for one in seen.services:
        if name_of(one) != service and leads(one, seen.labels):
            yield Remark(
                f"Service {name_of(one)} selects the same pods: canary pods, too, in the share "
                f"that they have of all. Give its callers Service {service}, or add "
                "canary-operator.dev/track: stable to its selector."
            )


def _others(seen: Surroundings, name: str) -> Iterator[Remark]:
    for one in scalers_of(seen):
        yield Remark(
            f"HorizontalPodAutoscaler {name_of(one)} scales the Deployment, which has no pods from "
            "then on; let it scale the rollout. It needs a number to begin with, which is not in "
            "this file, so that no apply sets it back:",
            (
                f"kubectl scale cro/{name} -n {seen.namespace} --replicas={replicas_of(seen)}",
                aim_at(one, seen.namespace, name),
            ),
        )
    yield from of_pods(seen, name)
