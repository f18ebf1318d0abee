"""Deployments, autoscalers and Services of rollouts, and the records that they are built from."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.cache import Caches, Held
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.drift import Rules
from canary_operator.adapters.cluster.encoding import unpack
from canary_operator.adapters.cluster.errors import ApiError, NotFoundError
from canary_operator.adapters.cluster.owned import OwnedObjects, marks_of, owner_of
from canary_operator.adapters.cluster.records import Records
from canary_operator.adapters.cluster.resources import DEPLOYMENTS, SERVICES
from canary_operator.adapters.cluster.scaled import Autoscalers, OwnedDeployments
from canary_operator.adapters.cluster.seen import SeenManifest
from canary_operator.domain.errors import (
    InvalidSpecError,
    InvalidTemplateError,
    UnavailableError,
)
from canary_operator.domain.objects import (
    CANARY,
    deployment,
    services,
    track_name,
    track_services,
)
from canary_operator.domain.situation import TrackState
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.split import split_of
from canary_operator.domain.target import Bounds, TrackTarget
from canary_operator.ports import Accepted, Rollout

SERVICE_RULES = Rules(exact=frozenset({"spec.selector"}), complete=frozenset({"spec.ports"}))


class OwnedServices(OwnedObjects[SeenManifest]):
    """Services; their ports are one list that nobody else adds to."""

    async def write(self, held: Held[SeenManifest] | None, wanted: Manifest) -> Manifest:
        """Write a Service, and its ports as a whole where one has to go.

        Server-side apply cannot remove a port that another writer owns too, and then refuses ours
        because the name of the port is taken.
        """
        if held is None or not _has_other_ports(held, wanted):
            return await super().write(held, wanted)
        seen, selector = unpack(held.content.manifest)["spec"], wanted["spec"]["selector"]
        gone = dict.fromkeys(seen.get("selector", {}).keys() - selector.keys())
        spec = {**wanted["spec"], "selector": {**gone, **selector}}
        patch = {"metadata": {"uid": held.uid, **marks_of(wanted)}, "spec": spec}
        return await self.client.merge(self.resource, held.namespace, held.name, patch)


def _has_other_ports(held: Held[SeenManifest], wanted: Manifest) -> bool:
    there = {port["port"] for port in unpack(held.content.manifest)["spec"].get("ports", ())}
    return not there <= {port["port"] for port in wanted["spec"]["ports"]}


class ClusterWorkloads:
    """Port `Workloads`."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self._pods = caches.pods
        self._deployments = OwnedDeployments(client, DEPLOYMENTS, caches.deployments)
        self._autoscalers = Autoscalers(client, caches)
        self._services = OwnedServices(client, SERVICES, caches.services, SERVICE_RULES)
        self._records = Records(client, caches)

    def track(self, rollout: Rollout, track: str) -> TrackState:
        """Return the Deployment of track `stable` or `canary` and its pods, as last seen."""
        held = self._deployments.get(rollout, track_name(rollout.key.name, track))
        scaler = self._autoscalers.state(rollout, track)
        if held is None:
            return TrackState(scaler=scaler)
        seen = held.content
        return TrackState(
            exists=True,
            revision=seen.revision,
            replicas=seen.replicas,
            scaler=scaler,
            current=seen.current,
            pods=seen.pods,
            updated=seen.updated,
            ready=seen.ready,
            available=seen.available,
            trouble=seen.trouble or self._pod_trouble(rollout, track, seen.revision),
        )

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

    async def ensure_services(self, rollout: Rollout, spec: RolloutSpec) -> bool:
        """Make the Services look as `spec.service` says, but one that is the router's object."""
        written = False
        chosen = track_services if split_of(spec).pods_are_traffic else services
        for wanted in chosen(owner_of(rollout), spec.service.all_ports):
            try:
                written |= await self._services.ensure(rollout, wanted)
            except (NotFoundError, ApiError) as error:
                raise refused_service(wanted, error) from error
        return written


def refused_service(wanted: Manifest, error: ApiError) -> InvalidSpecError | UnavailableError:
    """Return what it means that the API server does not take a Service."""
    if isinstance(error, NotFoundError):
        return UnavailableError(error.message)
    name = wanted["metadata"]["name"]
    return InvalidSpecError(f"spec.service: the API server refuses Service {name}: {error.message}")


def _invalid_template(error: ApiError) -> InvalidTemplateError:
    return InvalidTemplateError(f"The API server refuses the pods: {error.message}")
