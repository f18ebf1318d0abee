"""Advice about the pods: how many there are, when they are ready, which image they run."""

from collections.abc import Iterator

from canary_operator.plugin.offline.lint.containers import ContainerAt, containers_of
from canary_operator.plugin.offline.lint.findings import Severity
from canary_operator.plugin.offline.lint.rules import Note, Rollout, Rule, SpecRule

REPLICAS = ("spec", "replicas")
LATEST = "latest"
ALL = 100


def few_replicas(at: Rollout) -> Iterator[Note]:
    """With one pod, every restart is an outage of its version."""
    replicas, left_out = at.spec.replicas, "replicas" not in at.spec.model_fields_set
    elsewhere = left_out and not at.spec.has_pods  # as many as the Deployment has
    scaled = at.autoscaled or at.spec.autoscaling is not None
    if scaled or replicas > 1 or elsewhere:
        return
    if replicas == 0:
        yield Note(
            REPLICAS,
            "spec.replicas is 0: stable has no pods, so nothing is served until it is scaled up.",
            "If an autoscaler sets it, leave spec.replicas out.",
        )
        return
    most = max(step.weight for step in at.spec.strategy.resolved_steps)
    given = "left out, which means 1" if left_out else "1"
    yield Note(
        REPLICAS,
        f"spec.replicas is {given}: stable has a single pod, and so has the canary at every weight "
        f"up to {most} %. When that one restarts, the canary's weight falls to 0 % until it is "
        "back; when stable's does, callers get errors.",
        f"replicas: 2 or more; from {ALL // most + 1} on the canary has two pods at {most} %.",
    )


def no_readiness_probe(at: Rollout) -> Iterator[Note]:
    """A canary whose pods count as available while they start gets requests too early."""
    containers = [one for one in containers_of(at.spec.template.raw) if not one.initial]
    serving = [one for one in containers if one.fields.get("ports")]
    # Ports need not be declared; one container alone is the one that serves.
    for container in serving or (containers if len(containers) == 1 else []):
        if not container.fields.get("readinessProbe"):
            yield Note(
                container.place,
                f"Container {container.name} has no readinessProbe, so a pod counts as available "
                "as soon as it runs, and gets its share of the requests while it still starts.",
                "readinessProbe: {httpGet: {path: /healthz, port: " + _port(container) + "}}",
            )


def _port(container: ContainerAt) -> str:
    for _, port in container.entries("ports"):
        return str(port.get("name") or port.get("containerPort")) if isinstance(port, dict) else ""
    return "8080"


def moving_tag(at: Rollout) -> Iterator[Note]:
    """Under a tag that moves, one revision runs two versions, and a new version is no rollout."""
    if at.document.kustomization is not None:
        return  # `images` of a kustomization sets the tag
    for container in containers_of(at.spec.template.raw):
        tag = _tag(container.image)
        if tag in {None, LATEST}:
            what = "has no tag, which means latest" if tag is None else "has the tag latest"
            yield Note(
                (*container.place, "image"),
                f"Image {container.image} {what}: pushing another one under it starts no rollout, "
                "and pods that start later run it unchecked, in stable too.",
                f"Use a tag that never moves, such as {_bare(container.image)}:1.4.2, or a digest.",
            )


def _tag(image: str) -> str | None:
    """Return the tag of an image, or its digest; None where it has neither."""
    if "@" in image:
        return image.partition("@")[2]
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return tag if colon else None


def _bare(image: str) -> str:
    return image.removesuffix(f":{LATEST}")


POD_RULES: tuple[SpecRule, ...] = (
    Rule("few-replicas", Severity.WARNING, few_replicas),
    Rule("no-readiness-probe", Severity.WARNING, no_readiness_probe),
    Rule("moving-tag", Severity.WARNING, moving_tag),
)
