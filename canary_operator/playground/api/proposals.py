"""Writes that are about to happen, for those who may still refuse them: rights and policies.

The real server calls them validating admission. They see an object that is complete and right in
itself, together with who wants it stored.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from canary_operator.playground.api.auth import User
from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.objects import Object
from canary_operator.playground.api.options import DeleteOptions, WriteOptions
from canary_operator.playground.api.scales import scale_of
from canary_operator.playground.api.targets import Target
from canary_operator.playground.api.views import served, storable

Operation = Literal["CREATE", "UPDATE", "DELETE"]

OPTION_KINDS: Mapping[str, str] = {
    "CREATE": "CreateOptions",
    "UPDATE": "UpdateOptions",
    "DELETE": "DeleteOptions",
}
OPTION_FIELDS = ("fieldManager", "fieldValidation", "propagationPolicy", "gracePeriodSeconds")


@dataclass(frozen=True)
class Proposal:
    """One write by one user."""

    operation: Operation
    target: Target
    user: User
    new: Object | None
    """The object as it would be stored, or the body at a door that stores none."""
    old: Object | None
    dry_run: bool
    options: Object
    warnings: list[str]
    """Collects what the client is told in Warning headers."""
    nameless: bool = False
    """Whether a whole collection is deleted, so that no object was named."""

    @property
    def name(self) -> str:
        """Return the name that was asked for; a generated one is known by now."""
        if self.nameless:
            return ""
        given = self.new["metadata"].get("name", "") if self.new and "metadata" in self.new else ""
        return self.target.name or str(given)

    @property
    def made_by_name(self) -> bool:
        """Tell whether a PUT or an apply creates: `create` was not asked for so far."""
        door = self.target.subresource
        return self.operation == "CREATE" and bool(self.target.name) and not door

    @property
    def kind(self) -> tuple[str, str, str]:
        """Return group, version and kind of what is written, which a door may change."""
        if self.target.subresource and self.new and self.new.get("kind"):
            group, _, version = str(self.new.get("apiVersion", "")).rpartition("/")
            return group, version, str(self.new["kind"])
        resource = self.target.resource
        return resource.group, resource.version, resource.kind

    def seen_as(self, resource: Resource) -> "Proposal":
        """Return the same write in another version of its resource."""
        asked = self.target.resource
        new, old = (
            served(resource, storable(asked, obj)) if obj else obj for obj in (self.new, self.old)
        )
        return replace(self, target=replace(self.target, resource=resource), new=new, old=old)


Judge = Callable[[Proposal], None]
"""Raises an `APIError` to refuse a write."""


class Proposals:
    """All who are asked before a write happens, in order."""

    def __init__(self) -> None:
        self.judges: list[Judge] = []

    def judge(
        self,
        operation: Operation,
        target: Target,
        options: WriteOptions | DeleteOptions,
        *,
        new: Object | None = None,
        old: Object | None = None,
    ) -> None:
        """Ask every judge; what the server does by itself needs no leave.

        Raises:
            APIError: one of them refuses the write.
        """
        if options.user is None or not self.judges:
            return
        new, old = (_shaped(obj, target) for obj in (new, old))
        proposal = Proposal(
            operation,
            target,
            options.user,
            new,
            old,
            options.dry_run,
            _shown(options, operation),
            options.warnings,
            nameless=isinstance(options, DeleteOptions) and options.collection,
        )
        for judge in self.judges:
            judge(proposal)


def _shaped(obj: Object | None, target: Target) -> Object | None:
    """Return an object as the client of this door sees it."""
    if obj is None or obj.get("kind") != target.resource.kind:
        return obj
    if target.subresource == "scale":
        return scale_of(obj, target.resource)
    return served(target.resource, obj)


def _shown(options: WriteOptions | DeleteOptions, operation: Operation) -> Object:
    given: dict[str, Any] = {k: v for k, v in options.given.items() if k in OPTION_FIELDS}
    if options.dry_run:
        given["dryRun"] = ["All"]
    return {"kind": OPTION_KINDS[operation], "apiVersion": "meta.k8s.io/v1", **given}
