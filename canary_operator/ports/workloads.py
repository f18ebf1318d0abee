"""Pods, and what leads to them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from canary_operator.domain.situation import TrackState
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.target import Bounds, ReferenceTarget, TrackTarget
from canary_operator.domain.workload import Reference, Template
from canary_operator.ports.rollouts import Accepted, Rollout


class Workloads(Protocol):
    """Deployments, their autoscalers, Services, and the records of what they are built from."""

    def track(self, rollout: Rollout, track: str) -> TrackState:
        """Return the Deployment of track `stable` or `canary` and its pods, as last seen."""
        ...

    def records(self, rollout: Rollout) -> Sequence[Accepted]:
        """Return what was accepted, newest first."""
        ...

    def reference(self, rollout: Rollout, name: str) -> Reference | None:
        """Return a Deployment that the pods are taken from; None where none is followed."""
        ...

    async def follow(self, rollout: Rollout, name: str) -> Reference:
        """Have a Deployment followed that the pods are to be taken from, and return it.

        Raises:
            WorkloadNotFoundError, NameConflictError, DriftConflictError, UnavailableError.
        """
        ...

    async def means(self, rollout: Rollout, recorded: Template, seen: Template) -> bool:
        """Ask the API server whether `seen` is what it makes of what was `recorded`."""
        ...

    async def ensure_reference(self, rollout: Rollout, target: ReferenceTarget) -> bool:
        """Scale the Deployment that the pods are taken from to zero."""
        ...

    def selected_by(self, rollout: Rollout) -> Mapping[str, str]:
        """Return labels that pods need, as a Service that was taken over selects by them."""
        ...

    async def try_out(self, rollout: Rollout, template: Mapping[str, Any]) -> None:
        """Ask the API server whether it would take a Deployment with `template`; change nothing.

        Raises:
            InvalidTemplateError: it would not; the message is the server's.
        """
        ...

    async def try_autoscaler(self, rollout: Rollout, spec: RolloutSpec) -> None:
        """Ask the API server whether it takes the autoscalers of `spec`, if any; change nothing.

        Raises:
            InvalidSpecError: it would not; the message is the server's.
        """
        ...

    async def remember(self, rollout: Rollout, accepted: Accepted) -> None:
        """Record what was accepted: new, or other settings or a higher number of a known one.

        Raises:
            NameConflictError: a foreign object has the record's name.
        """
        ...

    async def restore(self, rollout: Rollout, revisions: Collection[str]) -> bool:
        """Bring back records that somebody deleted; return whether there were any."""
        ...

    async def forget(self, rollout: Rollout, revisions: Sequence[str]) -> None:
        """Remove records that nothing needs any more."""
        ...

    async def ensure_track(
        self, rollout: Rollout, track: str, target: TrackTarget, template: Mapping[str, Any]
    ) -> bool:
        """Make the Deployment of `track` run `target`; return whether something was written.

        Where its autoscaler has the word, the number of pods stays as it is.

        Raises:
            InvalidTemplateError, NameConflictError, DriftConflictError, ForbiddenError,
            UnavailableError.
        """
        ...

    async def ensure_autoscaler(
        self, rollout: Rollout, track: str, bounds: Bounds | None, spec: RolloutSpec
    ) -> bool:
        """Give the Deployment of `track` an autoscaler, or take it away where `bounds` is None.

        Returns:
            Whether something was written.

        Raises:
            InvalidSpecError, NameConflictError, DriftConflictError, ForbiddenError,
            UnavailableError.
        """
        ...

    async def ensure_services(
        self, rollout: Rollout, spec: RolloutSpec, *, takes_over: bool = True
    ) -> bool:
        """Make the Services look as `spec.service` says, but one that is the router's object.

        One that the user gave leads to stable only where the rollout now `takes_over`.

        Raises:
            NameConflictError: a Service is not the rollout's, or was given and does not fit.
        """
        ...
