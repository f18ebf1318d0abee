"""What stored policies and their bindings say about a write."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from celpy import celtypes

from canary_operator.playground.api.auth import Attributes, Authorizer
from canary_operator.playground.api.cel import to_cel
from canary_operator.playground.api.errors import APIError, qualified
from canary_operator.playground.api.objects import Object
from canary_operator.playground.api.policies.expressions import (
    EvaluationError,
    Variables,
    evaluate,
)
from canary_operator.playground.api.policies.library import AuthorizerValue, Question
from canary_operator.playground.api.policies.matching import matched
from canary_operator.playground.api.proposals import Proposal
from canary_operator.playground.api.registry import Registry
from canary_operator.playground.api.store import Store

GROUP = "admissionregistration.k8s.io"
POLICIES = (GROUP, "validatingadmissionpolicies")
BINDINGS = (GROUP, "validatingadmissionpolicybindings")
CODES: Mapping[str, int] = {"Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}
NAMELESS = "Unknown"


@dataclass(frozen=True)
class Denial:
    """One validation that does not hold."""

    policy: str
    binding: str
    message: str
    reason: str = "Invalid"


class Policies:
    """The judge that asks every policy; what it asks takes effect with the write of the policy."""

    def __init__(self, store: Store, registry: Registry, authorizer: Authorizer) -> None:
        self._store = store
        self._registry = registry
        self._authorizer = authorizer

    def __call__(self, proposal: Proposal) -> None:
        """Refuse a write that a policy denies, and warn where one only warns.

        Raises:
            APIError: a policy denies it (403, 413 or 422, as the policy says).
        """
        refusals = []
        for _, stored in self._store.scan(BINDINGS):
            binding = stored.obj
            actions = binding["spec"].get("validationActions") or ()
            for denial in self._denials(binding, proposal):
                where = f"'{denial.policy}' with binding '{denial.binding}'"
                if "Warn" in actions:
                    proposal.warnings.append(
                        f"Validation failed for ValidatingAdmissionPolicy {where}: {denial.message}"
                    )
                if "Deny" in actions:
                    refusals.append(denial)
        if refusals:
            raise _refusal(proposal, refusals[0])

    def _denials(self, binding: Object, proposal: Proposal) -> Iterator[Denial]:
        policy = self._store.get(POLICIES, ("", binding["spec"]["policyName"]))
        if policy is None:
            return
        spec, namespace = policy.obj["spec"], self._namespace(proposal)
        constraints = spec.get("matchConstraints") or {}
        resource = matched(constraints, proposal, self._registry, namespace)
        narrowed = binding["spec"].get("matchResources") or {}
        if resource is None or not matched(narrowed, proposal, self._registry, namespace):
            return
        scope = self._scope(proposal.seen_as(resource), proposal, namespace)
        names = policy.obj["metadata"]["name"], binding["metadata"]["name"]
        yield from _judged(spec, scope, names)

    def _namespace(self, proposal: Proposal) -> Object | None:
        target = proposal.target
        if not target.resource.namespaced:
            return None
        stored = self._store.get(("", "namespaces"), ("", target.namespace))
        return stored.obj if stored else None

    def _scope(
        self, proposal: Proposal, asked: Proposal, namespace: Object | None
    ) -> dict[str, Any]:
        """Return what expressions may look at."""
        target = asked.target
        where = (target.subresource, target.namespace, asked.name)
        requested = Attributes("", target.resource.group, target.resource.plural, *where)
        question = Question(self._authorizer, proposal.user, Attributes(""))
        return {
            "object": to_cel(proposal.new, {}),
            "oldObject": to_cel(proposal.old, {}),
            "request": to_cel(_request(proposal, asked), {}),
            "namespaceObject": to_cel(_shown_namespace(namespace), {}),
            "params": None,
            "authorizer": AuthorizerValue(question, requested),
        }


def _judged(spec: Object, scope: dict[str, Any], names: tuple[str, str]) -> Iterator[Denial]:
    """Evaluate a policy; what fails to evaluate counts as its failurePolicy says."""
    expressions = {each["name"]: each["expression"] for each in spec.get("variables") or ()}
    scope = {**scope, "variables": Variables(expressions, scope)}
    try:
        conditions = [each["expression"] for each in spec.get("matchConditions") or ()]
        if not all(_holds(text, scope) for text in conditions):
            return
    except _FailedError as error:
        if spec.get("failurePolicy") != "Ignore":
            yield Denial(*names, str(error))
        return
    for validation in spec.get("validations") or ():
        try:
            if _holds(validation["expression"], scope):
                continue
            message = _message(validation, scope)
            yield Denial(*names, message, validation.get("reason", "Invalid"))
        except _FailedError as error:
            if spec.get("failurePolicy") != "Ignore":
                yield Denial(*names, str(error))


class _FailedError(Exception):
    """An expression could not be evaluated."""


def _holds(text: str, scope: Mapping[str, Any]) -> bool:
    try:
        value = evaluate(text, scope)
    except EvaluationError as error:
        raise _FailedError(f"expression '{text}' resulted in error: {error}") from error
    if not isinstance(value, celtypes.BoolType):
        raise _FailedError(f"expression '{text}' resulted in error: must evaluate to bool")
    return bool(value)


def _message(validation: Object, scope: Mapping[str, Any]) -> str:
    """Return what to say; a messageExpression that fails, or says nothing, gives way."""
    expression = validation.get("messageExpression")
    if expression:
        visible = {name: value for name, value in scope.items() if name != "authorizer"}
        try:
            said = evaluate(expression, visible)
        except EvaluationError:
            said = ""
        if isinstance(said, str) and said.strip() and "\n" not in said:
            return str(said)
    return str(validation.get("message") or f"failed expression: {validation['expression']}")


def _request(proposal: Proposal, asked: Proposal) -> Object:
    """Return the variable `request`, whose `request…` fields say how the client asked."""
    target = proposal.target
    resource, original = proposal.target.resource, asked.target.resource
    optional = {
        "subResource": target.subresource,
        "requestSubResource": target.subresource,
        "name": asked.name,
        "namespace": target.namespace if resource.namespaced else "",
    }
    named = dict(zip(("group", "version", "kind"), proposal.kind, strict=True))
    requested = dict(zip(("group", "version", "kind"), asked.kind, strict=True))
    return {
        "kind": named,
        "resource": {
            "group": resource.group,
            "version": resource.version,
            "resource": resource.plural,
        },
        "requestKind": requested,
        "requestResource": {
            "group": original.group,
            "version": original.version,
            "resource": original.plural,
        },
        **{key: value for key, value in optional.items() if value},
        "operation": proposal.operation,
        "userInfo": {"username": proposal.user.name, "groups": list(proposal.user.groups)},
        "dryRun": proposal.dry_run,
        "options": proposal.options,
    }


def _shown_namespace(namespace: Object | None) -> Object | None:
    """Return what policies may see of a namespace; they have no business with who wrote it."""
    if namespace is None:
        return None
    hidden = ("managedFields", "ownerReferences", "uid")
    meta = {k: v for k, v in namespace["metadata"].items() if k not in hidden}
    return {"metadata": meta, "spec": namespace.get("spec"), "status": namespace.get("status")}


def _refusal(proposal: Proposal, denial: Denial) -> APIError:
    resource, name = proposal.target.resource, proposal.name or NAMELESS
    text = (
        f"ValidatingAdmissionPolicy '{denial.policy}' with binding '{denial.binding}' denied "
        f"request: {denial.message}"
    )
    details: Object = {"name": name, "group": resource.group, "kind": resource.plural}
    details = {key: value for key, value in details.items() if value}
    subject = f'{qualified(resource.plural, resource.group)} "{name}"'
    return APIError(
        CODES[denial.reason],
        denial.reason,
        f"{subject} is forbidden: {text}",
        {**details, "causes": [{"message": text}]},
    )
