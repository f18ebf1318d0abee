"""Deployments, ReplicaSets and ControllerRevisions."""

from collections.abc import Iterator
from typing import Any

from canary_operator.playground.api.builtin.pod_checks import check_template
from canary_operator.playground.api.builtin.pod_defaults import pod_spec
from canary_operator.playground.api.errors import (
    Cause,
    forbidden_field,
    invalid,
    required,
    shown,
    unsupported,
)
from canary_operator.playground.api.meta import check_labels
from canary_operator.playground.api.objects import Object, dig, same
from canary_operator.playground.api.selectors import matches_labels

NOT_NEGATIVE = "must be greater than or equal to 0"
SELECTOR_MISMATCH = "`selector` does not match template `labels`"
IMMUTABLE = "field is immutable"
STRATEGIES = ("Recreate", "RollingUpdate")
ROLLING: Object = {"maxUnavailable": "25%", "maxSurge": "25%"}
COUNTS = (
    "replicas",
    "updatedReplicas",
    "fullyLabeledReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
)
OF_REPLICA_SETS = "fullyLabeledReplicas"
OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
ZERO_TEMPLATE: Object = {"metadata": {}, "spec": {"containers": None}}
ZERO_DEPLOYMENT: Object = {"spec": {"strategy": {}, "template": ZERO_TEMPLATE}, "status": {}}
ZERO_REPLICA_SET: Object = {"spec": {"template": ZERO_TEMPLATE}, "status": {}}


def _template(spec: Object) -> Object:
    template = spec.get("template") or {}
    return {
        "metadata": {},
        **template,
        "spec": pod_spec(template.get("spec") or {}),
    }


def deployment(obj: Object) -> Object:
    """Return a Deployment with its defaults."""
    spec = obj.get("spec") or {}
    strategy = {"type": "RollingUpdate", **(spec.get("strategy") or {})}
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {**ROLLING, **(strategy.get("rollingUpdate") or {})}
    defaults = {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}
    return {
        **obj,
        "spec": {**defaults, **spec, "strategy": strategy, "template": _template(spec)},
    }


def replica_set(obj: Object) -> Object:
    """Return a ReplicaSet with its defaults."""
    spec = obj.get("spec") or {}
    return {**obj, "spec": {"replicas": 1, **spec, "template": _template(spec)}}


def new_deployment(obj: Object) -> Object:
    """Return a Deployment that no controller has seen."""
    return {**obj, "status": {}}


def new_replica_set(obj: Object) -> Object:
    """Return a ReplicaSet that no controller has seen."""
    return {**obj, "status": {"replicas": 0}}


