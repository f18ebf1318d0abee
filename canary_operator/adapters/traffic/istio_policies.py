"""The DestinationRules of a rollout: one policy for everything that its route sends requests to."""

from collections.abc import Iterator
from typing import Any

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.cache import Caches, Held
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.drift import Rules
from canary_operator.adapters.cluster.encoding import unpack
from canary_operator.adapters.cluster.errors import RejectedError
from canary_operator.adapters.cluster.owned import OwnedObjects, find, marks_of, owner_of
from canary_operator.adapters.cluster.resources import DESTINATION_RULES
from canary_operator.adapters.cluster.seen import SeenManifest
from canary_operator.adapters.traffic.istio_claims import full_host
from canary_operator.adapters.traffic.istio_http import as_written
from canary_operator.adapters.traffic.istio_writes import remove, writing
from canary_operator.domain.errors import RefusedRouteError
from canary_operator.domain.objects import (
    CANARY,
    MATCH,
    STABLE,
    metadata,
    track_name,
    without_nulls,
)
from canary_operator.domain.spec import RolloutSpec
from canary_operator.ports import Rollout

_RULES = Rules(exact=frozenset({"spec.trafficPolicy"}))


class OwnedRules(OwnedObjects[SeenManifest]):
    """DestinationRules; nobody else adds to their policies."""

    async def write(self, held: Held[SeenManifest] | None, wanted: Manifest) -> Manifest:
        """Write a DestinationRule, and take away what others added to its policy.

        Server-side apply leaves their fields alone.
        """
        seen = unpack(held.content.manifest)["spec"].get("trafficPolicy") if held else None
        policy = wanted["spec"]["trafficPolicy"]
        if held is None or not _has_more(seen, policy):
            return await super().write(held, wanted)
        spec = {**wanted["spec"], "trafficPolicy": _without_more(seen, policy)}
        patch = {"metadata": {"uid": held.uid, **marks_of(wanted)}, "spec": spec}
        return await self.client.merge(self.resource, held.namespace, held.name, patch)


def _has_more(seen: Any, wanted: Any) -> bool:
    """Whether an object has a field, at any depth, that is not wanted."""
    if not (isinstance(seen, dict) and isinstance(wanted, dict)):
        return False
    return any(name not in wanted or _has_more(seen[name], wanted[name]) for name in seen)


def _without_more(seen: Any, wanted: Any) -> Any:
    """Return what is wanted as a merge patch: null for every field that is not."""
    if not (isinstance(seen, dict) and isinstance(wanted, dict)):
        return wanted
    kept = {name: _without_more(seen.get(name), one) for name, one in wanted.items()}
    return {**dict.fromkeys(seen.keys() - wanted.keys()), **kept}


class Policies:
    """The DestinationRules of all rollouts."""

    def __init__(self, client: Client, caches: Caches, cluster_domain: str) -> None:
        """Remember where to write; the caches' `destination_rules` must be watched."""
        self._client = client
        self._domain = cluster_domain
        self._cache = caches.destination_rules
        self._objects = OwnedRules(client, DESTINATION_RULES, caches.destination_rules, _RULES)

    async def write(self, rollout: Rollout, spec: RolloutSpec) -> bool:
        """Make the DestinationRules look as the spec says; return whether one was written."""
        written = False
        for manifest in self._wanted(rollout, spec):
            with writing(DESTINATION_RULES, manifest["metadata"]["name"]):
                written |= await self._objects.ensure(rollout, manifest)
        return written

    async def remove_others(self, rollout: Rollout, spec: RolloutSpec) -> None:
        """Remove DestinationRules that the spec does not ask for any more."""
        if rollout.deleting:
            return
        wanted = {one["metadata"]["name"] for one in self._wanted(rollout, spec)}
        for held in self._cache.of(rollout.key):
            if held.owner_uid == rollout.uid and held.name not in wanted:
                await remove(self._client, DESTINATION_RULES, self._cache, held)

    async def try_out(self, rollout: Rollout, spec: RolloutSpec) -> None:
        """Ask the API server, and Istio's webhook where it is, whether they take the policy.

        Raises:
            RefusedRouteError: one of them does not; the message is theirs.
            NameConflictError: an object of that name is somebody else's.
        """
        wanted = list(self._wanted(rollout, spec))
        for manifest in wanted:
            name = manifest["metadata"]["name"]
            await find(self._client, DESTINATION_RULES, self._cache, rollout, name)
        for manifest in wanted[:1]:  # the others have the same policy
            try:
                await self._objects.try_out(rollout, manifest)
            except RejectedError as error:
                raise RefusedRouteError(
                    "spec.traffic.istio.trafficPolicy: the API server refuses DestinationRule "
                    f"{manifest['metadata']['name']}: {error.message}"
                ) from error

    def _wanted(self, rollout: Rollout, spec: RolloutSpec) -> Iterator[dict[str, Any]]:
        policy = spec.traffic.istio.traffic_policy if spec.traffic.istio else None
        if policy is None:
            return
        key, owner = rollout.key, owner_of(rollout)
        for part in (STABLE, CANARY, *((MATCH,) if spec.strategy.is_focused else ())):
            name = track_name(key.name, part)
            yield {
                "apiVersion": "networking.istio.io/v1",
                "kind": "DestinationRule",
                "metadata": metadata(owner, name),
                "spec": {
                    "host": full_host(name, key.namespace, self._domain),
                    "trafficPolicy": without_nulls(as_written(policy)),
                },
            }
