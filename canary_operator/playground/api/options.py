"""What a client asks for beside the object: how to write, and how to delete."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from canary_operator.playground.api.auth import User
from canary_operator.playground.api.errors import Cause, bad_request, unprocessable, unsupported

DIRECTIVES = ("Ignore", "Strict", "Warn")
POLICIES = ("Foreground", "Background", "Orphan")


@dataclass(frozen=True)
class WriteOptions:
    """How a create, an update or a patch is to be carried out."""

    manager: str = "unknown"
    dry_run: bool = False
    validation: str = "Warn"
    force: bool = False
    warnings: list[str] = field(default_factory=list)
    """Collects what the client is told in Warning headers."""
    user: User | None = None
    """Who writes; nobody when the server does so itself, which needs no leave."""
    given: Mapping[str, str] = field(default_factory=dict)
    """The options as the client wrote them."""


@dataclass(frozen=True)
class DeleteOptions:
    """How a delete is to be carried out."""

    dry_run: bool = False
    propagation: str = "Background"
    grace_seconds: int | None = None
    uid: str | None = None
    resource_version: str | None = None
    collection: bool = False
    """Whether the request names a collection and not this object."""
    warnings: list[str] = field(default_factory=list)
    """Collects what the client is told in Warning headers."""
    user: User | None = None
    """Who deletes; nobody when the server does so itself, which needs no leave."""
    given: Mapping[str, str] = field(default_factory=dict)
    """The options as the client wrote them."""


def dry_run_of(value: Any, field_path: str = "dryRun") -> bool:
    """Tell whether a write is only tried.

    Raises:
        APIError: the value is not `All` (422).
    """
    values = value if isinstance(value, list) else [value] if value else []
    if any(item != "All" for item in values):
        cause = unsupported(field_path, values, ["All"])
        raise unprocessable("meta.k8s.io", "CreateOptions", "", [cause])
    return bool(values)


def write_options(
    query: Mapping[str, str], user_agent: str, patch_type: str = "", user: User | None = None
) -> WriteOptions:
    """Read the options of a write from its query; the manager falls back to the user agent.

    Raises:
        APIError: an option has no such value (422), or apply lacks its manager (400).
    """
    validation = query.get("fieldValidation") or "Warn"
    if validation not in DIRECTIVES:
        cause = unsupported("fieldValidation", validation, ["", *DIRECTIVES])
        raise unprocessable("meta.k8s.io", "CreateOptions", "", [cause])
    applying = patch_type == "apply"
    force = query.get("force") in ("true", "1")
    causes = []
    if applying and not query.get("fieldManager"):
        text = "Required value: is required for apply patch"
        causes.append(Cause("FieldValueRequired", "fieldManager", text))
    if force and not applying:
        text = "Forbidden: may not be specified for non-apply patch"
        causes.append(Cause("FieldValueForbidden", "force", text))
    if causes:
        raise unprocessable("meta.k8s.io", "PatchOptions", "", causes)
    return WriteOptions(
        manager=query.get("fieldManager") or user_agent.partition("/")[0] or "unknown",
        dry_run=dry_run_of(query.get("dryRun")),
        validation=validation,
        force=force,
        user=user,
        given=query,
    )


def delete_options(query: Mapping[str, str], body: Any, user: User | None = None) -> DeleteOptions:
    """Read the options of a delete from its body or its query.

    Raises:
        APIError: the body is no DeleteOptions (400), or a value is unknown (422).
    """
    body = body or {}
    if not isinstance(body, dict) or body.get("kind", "DeleteOptions") != "DeleteOptions":
        raise bad_request("the body of a delete must be DeleteOptions")
    conditions = body.get("preconditions") or {}
    grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    orphan = {True: "Orphan", False: "Background"}.get(body.get("orphanDependents", ""))
    policy = body.get("propagationPolicy") or query.get("propagationPolicy") or orphan
    if policy and policy not in POLICIES:
        cause = unsupported("propagationPolicy", policy, [*POLICIES, "nil"])
        raise unprocessable("meta.k8s.io", "DeleteOptions", "", [cause])
    return DeleteOptions(
        dry_run=dry_run_of(body.get("dryRun") or query.get("dryRun")),
        propagation=policy or "Background",
        grace_seconds=None if grace is None else int(grace),
        uid=conditions.get("uid"),
        resource_version=conditions.get("resourceVersion"),
        user=user,
        given={**query, **body},
    )
