"""Deployments, autoscalers and Services of rollouts, and the records that they are built from."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from canary_operator.adapters.cluster.apex import ApexServices
from canary_operator.adapters.cluster.cache import Caches
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.errors import ApiError, NotFoundError
from canary_operator.adapters.cluster.owned import owner_of
from canary_operator.adapters.cluster.records import Records
from canary_operator.adapters.cluster.references import References
from canary_operator.adapters.cluster.resources import DEPLOYMENTS
from canary_operator.adapters.cluster.scaled import Autoscalers, OwnedDeployments
from canary_operator.adapters.cluster.seen import SeenDeployment
from canary_operator.adapters.cluster.services import OwnedServices, refused_service
from canary_operator.domain.errors import InvalidTemplateError, UnavailableError
from canary_operator.domain.objects import (
    CANARY,
    apex_service,
    deployment,
    track_name,
    track_services,
    without_nulls,
)
from canary_operator.domain.revision import revision_of
from canary_operator.domain.situation import TrackState
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.split import split_of
from canary_operator.domain.target import Bounds, ReferenceTarget, TrackTarget
from canary_operator.domain.workload import Reference, Template
from canary_operator.ports import Accepted, Rollout

_DRY_RUN = "-canary-operator-dry-run"
"""End of the name of a Deployment that is never made."""


class ClusterWorkloads:
    """Port `Workloads`."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self._pods = caches.pods
        self._deployments = OwnedDeployments(client, DEPLOYMENTS, caches.deployments)
        self._autoscalers = Autoscalers(client, caches)
        self._services = OwnedServices(client, caches.services)
        self._apex = ApexServices(client, caches)
        self._references = References(client, caches)
        self._records = Records(client, caches)

    def track(self, rollout: Rollout, track: str) -> TrackState:
        """Return the Deployment of track `stable` or `canary` and its pods, as last seen."""
        held = self._deployments.get(rollout, track_name(rollout.key.name, track))
        scaler = self._autoscalers.state(rollout, track)
        if held is None:
            return TrackState(scaler=scaler)
        seen = held.content
        trouble = seen.trouble or self._pod_trouble(rollout, track, seen.revision)
        return replace(track_state(seen, trouble), scaler=scaler)

    def _pod_trouble(self, rollout: Rollout, track: str, revision: str | None) -> str | None:
        """Of several pods in trouble, always the same one speaks."""
        troubles = [
            (pod.name, pod.content.trouble)
            for pod in self._pods.of(rollout.key)
            if (pod.content.track, pod.content.revision) == (track, revision)
            and pod.content.trouble is not None
        ]
        return min(troubles)[1] if troubles else None

    def records(self, rollout: Rollout) -> Sequence[Accepted]:
        """Return what was accepted, newest first."""
        return self._records.all(rollout)

    def reference(self, rollout: Rollout, name: str) -> Reference | None:
        """Return a Deployment that the rollout takes its pods from, as last seen."""
        return self._references.seen(rollout, name)

    async def look_up(self, rollout: Rollout, name: str) -> None:
        """See whether the rollout can take its pods from a Deployment, and change nothing."""
        await self._references.look_up(rollout, name)

    async def follow(self, rollout: Rollout, name: str) -> Reference:
        """Have a Deployment followed that the rollout is to take its pods from."""
        return await self._references.follow(rollout, name)

    async def ensure_reference(self, rollout: Rollout, target: ReferenceTarget) -> bool:
        """Scale the Deployment that the pods are taken from to zero."""
        return await self._references.scale_down(rollout, target)

    def selected_by(self, rollout: Rollout) -> Mapping[str, str]:
        """Return labels that the pods need, as a Service that was taken over selects by them."""
        return self._apex.selected_by(rollout)

    async def means(self, rollout: Rollout, recorded: Template, seen: Template) -> bool:
        """Ask the API server whether `seen` is what it makes of what was `recorded`."""
        template = without_nulls(dict(recorded))
        labels = (template.get("metadata") or {}).get("labels") or {}
        place = {"name": f"{rollout.key.name}{_DRY_RUN}", "namespace": rollout.key.namespace}
        spec = {"selector": {"matchLabels": labels}, "template": template}
        wanted = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": place, "spec": spec}
        try:
            answer = await self._client.apply(DEPLOYMENTS, wanted, dry_run=True)
        except NotFoundError as error:
            raise UnavailableError(error.message) from error
        except ApiError:
            return False  # it does not take such pods any more
        return revision_of(answer["spec"]["template"]) == revision_of(seen)

    async def try_out(self, rollout: Rollout, template: Mapping[str, Any]) -> None:
        """Ask the API server whether it would take a Deployment with `template`."""
        if rollout.deleting:
            return
        name = track_name(rollout.key.name, CANARY)
        held = self._deployments.get(rollout, name)
        replicas = held.content.replicas if held else 0
        wanted = deployment(
            owner_of(rollout), CANARY, revision="dry-run", template=template, replicas=replicas
        )
        try:
            await self._client.apply(DEPLOYMENTS, wanted, dry_run=True)
        except NotFoundError as error:
            raise UnavailableError(error.message) from error
        except ApiError as error:
            raise _invalid_template(error) from error

    async def try_autoscaler(self, rollout: Rollout, spec: RolloutSpec) -> None:
        """Ask the API server whether it takes the autoscalers of `spec`, if any."""
        await self._autoscalers.try_out(rollout, spec)

    async def remember(self, rollout: Rollout, accepted: Accepted) -> None:
        """Record what was accepted."""
        await self._records.remember(rollout, accepted)

    async def restore(self, rollout: Rollout, revisions: Collection[str]) -> bool:
        """Bring back records that somebody deleted; return whether there were any."""
        return await self._records.restore(rollout, revisions)

    async def forget(self, rollout: Rollout, revisions: Sequence[str]) -> None:
        """Remove records that nothing needs any more."""
        await self._records.forget(rollout, revisions)

    async def ensure_track(
        self, rollout: Rollout, track: str, target: TrackTarget, template: Mapping[str, Any]
    ) -> bool:
        """Make the Deployment of `track` run `target`; return whether something was written."""
        wanted = deployment(
            owner_of(rollout),
            track,
            revision=target.revision,
            template=template,
            replicas=target.replicas,
        )
        try:
            return await self._deployments.ensure(rollout, wanted)
        except NotFoundError as error:
            raise UnavailableError(error.message) from error
        except ApiError as error:
            raise _invalid_template(error) from error

    async def ensure_autoscaler(
        self, rollout: Rollout, track: str, bounds: Bounds | None, spec: RolloutSpec
    ) -> bool:
        """Give the Deployment of `track` an autoscaler, or take it away."""
        return await self._autoscalers.ensure(rollout, track, bounds, spec)

    async def ensure_services(
        self, rollout: Rollout, spec: RolloutSpec, *, takes_over: bool = True
    ) -> bool:
        """Make the Services look as `spec.service` says, but one that is the router's object."""
        owner, ports, written = owner_of(rollout), spec.service.all_ports, False
        wanted = apex_service(owner, ports)
        try:
            if not split_of(spec).pods_are_traffic:
                written = await self._apex.lead(rollout, spec, wanted, takes_over=takes_over)
            for wanted in track_services(owner, ports):
                written |= await self._services.ensure(rollout, wanted)
        except ApiError as error:
            raise refused_service(wanted, error) from error
        return written


def track_state(seen: SeenDeployment, trouble: str | None = None) -> TrackState:
    """Return what a Deployment of ours says about a track."""
    return TrackState(
        exists=True,
        revision=seen.revision,
        replicas=seen.replicas,
        current=seen.current,
        pods=seen.pods,
        updated=seen.updated,
        ready=seen.ready,
        available=seen.available,
        trouble=trouble,
    )


def _invalid_template(error: ApiError) -> InvalidTemplateError:
    return InvalidTemplateError(f"The API server refuses the pods: {error.message}")
