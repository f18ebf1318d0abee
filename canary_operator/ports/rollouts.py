"""CanaryRollouts as the engine sees them, and what is recorded of their specs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from canary_operator.domain.loans import FINALIZER


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which CanaryRollout."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Rollout:
    """A CanaryRollout as last seen."""

    key: Key
    uid: str
    resource_version: str
    """What a status write is conditional on."""
    generation: int
    spec: Mapping[str, Any]
    """As the user wrote it."""
    status: Mapping[str, Any] = field(default_factory=dict)
    request: str | None = None
    """Value of the request annotation."""
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    """What keeps it when it is deleted, ours and those of others."""
    created: str = ""
    """When it was made, as Kubernetes writes it."""
    objects: object = None
    """Equal to what it was before while none of the rollout's own objects was seen to change; None
    where nobody can tell."""

    @property
    def is_guarded(self) -> bool:
        """Whether it stays, when it is deleted, until its loans were given back."""
        return FINALIZER in self.finalizers


@dataclass(frozen=True, slots=True)
class Accepted:
    """The record of an accepted spec: what a revision is rebuilt from."""

    revision: str
    template: Mapping[str, Any]
    settings: Mapping[str, Any]
    """The spec without `template`, `replicas` and `paused`, as the user wrote it."""
    number: int
    """Grows with each acceptance; the highest one is the spec in force."""


class Rollouts(Protocol):
    """The CanaryRollouts themselves."""

    def get(self, key: Key) -> Rollout | None:
        """Return the rollout as last seen; None when it is gone."""
        ...

    async def write_status(self, rollout: Rollout, patch: Mapping[str, Any]) -> None:
        """Merge `patch` into the status, if the rollout is still as `rollout` says.

        Raises:
            ConflictError: somebody changed the object since; the decision is void.
            UnavailableError: the API server did not take it; worth a retry.
        """
        ...

    async def remove_request(self, rollout: Rollout, value: str) -> None:
        """Remove the request annotation, if it still has `value`; else do nothing."""
        ...

    async def guard(self, rollout: Rollout) -> None:
        """Keep the rollout, when it is deleted, until `release`.

        Raises:
            ConflictError, ForbiddenError, UnavailableError.
        """
        ...

    async def release(self, rollout: Rollout) -> None:
        """Let the rollout go when it is deleted: nothing has to be given back.

        Raises:
            ConflictError, ForbiddenError, UnavailableError.
        """
        ...
