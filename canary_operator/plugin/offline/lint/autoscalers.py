"""Autoscalers: they have to aim at the CanaryRollout, and at nothing that the operator scales."""

from collections.abc import Iterator, Mapping

from canary_operator.domain.objects import GROUP, KIND, VERSION
from canary_operator.domain.spec.schema import Place
from canary_operator.plugin.offline.documents import Document
from canary_operator.plugin.offline.lint.findings import Severity
from canary_operator.plugin.offline.lint.names import needed_names
from canary_operator.plugin.offline.lint.neighbours import Told, neighbours
from canary_operator.plugin.offline.lint.rules import Note, Rule, Together, TogetherRule

API_VERSION = f"{GROUP}/{VERSION}"
TARGET: Place = ("spec", "scaleTargetRef")
AUTOSCALERS = frozenset({"HorizontalPodAutoscaler", "ScaledObject"})
"""Of Kubernetes, and of KEDA."""

_ONE_WRITER = (
    "Let applies ignore spec.replicas (ignoreDifferences of Argo CD), or leave it out and write it "
    "once with kubectl scale: without a number there is nothing to scale."
)


def scales(scaler: Document, rollout: Document) -> bool:
    """Whether an object is an autoscaler of a rollout."""
    target = _target(scaler)
    return (target.get("kind"), target.get("name")) == (KIND, rollout.name)


def wrong_target(at: Together) -> Iterator[Told]:
    """The operator sets the replicas of its Deployments; two who set them fight."""
    for rollout, scaler in neighbours(at):
        target = _target(scaler)
        kind, name = target.get("kind", "Deployment"), target.get("name")
        aim = f"scaleTargetRef: {{apiVersion: {API_VERSION}, kind: {KIND}, name: {rollout.name}}}"
        if ("Deployment", name) in needed_names(rollout.name) and kind == "Deployment":
            sentence = (
                f"{scaler.kind} {scaler.name} scales Deployment {name}, whose replicas the "
                f"operator sets for {KIND} {rollout.name}: they would fight."
            )
            yield scaler, Note((*TARGET, "name"), sentence, aim)
        elif scales(scaler, rollout) and target.get("apiVersion") != API_VERSION:
            sentence = (
                f"{scaler.kind} {scaler.name} does not find {KIND} {name}, whose apiVersion is "
                f"{API_VERSION}."
            )
            yield scaler, Note((*TARGET, "apiVersion"), sentence, aim)


def replicas_given(at: Together) -> Iterator[Told]:
    """Every apply of a manifest with `replicas` undoes what the autoscaler did."""
    for rollout, scaler in neighbours(at):
        spec = (rollout.raw or {}).get("spec")
        given = spec.get("replicas") if isinstance(spec, Mapping) else None
        if scales(scaler, rollout) and given is not None:
            sentence = (
                f"spec.replicas is {given}, and {scaler.kind} {scaler.name} sets it too: every "
                "apply of this manifest undoes what that did."
            )
            yield rollout, Note(("spec", "replicas"), sentence, _ONE_WRITER)


def _target(scaler: Document) -> Mapping[str, str]:
    """Return kind, name and version; what is no text names nothing."""
    spec = (scaler.raw or {}).get("spec") if scaler.kind in AUTOSCALERS else None
    target = spec.get("scaleTargetRef") if isinstance(spec, Mapping) else None
    if not isinstance(target, Mapping):
        return {}
    return {key: one if isinstance(one, str) else "" for key, one in target.items()}


AUTOSCALER_RULES: tuple[TogetherRule, ...] = (
    Rule("scale-target", Severity.ERROR, wrong_target),
    Rule("replicas-and-autoscaler", Severity.WARNING, replicas_given),
)
