"""Rights that the server asks for beside the one that a request needs to get in.

- An apply, or a replacement, that makes an object needs `create`, too.
- Who sets an owner that waits for its dependents needs `update` on the owner's finalizers, and who
  adds an owner to an existing object `delete` on that object, as the admission plugin
  OwnerReferencesPermissionEnforcement has it. kube-apiserver does not run it unless told so; some
  distributions, OpenShift among them, do.
- Nobody may grant what they do not hold, unless a rule lets them `escalate` roles or `bind` them.
"""

from collections.abc import Iterator

from canary_operator.playground.api.auth import MASTERS, RBAC, Attributes, Authorizer
from canary_operator.playground.api.errors import APIError, forbidden, not_found
from canary_operator.playground.api.grants import Grants, uncovered
from canary_operator.playground.api.objects import Object, same
from canary_operator.playground.api.proposals import Proposal
from canary_operator.playground.api.registry import Registry

UNGUARDED = (("pods", "status"),)
"""Doors where owners change without leave."""


class Rights:
    """The judge of these rights."""

    def __init__(self, authorizer: Authorizer, registry: Registry) -> None:
        self._authorizer = authorizer
        self._registry = registry

    def __call__(self, proposal: Proposal) -> None:
        """Refuse what the user may not do.

        Raises:
            APIError: a right is missing (403), or a binding names no role (404).
        """
        if not self._authorizer.enabled or MASTERS in proposal.user.groups:
            return
        if proposal.made_by_name:
            self._authorizer.require(proposal.user, _about(proposal, "create"))
        self._judge_owners(proposal)
        self._judge_grants(proposal)

    # ------------------------------------------------------------------ owners

    def _judge_owners(self, proposal: Proposal) -> None:
        door = (proposal.target.resource.plural, proposal.target.subresource)
        before, after = _owners(proposal.old), _owners(proposal.new)
        if proposal.operation == "DELETE" or door in UNGUARDED or same(before, after):
            return
        may_delete = _about(proposal, "delete")
        if proposal.old and not self._authorizer.permits(proposal.user, may_delete):
            raise _refused(
                proposal, "cannot set an ownerRef on a resource you can't delete: , <nil>"
            )
        for reference in _newly_blocking(before, after):
            finalizers = self._finalizers(proposal, reference)
            if not self._authorizer.permits(proposal.user, finalizers):
                detail = (
                    "cannot set blockOwnerDeletion if an ownerReference refers to a resource you "
                    "can't set finalizers on: , <nil>"
                )
                raise _refused(proposal, detail)

    def _finalizers(self, proposal: Proposal, reference: Object) -> Attributes:
        version, kind = reference["apiVersion"], reference["kind"]
        resource = self._registry.by_kind(version, kind)
        if resource is None:
            detail = (
                "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for "
                f'APIVersion {version} Kind {kind}: no matches for kind "{kind}" in version '
                f'"{version}"'
            )
            raise _refused(proposal, detail)
        namespace = proposal.target.namespace if resource.namespaced else ""
        where = (namespace, reference["name"])
        return Attributes("update", resource.group, resource.plural, "finalizers", *where)

    # ------------------------------------------------------------------ roles and bindings

    def _judge_grants(self, proposal: Proposal) -> None:
        resource, new, old = proposal.target.resource, proposal.new, proposal.old
        if resource.group != RBAC or new is None:
            return
        if "roleRef" in new:
            if old is None or not same(_meaning(old), _meaning(new)):
                self._judge_binding(proposal, new["roleRef"])
        elif old is None or not same(old.get("rules"), new.get("rules")):
            escalate = _about(proposal, "escalate")
            if not self._authorizer.allows(proposal.user, escalate):
                self._require_held(proposal, new.get("rules") or [])

    def _judge_binding(self, proposal: Proposal, reference: Object) -> None:
        cluster = reference["kind"] == "ClusterRole"
        namespace = "" if cluster else proposal.target.namespace
        plural = "clusterroles" if cluster else "roles"
        where = (proposal.target.namespace, reference["name"])
        if self._authorizer.allows(proposal.user, Attributes("bind", RBAC, plural, "", *where)):
            return
        rules = self._authorizer.role_rules(reference, namespace)
        if rules is None:
            raise not_found(RBAC, proposal.target.resource.plural, reference["name"])
        self._require_held(proposal, rules)

    def _require_held(self, proposal: Proposal, wanted: list[Object]) -> None:
        held = list(self._authorizer.rules(proposal.user, proposal.target.namespace))
        missing = uncovered(wanted, Grants(held))
        if missing:
            groups = " ".join(f'"{group}"' for group in proposal.user.groups)
            detail = (
                f'user "{proposal.user.name}" (groups=[{groups}]) is attempting to grant RBAC '
                "permissions not currently held:\n" + "\n".join(missing)
            )
            raise _refused(proposal, detail)


def _about(proposal: Proposal, verb: str) -> Attributes:
    target = proposal.target
    resource = target.resource
    where = (target.subresource, target.namespace, proposal.name)
    return Attributes(verb, resource.group, resource.plural, *where)


def _refused(proposal: Proposal, detail: str) -> APIError:
    resource = proposal.target.resource
    return forbidden(resource.group, resource.plural, proposal.name, detail)


def _owners(obj: Object | None) -> list[Object]:
    return list(((obj or {}).get("metadata") or {}).get("ownerReferences") or ())


def _newly_blocking(before: list[Object], after: list[Object]) -> Iterator[Object]:
    known = {ref["uid"] for ref in before if ref.get("blockOwnerDeletion")}
    for reference in after:
        if reference.get("blockOwnerDeletion") and reference["uid"] not in known:
            yield reference


def _meaning(binding: Object) -> Object:
    return {"roleRef": binding["roleRef"], "subjects": binding.get("subjects")}
