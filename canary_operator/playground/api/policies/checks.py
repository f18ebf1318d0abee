"""Defaults of policies and bindings, and what is wrong with them."""

from collections.abc import Iterable, Iterator

from canary_operator.playground.api.errors import (
    Cause,
    forbidden_field,
    invalid,
    required,
    unsupported,
)
from canary_operator.playground.api.objects import Object
from canary_operator.playground.api.policies.expressions import (
    DATA,
    ExpressionError,
    compiled,
    is_untyped,
)

REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
ACTIONS = ("Audit", "Deny", "Warn")
WHOLE: Object = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
NO_PARAMS = "parameters of policies are unknown to the embedded API; write the values into the rule"


def with_defaults(obj: Object) -> Object:
    """Return a ValidatingAdmissionPolicy with its defaults."""
    spec = {"failurePolicy": "Fail", **(obj.get("spec") or {})}
    if spec.get("matchConstraints"):
        spec["matchConstraints"] = _completed(spec["matchConstraints"])
    return {**obj, "spec": spec}


def binding_with_defaults(obj: Object) -> Object:
    """Return a ValidatingAdmissionPolicyBinding with its defaults."""
    spec = obj.get("spec") or {}
    if not spec.get("matchResources"):
        return obj
    return {**obj, "spec": {**spec, "matchResources": _completed(spec["matchResources"])}}


def _completed(constraints: Object) -> Object:
    scoped = {
        name: [{"scope": "*", **rule} for rule in constraints[name]]
        for name in ("resourceRules", "excludeResourceRules")
        if constraints.get(name)
    }
    return {**WHOLE, **constraints, **scoped}


def check_policy(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with a ValidatingAdmissionPolicy."""
    spec = obj["spec"]
    validations = spec.get("validations") or []
    if not validations and not spec.get("auditAnnotations"):
        detail = "validations or auditAnnotations must contain at least one item"
        yield from (
            required(f"spec.{name}", detail) for name in ("validations", "auditAnnotations")
        )
    if spec.get("paramKind"):
        yield forbidden_field("spec.paramKind", NO_PARAMS)
    if not spec.get("matchConstraints"):
        yield required("spec.matchConstraints")
    elif not spec["matchConstraints"].get("resourceRules"):
        yield required("spec.matchConstraints.resourceRules")
    for field in ("matchConditions", "variables"):
        texts = [each.get("expression", "") for each in spec.get(field) or ()]
        yield from _check_all(texts, f"spec.{field}", "expression")
    yield from _check_all([v.get("expression", "") for v in validations], "spec.validations")
    for index, validation in enumerate(validations):
        yield from _check_validation(validation, f"spec.validations[{index}]")


def _check_all(texts: Iterable[str], where: str, name: str = "expression") -> Iterator[Cause]:
    for index, text in enumerate(texts):
        yield from _check_expression(text, f"{where}[{index}].{name}")


def _check_expression(
    text: str, where: str, declared: tuple[str, ...] = (*DATA, "authorizer")
) -> Iterator[Cause]:
    if not text.strip():
        yield required(where)
        return
    try:
        compiled(text, declared)
    except ExpressionError as error:
        yield invalid(where, text, str(error))


def _check_validation(validation: Object, where: str) -> Iterator[Cause]:
    message = validation.get("message", "")
    if "\n" in message:
        yield invalid(f"{where}.message", message, "must not contain line breaks")
    expression = validation.get("messageExpression")
    if expression and is_untyped(expression):
        detail = "must evaluate to string but got dyn"
        yield invalid(f"{where}.messageExpression", expression, detail)
    elif expression:
        yield from _check_expression(expression, f"{where}.messageExpression", DATA)
    reason = validation.get("reason", "Invalid")
    if reason not in REASONS:
        yield unsupported(f"{where}.reason", reason, REASONS)


def check_binding(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with a ValidatingAdmissionPolicyBinding."""
    spec = obj.get("spec") or {}
    actions = spec.get("validationActions") or []
    if not spec.get("policyName"):
        yield required("spec.policyName")
    if spec.get("paramRef"):
        yield forbidden_field("spec.paramRef", NO_PARAMS)
    if not actions:
        yield required("spec.validationActions", "at least one validation action is required")
    for index, action in enumerate(actions):
        if action not in ACTIONS:
            yield unsupported(f"spec.validationActions[{index}]", action, ACTIONS)
    if {"Deny", "Warn"} <= set(actions):
        detail = (
            "must not contain both Deny and Warn (repeating the same validation failure "
            "information in the API response and headers serves no purpose)"
        )
        yield invalid("spec.validationActions", actions, detail)
