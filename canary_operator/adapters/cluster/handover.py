"""The way back of Deployments and Services that rollouts took the place of.

Everything else that writes leaves alone what belongs to a deleted CanaryRollout. This is for those.
"""

from typing import Any

from canary_operator.adapters.cluster.apex import ApexServices
from canary_operator.adapters.cluster.cache import Caches, Held
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.errors import ApiError, NotFoundError
from canary_operator.adapters.cluster.references import References
from canary_operator.adapters.cluster.resources import DEPLOYMENTS, VIRTUAL_SERVICES, Resource
from canary_operator.adapters.cluster.workloads import track_state
from canary_operator.domain.errors import UnavailableError
from canary_operator.domain.objects import CANARY, track_name
from canary_operator.domain.situation import TrackState
from canary_operator.domain.workload import Reference
from canary_operator.ports import Rollout


class ClusterHandover:
    """Port `Handover`."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self._caches = caches
        self._apex = ApexServices(client, caches)
        self._references = References(client, caches)

    async def find(self, rollout: Rollout, name: str, *, replaced: bool) -> None:
        """Ask by name for what was borrowed and nothing tells of any more."""
        await self._apex.find_taken(rollout)
        await self._references.find_replaced(rollout, name, replaced=replaced)

    def reference(self, rollout: Rollout, name: str) -> Reference | None:
        """Return the Deployment that the pods were taken from; None where it is gone."""
        return self._references.seen(rollout, name)

    def track(self, rollout: Rollout, track: str) -> TrackState:
        """Return a Deployment of the rollout."""
        name = track_name(rollout.key.name, track)
        held = _own(rollout, self._caches.deployments.get(rollout.key.namespace, name))
        return track_state(held.content) if held else TrackState()

    def _route(self, rollout: Rollout) -> Held[Any] | None:
        routes = self._caches.virtual_services
        return _own(rollout, routes.get(rollout.key.namespace, rollout.key.name))

    def route_is_open(self, rollout: Rollout) -> bool:
        """Whether a VirtualService leads around the Service, or that one to both tracks."""
        return self._route(rollout) is not None or self._apex.is_open(rollout)

    def service_is_taken(self, rollout: Rollout) -> bool:
        """Whether a Service of somebody else leads to the pods of the rollout."""
        return self._apex.is_taken(rollout)

    async def scale_up(self, rollout: Rollout, name: str, replicas: int) -> None:
        """Give the Deployment its pods back."""
        await self._references.scale_up(rollout, name, replicas)

    async def close_route(self, rollout: Rollout) -> None:
        """Remove the VirtualService, and leave the canary's pods out of the Service."""
        held = self._route(rollout)
        if held is not None:
            try:
                place = held.namespace, held.name, held.uid
                await self._client.delete(VIRTUAL_SERVICES, *place)
            except NotFoundError:
                pass  # somebody was quicker
            except ApiError as error:
                raise _refused(VIRTUAL_SERVICES, held, error) from error
            self._caches.virtual_services.drop(held)
        await self._apex.close(rollout)

    async def stop_canary(self, rollout: Rollout) -> None:
        """Scale the canary to zero."""
        name = track_name(rollout.key.name, CANARY)
        cache = self._caches.deployments
        held = _own(rollout, cache.get(rollout.key.namespace, name))
        if held is None:
            return
        patch = {"metadata": {"uid": held.uid}, "spec": {"replicas": 0}}
        try:
            cache.learned(await self._client.merge(DEPLOYMENTS, held.namespace, name, patch))
        except NotFoundError:
            cache.drop(held)
        except ApiError as error:
            raise _refused(DEPLOYMENTS, held, error) from error

    async def give_service_back(self, rollout: Rollout) -> None:
        """Let the Service lead where it led before."""
        await self._apex.give_back(rollout)

    async def let_go(self, rollout: Rollout, name: str) -> None:
        """Take the marks from the Deployment."""
        await self._references.let_go(rollout, name)


def _own(rollout: Rollout, held: Held[Any] | None) -> Held[Any] | None:
    return held if held is not None and held.owner_uid == rollout.uid else None


def _refused(resource: Resource, held: Held[Any], error: ApiError) -> UnavailableError:
    words = f"The API server refuses to change {resource.kind} {held.name}: {error}"
    return UnavailableError(words)
