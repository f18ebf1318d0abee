"""A Deployment of somebody else in memory that a rollout takes its pods from, and its Service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from canary_operator.domain.errors import NameConflictError, WorkloadNotFoundError
from canary_operator.domain.revision import revision_of
from canary_operator.domain.situation import RouteState, TrackState
from canary_operator.domain.target import ReferenceTarget
from canary_operator.domain.workload import Reference, Template
from canary_operator.ports import Rollout
from canary_operator.testing.pods import Deployment


@dataclass(slots=True)
class Referenced:
    """The Deployment, and the Service that leads to its pods."""

    name: str
    template: Template
    deployment: Deployment
    is_followed: bool = False
    replicas_before: int | None = None
    owner: str = ""
    """What else decides about it."""
    service_is_given: bool = True
    """Whether its owner gave the Service to the rollout."""
    service_is_taken: bool = False
    labels: Mapping[str, str] = field(default_factory=lambda: {"app": "web"})
    """What the Service selects by."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """What the API server fills into the pods."""

    @classmethod
    def running(cls, template: Template, replicas: int, name: str = "web") -> "Referenced":
        """Return one whose pods are available."""
        deployment = Deployment("referenced", revision_of(template), replicas)
        deployment.move_all(lambda _: True)
        return cls(name, template, deployment)

    def edit(self, template: Template) -> None:
        """Apply another template, as its owner does."""
        self.template = template
        self.deployment.revision, self.deployment.seen = revision_of(template), False

    def scale(self, replicas: int) -> None:
        """Ask for so many pods."""
        self.deployment.replicas, self.deployment.seen = replicas, False

    def filled(self, template: Template) -> Template:
        """Return a template with what the API server fills in."""
        return {**template, "spec": {**self.defaults, **template["spec"]}}

    def seen(self) -> Reference:
        """Return it as a rollout sees it."""
        state = self.deployment.state()
        template = self.filled(self.template)
        return Reference(
            name=self.name,
            template=template,
            revision=revision_of(template),
            replicas=state.replicas,
            replicas_before=self.replicas_before,
            current=state.current,
            pods=state.pods,
            updated=state.updated,
            available=state.available,
        )


class MemoryHandover:
    """Port `Handover` onto a world."""

    def __init__(self, world: Any) -> None:
        self._world = world

    @property
    def _own(self) -> Referenced:
        own: Referenced = self._world.referenced
        return own

    def reference(self, rollout: Rollout, name: str) -> Reference | None:  # noqa: ARG002
        """Return the Deployment that the pods were taken from."""
        own = self._world.referenced
        return own.seen() if own is not None and own.is_followed else None

    def track(self, rollout: Rollout, track: str) -> TrackState:  # noqa: ARG002
        """Return a Deployment of the rollout."""
        found = self._world.deployments.get(track)
        return found.state() if found else TrackState()

    def route_is_open(self, rollout: Rollout) -> bool:  # noqa: ARG002
        """Whether there is a route."""
        return bool(self._world.route.exists)

    def service_is_taken(self, rollout: Rollout) -> bool:  # noqa: ARG002
        """Whether the Service leads to the pods of the rollout."""
        return self._world.referenced is not None and self._own.service_is_taken

    async def scale_up(self, rollout: Rollout, name: str, replicas: int) -> None:  # noqa: ARG002
        """Give the Deployment its pods back."""
        await self._world.write("scale up", lambda: self._own.scale(replicas))

    async def close_route(self, rollout: Rollout) -> None:  # noqa: ARG002
        """Remove the route."""
        await self._world.write("close route", lambda: setattr(self._world, "route", RouteState()))

    async def stop_canary(self, rollout: Rollout) -> None:  # noqa: ARG002
        """Scale the canary to zero."""

        def change() -> None:
            canary = self._world.deployments["canary"]
            canary.replicas, canary.seen = 0, False

        await self._world.write("stop canary", change)

    async def give_service_back(self, rollout: Rollout) -> None:  # noqa: ARG002
        """Let the Service lead where it led before."""
        change = lambda: setattr(self._own, "service_is_taken", False)  # noqa: E731
        await self._world.write("give service back", change)

    async def let_go(self, rollout: Rollout, name: str) -> None:  # noqa: ARG002
        """Take the marks from the Deployment."""

        def change() -> None:
            self._own.is_followed, self._own.replicas_before = False, None

        await self._world.write("let go", change)


class ReferencedWorkloads:
    """What port `Workloads` says of the Deployment that pods are taken from."""

    world: Any

    def reference(self, rollout: Rollout, name: str) -> Reference | None:  # noqa: ARG002
        """Return the Deployment, if it is followed."""
        own = self.world.referenced
        return own.seen() if own is not None and own.is_followed and own.name == name else None

    async def follow(self, rollout: Rollout, name: str) -> Reference:
        """Have the Deployment followed."""
        own = self.world.referenced
        if own is None or own.name != name:
            raise WorkloadNotFoundError(name, rollout.key.namespace)
        if own.owner:
            raise NameConflictError(f"Deployment {name} belongs to {own.owner}.")
        await self.world.write("follow", lambda: setattr(own, "is_followed", True))
        seen: Reference = own.seen()
        return seen

    async def means(self, rollout: Rollout, recorded: Template, seen: Template) -> bool:  # noqa: ARG002
        """Whether the API server's defaults make one of the other."""
        await self.world.ask_server("defaults")
        return bool(self.world.referenced.filled(recorded) == seen)

    async def ensure_reference(self, rollout: Rollout, target: ReferenceTarget) -> bool:  # noqa: ARG002
        """Scale the Deployment to zero."""
        own = self.world.referenced
        marked = own is not None and own.replicas_before == target.replicas_before
        if own is None or (own.deployment.replicas == 0 and marked):
            return False

        def change() -> None:
            own.replicas_before = target.replicas_before
            own.scale(0)

        await self.world.write("scale down", change)
        return True

    def selected_by(self, rollout: Rollout) -> Mapping[str, str]:  # noqa: ARG002
        """Return what a Service that was taken over selects by."""
        own = self.world.referenced
        return own.labels if own is not None and own.service_is_taken else {}

    async def lead(self, *, takes_over: bool) -> bool:
        """Let a Service that was given lead to stable."""
        own = self.world.referenced
        if own is None or not own.service_is_given or own.service_is_taken or not takes_over:
            return False
        await self.world.write("take service over", lambda: setattr(own, "service_is_taken", True))
        return True
