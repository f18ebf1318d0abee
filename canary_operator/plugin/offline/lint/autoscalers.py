"""Autoscalers: they have to aim at the CanaryRollout, and at nothing that the operator scales."""

from collections.abc import Iterator, Mapping
from typing import Any

from canary_operator.domain.objects import GROUP, KIND, VERSION
from canary_operator.domain.spec.schema import Place
from canary_operator.domain.workload import referenced_name
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
        aim = _aim(rollout)
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
        given = _spec(rollout).get("replicas")
        if scales(scaler, rollout) and given is not None:
            sentence = (
                f"spec.replicas is {given}, and {scaler.kind} {scaler.name} sets it too: every "
                "apply of this manifest undoes what that did."
            )
            yield rollout, Note(("spec", "replicas"), sentence, _ONE_WRITER)


def second_autoscaler(at: Together) -> Iterator[Told]:
    """Where two autoscalers count the same pods, Kubernetes lets none of them act."""
    for rollout, scaler in neighbours(at):
        target = _target(scaler)
        both = scales(scaler, rollout) or _scales_named(scaler, rollout)
        if both and "autoscaling" in _spec(rollout):
            sentence = (
                f"{scaler.kind} {scaler.name} scales {target.get('kind', 'Deployment')} "
                f"{target['name']}, and spec.autoscaling of {KIND} {rollout.name} makes "
                "autoscalers of the same pods: Kubernetes lets none of them act then "
                "(AmbiguousSelector)."
            )
            fix = (
                f"Delete {scaler.kind} {scaler.name}, as spec.autoscaling takes its place; or "
                f"remove spec.autoscaling, and let it scale the {KIND}: {_aim(rollout)}"
            )
            yield scaler, Note((*TARGET, "name"), sentence, fix)


def resting_autoscaler(at: Together) -> Iterator[Told]:
    """Kubernetes scales nothing that has no pods, and stable has pods of its own."""
    for rollout, scaler in neighbours(at):
        if _scales_named(scaler, rollout) and "autoscaling" not in _spec(rollout):
            sentence = (
                f"{scaler.kind} {scaler.name} scales Deployment {_target(scaler)['name']}, which "
                f"gets no requests while {KIND} {rollout.name} serves in its place: stable does "
                "not follow the load."
            )
            yield scaler, Note((*TARGET, "name"), sentence, _aim(rollout))


def _aim(rollout: Document) -> str:
    return f"scaleTargetRef: {{apiVersion: {API_VERSION}, kind: {KIND}, name: {rollout.name}}}"


def _scales_named(scaler: Document, rollout: Document) -> bool:
    """Whether an object is an autoscaler of the Deployment that a rollout names."""
    target, named = _target(scaler), referenced_name(_spec(rollout))
    aims = (target.get("kind", "Deployment"), target.get("name"))
    return named is not None and aims == ("Deployment", named)


def _spec(rollout: Document) -> Mapping[str, Any]:
    spec = (rollout.raw or {}).get("spec")
    return spec if isinstance(spec, Mapping) else {}


def _target(scaler: Document) -> Mapping[str, str]:
    """Return kind, name and version; what is no text names nothing."""
    spec = (scaler.raw or {}).get("spec") if scaler.kind in AUTOSCALERS else None
    target = spec.get("scaleTargetRef") if isinstance(spec, Mapping) else None
    if not isinstance(target, Mapping):
        return {}
    return {key: one if isinstance(one, str) else "" for key, one in target.items()}


AUTOSCALER_RULES: tuple[TogetherRule, ...] = (
    Rule("scale-target", Severity.ERROR, wrong_target),
    Rule("second-autoscaler", Severity.ERROR, second_autoscaler),
    Rule("resting-autoscaler", Severity.WARNING, resting_autoscaler),
    Rule("replicas-and-autoscaler", Severity.WARNING, replicas_given),
)
