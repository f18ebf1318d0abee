"""What histories are made of: versions, strategies, requests, and how each write may fail."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from canary_operator.domain.errors import (
    ConflictError,
    DriftConflictError,
    ForbiddenError,
    InvalidSpecError,
    InvalidTemplateError,
    NameConflictError,
    RouterUnavailableError,
    UnavailableError,
)
from canary_operator.domain.revision import revision_of
from canary_operator.testing.builders import template

VERSIONS = ("v1", "v2", "v3")
REVISIONS = tuple(revision_of(template(version)) for version in VERSIONS)
TRACKS = ("stable", "canary")
VERBS = ("pause", "resume", "promote", "abort", "retry", "nonsense")

ANYWHERE = (
    UnavailableError("the API server is away"),
    UnavailableError("too many requests", retry_after=timedelta(seconds=7)),
    ForbiddenError("may not patch"),
    ConflictError("changed"),
)
OBJECT = (*ANYWHERE, NameConflictError("belongs to somebody"), DriftConflictError("set back"))
ERRORS = {
    "dry run": (*ANYWHERE, InvalidTemplateError("refused")),
    "record": (*ANYWHERE, NameConflictError("belongs to somebody")),
    "status": ANYWHERE,
    "request": ANYWHERE,
    "stable": (*OBJECT, InvalidTemplateError("refused")),
    "canary": (*OBJECT, InvalidTemplateError("refused")),
    "autoscaler": (*OBJECT, InvalidSpecError("refused")),
    "services": OBJECT,
    "route": (*OBJECT, RouterUnavailableError("not installed")),
    "forget": ANYWHERE,
}
"""What each write may fail with; see the adapters."""
FAILURES = [(name, error) for name, errors in ERRORS.items() for error in errors]

AWAY = ANYWHERE[0]
KIND_OF = {
    "status": "rollouts",
    "request": "rollouts",
    "stable": "deployments",
    "canary": "deployments",
    "route": "route",
}
"""Whose watch tells of what a write does."""

STRATEGIES = (
    ((5, 10, False), (20, 10, False), (50, 10, False)),
    ((10, 5, False), (50, 20, False)),
    ((20, 10, False), (30, 10, True), (100, 10, False)),
    ((1, 10, False),),
)


def strategy(steps: tuple[tuple[int, int, bool], ...]) -> dict[str, Any]:
    """Return a strategy of steps: weight, hold in seconds, whether a person must approve."""
    written = [
        {"weight": weight, "hold": f"{hold}s", **({"approval": True} if approval else {})}
        for weight, hold, approval in steps
    ]
    return {"steps": written, "progressDeadline": "2m", "scaleDownDelay": "30s"}


def fail_with(error: Exception) -> Callable[[], None]:
    """Return a deed that raises."""

    def fail() -> None:
        raise error

    return fail
