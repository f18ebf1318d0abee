"""The Deployment that `spec.workloadRef` names: what it is, and what it makes of a spec."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary_operator.domain.errors import InvalidSpecError, InvalidTemplateError, NameConflictError
from canary_operator.domain.objects import CANARY, GROUP, STABLE, track_name
from canary_operator.domain.spec import PodTemplate, RolloutSpec, find_problems
from canary_operator.domain.spec.workload import WorkloadRef

Template = Mapping[str, Any]
"""A pod template, as the API server has it."""

REPLICAS_BEFORE = f"{GROUP}/replicas-before"
"""On a Deployment that was scaled to zero: how many pods it had."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A Deployment that somebody else wrote, as last seen."""

    name: str
    template: Template
    """Its pods, with what the API server filled in."""
    revision: str
    """Identity of `template`."""
    replicas: int
    """Pods asked for."""
    replicas_before: int | None = None
    """Pods asked for before it was scaled to zero, as a mark on it says."""
    current: bool = False
    """Whether the counts below speak of what was last asked for."""
    pods: int = 0
    updated: int = 0
    available: int = 0

    @property
    def own_replicas(self) -> int:
        """Pods that it has when nobody scales it for a rollout."""
        return self.replicas or self.replicas_before or 0

    def serves(self, replicas: int) -> bool:
        """Whether so many pods of its present template are available, and no other is left."""
        return self.current and self.pods == self.updated and self.available >= replicas


def referenced_name(raw: Mapping[str, Any]) -> str | None:
    """Return which Deployment a spec names, whatever else is wrong with it; None for none."""
    ref = raw.get("workloadRef")
    name = ref.get("name") if isinstance(ref, Mapping) else None
    return name if isinstance(name, str) and name else None


def check_workload(rollout: str, ref: WorkloadRef) -> None:
    """Refuse a Deployment whose name the rollout needs for one of its own.

    Raises:
        NameConflictError: names both, and the ways out.
    """
    if ref.name in {track_name(rollout, STABLE), track_name(rollout, CANARY)}:
        raise NameConflictError(
            f"spec.workloadRef.name is {ref.name}, and a CanaryRollout named {rollout} makes a "
            "Deployment of that name itself. Give the CanaryRollout another name."
        )


def check_unchanged(before: str | None, after: str | None) -> None:
    """Refuse to take the pods from somewhere else, once stable took a Deployment's place.

    Args:
        before: Its name.
        after: The name in the new spec.

    Raises:
        InvalidSpecError: says what to do instead.
    """
    if before is None or before == after:
        return
    raise InvalidSpecError(
        f"spec.workloadRef.name must stay {before}: stable serves in the place of that Deployment, "
        "which is scaled back up when this CanaryRollout is deleted. Take the pods from elsewhere "
        "in a CanaryRollout of another name."
    )


def with_pods_of(
    spec: RolloutSpec, reference: Reference, *, known: int = 0, running: int = 0
) -> RolloutSpec:
    """Return a spec with the pods of the Deployment that it names.

    Args:
        spec: As the user wrote it.
        reference: The Deployment.
        known: Pods that it had when its place was taken, if that was recorded; 0 is no number.
        running: Pods that stable has, which count where nothing else is known.

    Raises:
        InvalidTemplateError: a rollout cannot have such pods.
    """
    try:
        template = read_pods(reference.template, f"Deployment {reference.name}: spec.template")
    except InvalidSpecError as error:
        raise InvalidTemplateError(error.message) from error
    if "replicas" in spec.model_fields_set or spec.autoscaling is not None:
        return spec.model_copy(update={"template": template})
    size = known or reference.own_replicas or running or spec.replicas
    return spec.model_copy(update={"template": template, "replicas": size})


def read_pods(template: Template, place: str = "spec.template") -> PodTemplate:
    """Return the typed template.

    Raises:
        InvalidSpecError: a rollout cannot have such pods.
    """
    pods, problems = find_problems(PodTemplate, template, place)
    if pods is None:
        raise InvalidSpecError(" ".join(problem.sentence for problem in problems))
    return pods


def may_mean_the_same(before: Any, after: Any) -> bool:
    """Whether two templates differ in nothing but fields that only one of them has.

    So do two that a user wrote alike, and an older and a newer API server filled in defaults.

    Example:
        >>> may_mean_the_same({"image": "web:v1"}, {"image": "web:v1", "pullPolicy": "Always"})
        True
        >>> may_mean_the_same({"image": "web:v1"}, {"image": "web:v2"})
        False
    """
    match before, after:
        case Mapping(), Mapping():
            both = before.keys() & after.keys()
            return all(may_mean_the_same(before[name], after[name]) for name in both)
        case (list() | tuple(), list() | tuple()) if len(before) == len(after):
            return all(map(may_mean_the_same, before, after))
        case _:
            return bool(before == after)
