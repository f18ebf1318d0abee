"""What a HorizontalPodAutoscaler defaults to, and what its metrics and behavior must say."""

from collections.abc import Iterator

from canary_operator.playground.api.builtin.others import check_scaler, scaler
from canary_operator.playground.api.errors import (
    Cause,
    forbidden_field,
    invalid,
    required,
    unsupported,
)
from canary_operator.playground.api.objects import Object

SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
UP: Object = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
DOWN: Object = {
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}
LONGEST_WINDOW, LONGEST_PERIOD = 3600, 1800


def with_defaults(obj: Object) -> Object:
    """Return a HorizontalPodAutoscaler with its defaults."""
    filled = scaler(obj)
    behavior = filled["spec"].get("behavior")
    if behavior is None:
        return filled
    rules = {
        "scaleUp": {**UP, **(behavior.get("scaleUp") or {})},
        "scaleDown": {**DOWN, **(behavior.get("scaleDown") or {})},
    }
    return {**filled, "spec": {**filled["spec"], "behavior": {**behavior, **rules}}}


def check(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with a HorizontalPodAutoscaler."""
    yield from check_scaler(obj)
    spec = obj["spec"]
    for index, metric in enumerate(spec.get("metrics") or ()):
        yield from _check_metric(f"spec.metrics[{index}]", metric)
    for name, rules in (spec.get("behavior") or {}).items():
        yield from _check_rules(f"spec.behavior.{name}", rules)


def _check_metric(where: str, metric: Object) -> Iterator[Cause]:
    kind = metric.get("type", "")
    if not kind:
        yield required(f"{where}.type", "must specify a metric source type")
    if kind not in SOURCES:
        yield unsupported(f"{where}.type", kind, SOURCES)
        return
    given = SOURCES[kind]
    if metric.get(given) is None:
        detail = "must populate information for the given metric source"
        yield required(f"{where}.{given}", detail)
    for other in SOURCES.values():
        if other != given and metric.get(other) is not None:
            yield forbidden_field(f"{where}.{other}", "must populate the given metric source only")
    yield from _check_source(f"{where}.{given}", given, metric.get(given) or {})


def _check_source(where: str, kind: str, source: Object) -> Iterator[Cause]:
    target = source.get("target") or {}
    if not source:
        return
    if kind in {"resource", "containerResource"}:
        if not source.get("name"):
            yield required(f"{where}.name", "must specify a resource name")
        share, value = target.get("averageUtilization"), target.get("averageValue")
        if share is None and value is None:
            detail = "must set either a target raw value or a target utilization"
            yield required(f"{where}.target.averageUtilization", detail)
        elif share is not None and share < 1:
            yield invalid(f"{where}.target.averageUtilization", share, "must be greater than 0")
        return
    if not (source.get("metric") or {}).get("name"):
        yield required(f"{where}.metric.name", "must specify a metric name")
    if kind == "pods" and target.get("averageValue") is None:
        yield required(
            f"{where}.target.averageValue", "must specify a positive target averageValue"
        )


def _check_rules(where: str, rules: Object) -> Iterator[Cause]:
    window = rules.get("stabilizationWindowSeconds") or 0
    field = f"{where}.stabilizationWindowSeconds"
    if window < 0:
        yield invalid(field, window, "must be greater than or equal to zero")
    if window > LONGEST_WINDOW:
        yield invalid(field, window, f"must be less than or equal to {LONGEST_WINDOW}")
    select = rules.get("selectPolicy")
    if select not in {None, "Disabled", "Max", "Min"}:
        yield unsupported(f"{where}.selectPolicy", select, ("Disabled", "Max", "Min"))
    if not rules.get("policies"):
        yield required(f"{where}.policies", "must specify at least one Policy")
    for index, policy in enumerate(rules.get("policies") or ()):
        yield from _check_policy(f"{where}.policies[{index}]", policy)


def _check_policy(where: str, policy: Object) -> Iterator[Cause]:
    kind, value, period = (policy.get(one) for one in ("type", "value", "periodSeconds"))
    if kind not in {"Percent", "Pods"}:
        yield unsupported(f"{where}.type", kind, ("Percent", "Pods"))
    if not value or value < 1:
        yield invalid(f"{where}.value", value or 0, "must be greater than zero")
    if not period or period < 1:
        yield invalid(f"{where}.periodSeconds", period or 0, "must be greater than zero")
    elif period > LONGEST_PERIOD:
        detail = f"must be less than or equal to {LONGEST_PERIOD}"
        yield invalid(f"{where}.periodSeconds", period, detail)