def check_deployment(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with a Deployment."""
    spec = obj["spec"]
    yield from _check_replicas(spec)
    yield from _check_selector(spec)
    yield from _check_pods(spec)
    yield from _check_strategy(spec["strategy"])
    for name in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        if spec.get(name, 0) < 0:
            yield invalid(f"spec.{name}", spec[name], NOT_NEGATIVE)
    deadline = spec.get("progressDeadlineSeconds", 600)
    if 0 <= deadline <= spec.get("minReadySeconds", 0):
        yield invalid(
            "spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"
        )


def check_replica_set(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with a ReplicaSet."""
    spec = obj["spec"]
    yield from _check_replicas(spec)
    yield from _check_selector(spec)
    yield from _check_pods(spec)


def _check_replicas(spec: Object) -> Iterator[Cause]:
    if spec["replicas"] < 0:
        yield invalid("spec.replicas", spec["replicas"], NOT_NEGATIVE)


def _check_selector(spec: Object) -> Iterator[Cause]:
    selector = spec.get("selector")
    if selector is None:
        yield required("spec.selector")
        return
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        detail = "empty selector is invalid for deployment"
        yield invalid("spec.selector", selector, detail)
    yield from check_labels(selector.get("matchLabels") or {}, "spec.selector.matchLabels")
    for index, term in enumerate(selector.get("matchExpressions") or ()):
        at = f"spec.selector.matchExpressions[{index}]"
        if term.get("operator") not in OPERATORS:
            yield invalid(
                f"{at}.operator", term.get("operator", ""), "not a valid selector operator"
            )
        elif term["operator"] in ("In", "NotIn") and not term.get("values"):
            detail = "must be specified when `operator` is 'In' or 'NotIn'"
            yield required(f"{at}.values", detail)


def _check_pods(spec: Object) -> Iterator[Cause]:
    template, selector = spec["template"], spec.get("selector")
    labels = dig(template, "metadata", "labels", default={})
    empty = not selector or not (selector.get("matchLabels") or selector.get("matchExpressions"))
    if selector is None or (not empty and not matches_labels(selector, labels)):
        yield Cause(
            "FieldValueInvalid",
            "spec.template.metadata.labels",
            f"Invalid value: {shown(labels) if labels else 'null'}: {SELECTOR_MISMATCH}",
        )
    yield from check_template(template, "spec.template")
    policy = dig(template, "spec", "restartPolicy", default="Always")
    if policy != "Always":
        yield unsupported("spec.template.spec.restartPolicy", policy, ["Always"])


def _check_strategy(strategy: Object) -> Iterator[Cause]:
    kind = strategy["type"]
    if kind not in STRATEGIES:
        shown_strategy = {"Type": kind, "RollingUpdate": strategy.get("rollingUpdate")}
        yield unsupported("spec.strategy", shown_strategy, STRATEGIES)
    elif kind == "Recreate" and strategy.get("rollingUpdate"):
        detail = "may not be specified when strategy `type` is 'Recreate'"
        yield forbidden_field("spec.strategy.rollingUpdate", detail)
    elif kind == "RollingUpdate":
        yield from _check_rolling(strategy["rollingUpdate"])


def _check_rolling(rolling: Object) -> Iterator[Cause]:
    path = "spec.strategy.rollingUpdate"
    for name in ("maxUnavailable", "maxSurge"):
        yield from _check_amount(rolling[name], f"{path}.{name}")
    if all(rolling[name] in (0, "0%", "0") for name in ("maxUnavailable", "maxSurge")):
        detail = "may not be 0 when `maxSurge` is 0"
        yield invalid(f"{path}.maxUnavailable", rolling["maxUnavailable"], detail)


def _check_amount(value: Any, path: str) -> Iterator[Cause]:
    if isinstance(value, int):
        if value < 0:
            yield invalid(path, value, NOT_NEGATIVE)
    elif not (value.endswith("%") and value[:-1].isdigit()):
        detail = (
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. "
            "'1%',  or '93%', regex used for validation is '[0-9]+%')"
        )
        yield invalid(path, value, detail)


def check_status(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with the counts that a controller reports."""
    status = obj.get("status") or {}
    total = status.get("replicas", 0)
    counts = [name for name in COUNTS if (name != OF_REPLICA_SETS) or obj["kind"] == "ReplicaSet"]
    for name in counts:
        if status.get(name, 0) < 0:
            yield invalid(f"status.{name}", status[name], NOT_NEGATIVE)
    for name in counts[1:-1]:
        if status.get(name, 0) > total:
            path = f"status.{name}"
            yield invalid(path, status.get(name, 0), "cannot be greater than status.replicas")
    available, ready = (status.get(f"{name}Replicas", 0) for name in ("available", "ready"))
    if available > ready:
        yield invalid("status.availableReplicas", available, "cannot be greater than readyReplicas")


def check_selector_kept(new: Object, old: Object) -> Iterator[Cause]:
    """Refuse a change of the selector, which would abandon the pods."""
    before, after = old["spec"].get("selector"), new["spec"].get("selector")
    if not same(before, after):
        yield invalid("spec.selector", after, IMMUTABLE)


def check_revision_kept(new: Object, old: Object) -> Iterator[Cause]:
    """Refuse a change of the data that a ControllerRevision records."""
    if not same(new.get("data"), old.get("data")):
        yield invalid("data", new.get("data"), IMMUTABLE)


def check_revision(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with a ControllerRevision."""
    if obj.get("data") is None:
        yield required("data", "data is mandatory")
    if obj.get("revision", 0) < 0:
        yield invalid("revision", obj["revision"], NOT_NEGATIVE)
