"""Anchors: what the objects of a rollout stay with while it is deleted and cannot go yet.

Deleted in the foreground, as Argo CD prunes, a CanaryRollout loses its objects before itself: the
garbage collector deletes whatever it owns, and our finalizer keeps nothing but the CanaryRollout.
An object with a second owner that stays is let alone; it only loses the reference to the first one.
The anchor is that second owner. Once it is deleted as well, the garbage collector does the rest.

Its name holds the uid of the CanaryRollout, so an object that has only this owner left still says
whose it is.
"""

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.cache import Caches, Held
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.errors import AlreadyExistsError, ApiError, NotFoundError
from canary_operator.adapters.cluster.owned import owner_of
from canary_operator.adapters.cluster.resources import RECORDS
from canary_operator.adapters.cluster.seen import SeenRecord
from canary_operator.domain.anchors import ANCHOR_KIND, anchor_name
from canary_operator.domain.errors import UnavailableError
from canary_operator.domain.objects import metadata
from canary_operator.ports import Rollout


class Anchors:
    """The anchors of all rollouts that have one."""

    def __init__(self, client: Client, caches: Caches) -> None:
        """Remember where to write; the caches' `records` must be watched."""
        self._client = client
        self._cache = caches.records

    async def ensure(self, rollout: Rollout) -> None:
        """Make the anchor of a rollout.

        Raises:
            UnavailableError: the API server does not take it.
        """
        try:
            self._cache.learned(await self._made(_anchor(rollout)))
        except ApiError as error:
            raise UnavailableError(
                f"The API server does not take the anchor of the rollout, which keeps its objects "
                f"while it is deleted: {error}. It is tried again."
            ) from error

    async def _made(self, wanted: Manifest) -> Manifest:
        meta = wanted["metadata"]
        try:
            return await self._client.create(RECORDS, wanted)
        except AlreadyExistsError:
            return await self._client.get(RECORDS, meta["namespace"], meta["name"])

    async def remove(self, rollout: Rollout) -> None:
        """Let the objects of a rollout go; those that it still owns go with it."""
        held = await self._find(rollout)
        if held is None:
            return
        try:
            await self._client.delete(RECORDS, held.namespace, held.name, held.uid)
        except NotFoundError:
            pass  # somebody was quicker
        except ApiError as error:
            raise UnavailableError(
                f"ControllerRevision {held.name}, which keeps the rollout's objects, is not "
                f"deleted: {error}. It is tried again; allow it, or delete the object."
            ) from error
        self._cache.drop(held)

    async def _find(self, rollout: Rollout) -> Held[SeenRecord] | None:
        """Ask for it by name where nothing tells of it, as its label may have been removed."""
        namespace, name = rollout.key.namespace, anchor_name(rollout.key.name, rollout.uid)
        held = self._cache.get(namespace, name)
        if held is not None:
            return held
        try:
            return self._cache.read(await self._client.get(RECORDS, namespace, name))
        except NotFoundError:
            return None


def _anchor(rollout: Rollout) -> Manifest:
    """Return an object without an owner: the garbage collector would delete it with the others."""
    meta = metadata(owner_of(rollout), anchor_name(rollout.key.name, rollout.uid))
    return {
        "apiVersion": "apps/v1",
        "kind": ANCHOR_KIND,
        "metadata": {field: one for field, one in meta.items() if field != "ownerReferences"},
        "data": {},
        "revision": 0,
    }
