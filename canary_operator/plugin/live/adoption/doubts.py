"""What a person has to look at before a Deployment becomes a CanaryRollout."""

from collections.abc import Iterator, Mapping
from typing import Any

from canary_operator.domain.acceptance import check_named_ports
from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.spec import RolloutSpec, find_problems
from canary_operator.plugin.live.adoption.leftovers import RECREATE
from canary_operator.plugin.live.adoption.surroundings import Surroundings, controller_of
from canary_operator.plugin.live.adoption.template import WrittenTemplate
from canary_operator.plugin.live.managers import manager_of

INJECT = "sidecar.istio.io/inject"
FIRST = "To be put right first: "


def about_spec(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the operator would refuse."""
    typed, problems = find_problems(RolloutSpec, spec)
    yield from (f"{FIRST}{problem.sentence}" for problem in problems)
    if typed is not None:
        yield from about_ports(typed)


def about_ports(spec: RolloutSpec) -> Iterator[str]:
    """Yield what the operator would say about the ports of a spec with its pods."""
    try:
        check_named_ports(spec)
    except InvalidSpecError as error:
        yield f"{FIRST}{error.message}"


def about_cluster(seen: Surroundings) -> Iterator[str]:
    """Yield what is missing around the Deployment, or acts against a rollout beside it."""
    yield from about_sight(seen)
    maker = controller_of(seen.deployment)
    if maker:
        yield f"{maker} controls the Deployment and may make it again: it has to let go of it."
    tool = manager_of(seen.deployment)
    if tool:
        yield (
            f"{tool} manages the Deployment: put the CanaryRollout there, too, and take the "
            "Deployment and its Service out, or they come back. Both can stay with "
            "--keep-deployment."
        )


def about_sight(seen: Surroundings) -> Iterator[str]:
    """Yield what the cluster lacks, or what could not be seen."""
    if not seen.istio:
        yield (
            "This cluster has no VirtualServices: without Istio nothing splits requests, and the "
            "rollout will say RouterUnavailable."
        )
    yield from seen.unseen


def about_template(written: WrittenTemplate) -> Iterator[str]:
    """Yield where the template comes from, if that is a question."""
    if written.changed_since:
        yield (
            "The template is what runs, without the defaults of the API server: it is not what was "
            "applied last, so somebody changed it in the cluster. Is that what you want?"
        )


def about_pods(seen: Surroundings, written: WrittenTemplate) -> Iterator[str]:
    """Yield what two versions side by side, or a canary at all, make risky."""
    pod = written.content.get("spec") or {}
    containers = pod.get("containers") or ()
    if not any(one.get("readinessProbe") for one in containers):
        names = ", ".join(one.get("name") or "" for one in containers)
        yield (
            f"No container has a readinessProbe ({names}): a pod counts as available as soon as "
            "its process runs, and gets requests before it can answer them."
        )
    strategy = (seen.deployment.get("spec") or {}).get("strategy") or {}
    if strategy.get("type") == RECREATE:
        yield (
            "The strategy is Recreate, so two versions never ran side by side. Canary and stable "
            "do: is that safe for locks, volumes and the database?"
        )
    yield from _shared(pod)
    if not (seen.deployment.get("spec") or {}).get("replicas", 1):
        yield "The Deployment has 0 replicas; a canary needs pods."
    if _keeps_out_of_mesh(written.content):
        yield f"The pods say {INJECT}: false; only pods in the mesh report what they serve."


def _shared(pod: Mapping[str, Any]) -> Iterator[str]:
    claims = [one["name"] for one in pod.get("volumes") or () if one.get("persistentVolumeClaim")]
    if claims:
        yield (
            f"Stable and canary pods share the claims of these volumes: {', '.join(claims)}. One "
            "that only a single node may mount keeps the others from starting."
        )
    ports = [port for one in pod.get("containers") or () for port in one.get("ports") or ()]
    if pod.get("hostNetwork") or any(port.get("hostPort") for port in ports):
        yield "The pods take ports of their node, so each needs a node of its own."


def _keeps_out_of_mesh(template: Mapping[str, Any]) -> bool:
    meta = template.get("metadata") or {}
    marks = {**(meta.get("annotations") or {}), **(meta.get("labels") or {})}
    return str(marks.get(INJECT)).lower() == "false"
