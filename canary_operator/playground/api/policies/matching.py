"""Which writes a policy or a binding is about."""

from collections.abc import Iterable, Iterator, Mapping

from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.objects import Object, dig
from canary_operator.playground.api.proposals import Proposal
from canary_operator.playground.api.registry import Registry
from canary_operator.playground.api.selectors import matches_labels

EXEMPT = "admissionregistration.k8s.io"
"""No policy may judge policies: one that refuses everything could never be taken back."""
EVERY = "*"


def matched(
    constraints: Object, proposal: Proposal, registry: Registry, namespace: Object | None
) -> Resource | None:
    """Return the resource, in the version that the rules name, as which a write is matched.

    Args:
        constraints: `matchConstraints` of a policy or `matchResources` of a binding.
        proposal: The write.
        registry: Knows the other versions of the resource.
        namespace: The namespace of the object, where it has one.
    """
    if proposal.target.resource.group == EXEMPT or not _selected(constraints, proposal, namespace):
        return None
    excluded = constraints.get("excludeResourceRules") or ()
    exact = constraints.get("matchPolicy") == "Exact"
    if any(_fits_any(excluded, proposal, each) for each in _versions(proposal, registry, exact)):
        return None
    rules = constraints.get("resourceRules") or ()
    if not rules and "resourceRules" not in constraints:  # of a binding: whatever the policy says
        return proposal.target.resource
    found = (r for r in _versions(proposal, registry, exact) if _fits_any(rules, proposal, r))
    return next(found, None)


def _versions(proposal: Proposal, registry: Registry, exact: bool) -> Iterator[Resource]:
    """Iterate over a resource and what is stored in the same place."""
    asked = proposal.target.resource
    yield asked
    if not exact:
        yield from (r for r in registry if r.storage == asked.storage and r != asked)


def _selected(constraints: Object, proposal: Proposal, namespace: Object | None) -> bool:
    return _selects_namespace(constraints.get("namespaceSelector"), proposal, namespace) and (
        _selects_object(constraints.get("objectSelector"), proposal)
    )


def _selects_namespace(
    selector: Mapping[str, object] | None, proposal: Proposal, namespace: Object | None
) -> bool:
    """Tell whether the namespace fits; a Namespace itself is judged by its own labels."""
    if not selector:
        return True
    if proposal.target.resource.kind == "Namespace":
        return matches_labels(selector, _labels(proposal.new or proposal.old))
    return namespace is None or matches_labels(selector, _labels(namespace))


def _selects_object(selector: Mapping[str, object] | None, proposal: Proposal) -> bool:
    """Tell whether the object fits, before or after: nobody slips away by changing a label."""
    if not selector:
        return True
    states = [obj for obj in (proposal.new, proposal.old) if obj and "metadata" in obj]
    return any(matches_labels(selector, _labels(obj)) for obj in states)


def _labels(obj: Object | None) -> Mapping[str, str]:
    labels: Mapping[str, str] = dig(obj, "metadata", "labels", default={})
    return labels


def _fits_any(rules: Iterable[Object], proposal: Proposal, resource: Resource) -> bool:
    return any(_fits(rule, proposal, resource) for rule in rules)


def _fits(rule: Object, proposal: Proposal, resource: Resource) -> bool:
    scope = rule.get("scope") or EVERY
    names = rule.get("resourceNames") or ()
    return bool(
        _has(rule.get("operations"), proposal.operation)
        and _has(rule.get("apiGroups"), resource.group)
        and _has(rule.get("apiVersions"), resource.version)
        and (scope == EVERY or (scope == "Namespaced") is resource.namespaced)
        and (not names or proposal.name in names)
        and any(
            _names(pattern, resource.plural, proposal.target.subresource)
            for pattern in rule.get("resources") or ()
        )
    )


def _has(values: Iterable[str] | None, wanted: str) -> bool:
    return any(value in (EVERY, wanted) for value in values or ())


def _names(pattern: str, plural: str, subresource: str) -> bool:
    """Tell whether `pods`, `pods/*`, `*/scale` or `*` names a resource and its door.

    Example:
        >>> [_names("pods/*", "pods", s) for s in ("", "log")], _names("*", "pods", "log")
        ([True, True], False)
    """
    resource, _, door = pattern.partition("/")
    return resource in (EVERY, plural) and door in (subresource, EVERY)
