"""Deployments that autoscalers scale, and the autoscalers."""

from contextlib import suppress

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.cache import Caches, Held
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.errors import ApiError, NotFoundError, RejectedError
from canary_operator.adapters.cluster.owned import OwnedObjects, owner_of
from canary_operator.adapters.cluster.resources import AUTOSCALERS
from canary_operator.adapters.cluster.seen import SeenAutoscaler, SeenDeployment
from canary_operator.domain.errors import ConflictError, InvalidSpecError, UnavailableError
from canary_operator.domain.objects import CANARY, MANAGER, STABLE, autoscaler, track_name
from canary_operator.domain.situation import ScalerState
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.target import Bounds
from canary_operator.ports import Rollout

SCALE_MANAGER = f"{MANAGER}-scale"
"""Owner of `replicas` until an autoscaler says its first word."""


class OwnedDeployments(OwnedObjects[SeenDeployment]):
    """Deployments; the number of pods is theirs who scale them, where the rollout names none."""

    async def write(self, held: Held[SeenDeployment] | None, wanted: Manifest) -> Manifest:
        """Write a Deployment, and leave its pods alone where `wanted` does not number them.

        Server-side apply takes a field away that its applier does not speak of any more, and the
        API server makes 1 of no `replicas`. So the number gets another owner before.
        """
        if "replicas" in wanted["spec"]:
            return await super().write(held, wanted)
        if held is None:
            raise ConflictError("a Deployment is gone whose autoscaler had the word: look again")
        if held.content.owns_replicas:
            await self._hand_over(held, wanted)
        return await super().write(held, wanted)

    async def _hand_over(self, held: Held[SeenDeployment], wanted: Manifest) -> None:
        """Give `replicas` another owner, unless somebody else says another number by now."""
        meta = {"namespace": held.namespace, "name": held.name, "uid": held.uid}
        kind = {name: wanted[name] for name in ("apiVersion", "kind")}
        kept = {**kind, "metadata": meta, "spec": {"replicas": held.content.replicas}}
        answer = await self.client.apply(self.resource, kept, force=False, manager=SCALE_MANAGER)
        self.cache.learned(answer)


class Autoscalers:
    """The HorizontalPodAutoscalers of all rollouts."""

    def __init__(self, client: Client, caches: Caches) -> None:
        """Remember where to write; the caches' `autoscalers` must be watched."""
        self._client = client
        self._cache = caches.autoscalers
        self._objects = OwnedObjects[SeenAutoscaler](client, AUTOSCALERS, caches.autoscalers)

    def state(self, rollout: Rollout, track: str) -> ScalerState | None:
        """Return the autoscaler of a track as last seen."""
        held = self._objects.get(rollout, track_name(rollout.key.name, track))
        seen = held.content if held else None
        if seen is None:
            return None
        return ScalerState(seen.least, seen.most, seen.desired, seen.ambiguous)

    async def try_out(self, rollout: Rollout, spec: RolloutSpec) -> None:
        """Ask the API server whether it takes the autoscalers of `spec`, if any.

        Raises:
            InvalidSpecError: it does not; the message is the server's.
            NameConflictError: one of them is somebody else's.
        """
        scaling = spec.autoscaling
        if scaling is None or rollout.deleting:
            return
        for track, least in ((STABLE, scaling.min_replicas), (CANARY, 1)):
            wanted = _manifest(rollout, track, Bounds(least, scaling.max_replicas), spec)
            try:
                await self._objects.try_out(rollout, wanted)
            except NotFoundError as error:
                raise _unavailable(error) from error
            except RejectedError as error:
                raise _refused(wanted, error) from error

    async def ensure(
        self, rollout: Rollout, track: str, bounds: Bounds | None, spec: RolloutSpec
    ) -> bool:
        """Give a Deployment an autoscaler, or take it away; return whether it was written."""
        if bounds is None or spec.autoscaling is None:
            return await self._remove(rollout, track)
        wanted = _manifest(rollout, track, bounds, spec)
        try:
            return await self._objects.ensure(rollout, wanted)
        except NotFoundError as error:
            raise _unavailable(error) from error
        except ApiError as error:
            raise _refused(wanted, error) from error

    async def _remove(self, rollout: Rollout, track: str) -> bool:
        held = self._objects.get(rollout, track_name(rollout.key.name, track))
        if held is None or rollout.deleting:
            return False
        try:
            with suppress(NotFoundError, ConflictError):  # gone, or another object by now
                await self._client.delete(AUTOSCALERS, held.namespace, held.name, held.uid)
        except ApiError as error:
            raise UnavailableError(error.message) from error
        self._cache.drop(held)
        return True


def _manifest(rollout: Rollout, track: str, bounds: Bounds, spec: RolloutSpec) -> Manifest:
    assert spec.autoscaling is not None  # noqa: S101 - for the type checker
    return autoscaler(
        owner_of(rollout), track, least=bounds.least, most=bounds.most, scaling=spec.autoscaling
    )


def _refused(wanted: Manifest, error: ApiError) -> InvalidSpecError:
    name = wanted["metadata"]["name"]
    return InvalidSpecError(
        f"spec.autoscaling: the API server refuses HorizontalPodAutoscaler {name}: {error.message}"
    )


def _unavailable(error: NotFoundError) -> UnavailableError:
    return UnavailableError(error.message)
