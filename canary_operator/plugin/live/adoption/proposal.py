"""A CanaryRollout that could take the place of a Deployment, and what a person does for that."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from canary_operator.domain.durations import format_duration
from canary_operator.domain.objects import GROUP, KIND, VERSION
from canary_operator.domain.spec import Analysis, Strategy
from canary_operator.plugin.live.adoption import doubts, leftovers
from canary_operator.plugin.live.adoption.handover import (
    Remark,
    Traffic,
    callers,
    others,
    scalers_of,
    traffic_of,
)
from canary_operator.plugin.live.adoption.naming import choose_name, reason_for
from canary_operator.plugin.live.adoption.ports import Ports, choose_service, ports_of
from canary_operator.plugin.live.adoption.surroundings import Surroundings, name_of
from canary_operator.plugin.live.adoption.template import (
    RESTARTED_AT,
    WrittenTemplate,
    written_template,
)

FILE = "rollout.yaml"
LOOK = "Look at what could not be decided here."
HAND_OVER = "Hand over what acts on the Deployment."
PREFACE = (
    "Nothing in the cluster was changed, and nothing of it is ever taken over: the CanaryRollout "
    "runs beside the Deployment until you delete that. In this order:"
)


@dataclass(frozen=True, slots=True)
class Stage:
    """What a person does at one time."""

    title: str
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A manifest, and how it comes into force."""

    title: str
    preface: str
    """What happens to what is there, in one paragraph."""
    manifest: Mapping[str, Any]
    stages: tuple[Stage, ...]
    left_out: tuple[str, ...]
    """What is not carried over."""
    defaults: str
    """What holds for the fields that are not written."""
    traffic: Traffic
    """Hosts to route, once nobody else does."""


def propose(seen: Surroundings, *, service: str | None = None, name: str | None = None) -> Proposal:
    """Return a CanaryRollout for a Deployment.

    Args:
        seen: The Deployment, and what is around it.
        service: Name of its Service; None to find it.
        name: Name of the CanaryRollout; None to choose a free one.

    Raises:
        PluginError: there is no Service, there are several, or the name is taken.
    """
    found, chosen = choose_service(seen, service), choose_name(seen, name)
    ports, written = ports_of(found), written_template(seen.deployment)
    template = written.content
    spec = {"replicas": replicas_of(seen), "service": ports.spec, "template": template}
    doubts_left = (*_doubts(seen, ports, written, spec),)
    return Proposal(
        title=title_of(seen, chosen),
        preface=PREFACE,
        manifest=manifest_of(seen, chosen, spec),
        stages=stages_of(
            Stage(LOOK, doubts_left),
            Stage("Check it, apply it, wait until it serves.", _applying(seen, found, chosen)),
            Stage("Point callers to it.", (*callers(seen, name_of(found), chosen),)),
            Stage(HAND_OVER, (*others(seen, chosen),)),
            Stage("Delete what nobody needs any more.", (_deletion(seen, name_of(found)),)),
        ),
        left_out=(*_left_out(seen, found, ports, written),),
        defaults=defaults_in_words(),
        traffic=traffic_of(seen, name_of(found)),
    )


def title_of(seen: Surroundings, name: str) -> str:
    """Return what the file is."""
    return f"CanaryRollout {name}, for Deployment {seen.name} of namespace {seen.namespace}."


def manifest_of(seen: Surroundings, name: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the whole object."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {"name": name, "namespace": seen.namespace},
        "spec": spec,
    }


def stages_of(*stages: Stage) -> tuple[Stage, ...]:
    """Return those in which there is something to do."""
    return tuple(stage for stage in stages if stage.remarks)


def replicas_of(seen: Surroundings) -> int:
    """Return the pods that run now; an autoscaler may not let them be fewer than its least."""
    asked: int = (seen.deployment.get("spec") or {}).get("replicas", 1)
    least = [(one.get("spec") or {}).get("minReplicas") or 1 for one in scalers_of(seen)]
    return max([asked, *least])


def _doubts(
    seen: Surroundings, ports: Ports, written: WrittenTemplate, spec: Mapping[str, Any]
) -> Iterator[Remark]:
    for words in (
        *doubts.about_spec(spec),
        *doubts.about_cluster(seen),
        *doubts.about_template(written),
        *ports.doubts,
        *doubts.about_pods(seen, written),
    ):
        yield Remark(words)


def _applying(seen: Surroundings, service: Mapping[str, Any], name: str) -> tuple[Remark, ...]:
    reason = reason_for(seen, name)
    return (
        *((Remark(reason),) if reason else ()),
        Remark(
            f"It runs beside the Deployment, with {more_pods(seen)}, and no caller notices:",
            commands_to_apply(seen, name),
        ),
        Remark(
            f"Service {name_of(service)} selects the new pods, too, as they have the same labels. "
            "It knows no weights and reaches a canary as well as stable: start no rollout before "
            "callers have left it."
        ),
    )


def more_pods(seen: Surroundings) -> str:
    """Return how many pods come up beside those that are there."""
    pods = replicas_of(seen)
    return f"{pods} more {'pod' if pods == 1 else 'pods'}"


def commands_to_apply(seen: Surroundings, name: str) -> tuple[str, ...]:
    """Return how the file comes into force."""
    return (
        f"kubectl canary lint -f {FILE}",
        f"kubectl apply -f {FILE}",
        f"kubectl wait cro/{name} -n {seen.namespace} --for=condition=Ready --timeout=10m",
    )


def _deletion(seen: Surroundings, service: str) -> Remark:
    return Remark(
        "When no request arrives at the old name any more:",
        (f"kubectl delete deployment/{seen.name} service/{service} -n {seen.namespace}",),
    )


def _left_out(
    seen: Surroundings, service: Mapping[str, Any], ports: Ports, written: WrittenTemplate
) -> Iterator[str]:
    yield from leftovers.of_deployment(seen.deployment)
    yield from leftovers.of_service(service)
    yield from ports.left_out
    if written.restarted:
        yield f"annotation {RESTARTED_AT} of the pods: a restart is no new version"


def defaults_in_words() -> str:
    """Return what holds for strategy and analysis where nothing is written."""
    strategy, [metric] = Strategy(), Analysis().metrics
    weights = ", ".join(str(step.weight) for step in strategy.resolved_steps)
    least = (metric.success_rate and metric.success_rate.min) or 0
    return (
        f"Defaults of strategy and analysis: weights {weights} %, each held for "
        f"{format_duration(strategy.hold)}, and a success rate of at least {least:g} %."
    )
