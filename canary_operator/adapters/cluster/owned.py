"""Objects that a rollout owns: compared with what is wanted, and written only when they differ.

An object is ours when its controlling owner is the CanaryRollout, by uid. Everything else of that
name belongs to somebody and is never touched.
"""

import time
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.cache import Held, ObjectCache, Place
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.convergence import Convergence
from canary_operator.adapters.cluster.drift import Rules, projection
from canary_operator.adapters.cluster.encoding import unpack
from canary_operator.adapters.cluster.errors import NotFoundError
from canary_operator.adapters.cluster.resources import Resource
from canary_operator.adapters.cluster.seen import Comparable
from canary_operator.domain.errors import ConflictError, NameConflictError
from canary_operator.domain.objects import KIND, Owner
from canary_operator.ports import Rollout

Content = TypeVar("Content")
Spec = TypeVar("Spec", bound=Comparable)


def marks_of(wanted: Manifest) -> dict[str, Any]:
    """Return the labels and annotations of an object, for a patch of more than its spec."""
    meta = wanted["metadata"]
    return {name: meta[name] for name in ("labels", "annotations") if name in meta}


def owner_of(rollout: Rollout) -> Owner:
    """Return who owns the objects of a rollout."""
    return Owner(rollout.key.name, rollout.key.namespace, rollout.uid, rollout.anchor)


def check_ours(rollout: Rollout, resource: Resource, held: Held[Any]) -> None:
    """Refuse an object that is not the rollout's.

    Raises:
        NameConflictError: says whose it is and what to do.
    """
    if held.owner_uid == rollout.uid:
        return
    what = f"{resource.kind} {held.name}"
    if held.owner == f"{KIND} {rollout.key.name}":
        raise NameConflictError(
            f"{what} belongs to a deleted CanaryRollout of the same name. It goes by itself, "
            "unless that one was deleted with --cascade=orphan, or its finalizer was removed: then "
            "delete it."
        )
    whose = f"belongs to {held.owner}" if held.owner else "was not made by this rollout"
    raise NameConflictError(
        f"{what} already exists and {whose}; it was not touched. "
        "Delete or rename it, or give the CanaryRollout another name."
    )


async def find(
    client: Client, resource: Resource, cache: ObjectCache[Content], rollout: Rollout, name: str
) -> Held[Content] | None:
    """Return the rollout's object of that name, asking the server when the cache has none.

    Raises:
        NameConflictError: the object is not ours.
    """
    namespace = rollout.key.namespace
    held = cache.get(namespace, name)
    if held is None:
        try:
            body = await client.get(resource, namespace, name)
        except NotFoundError as error:
            if error.api_missing:
                raise
            return None
        # An object without our label is not watched, so a foreign one must not be remembered.
        held = cache.read(body)
        check_ours(rollout, resource, held)
        return cache.learned(body)
    check_ours(rollout, resource, held)
    return held


class OwnedObjects(Generic[Spec]):
    """The objects of one kind that rollouts own."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        cache: ObjectCache[Spec],
        rules: Rules = Rules(),  # noqa: B008 - frozen
    ) -> None:
        self.client = client
        self.resource = resource
        self.cache = cache
        self._rules = rules
        self._convergence = Convergence(time.monotonic)
        cache.on_removal(self.removed)

    def removed(self, place: Place) -> None:
        """Drop what is remembered of an object that is gone."""
        self._convergence.forget(place)

    def get(self, rollout: Rollout, name: str) -> Held[Spec] | None:
        """Return the rollout's own object as last seen."""
        held = self.cache.get(rollout.key.namespace, name)
        return held if held is not None and held.owner_uid == rollout.uid else None

    async def ensure(self, rollout: Rollout, wanted: Manifest, *, urgent: bool = False) -> bool:
        """Make the object look as `wanted`; return whether something was written.

        Args:
            rollout: The owner.
            wanted: The manifest, of our own fields alone.
            urgent: Whether a write that was made in vain is soon made again, see `Convergence`.

        Raises:
            NameConflictError: the object is not ours.
            DriftConflictError: it does not stay as we write it.
            ApiError: the server refuses it.
        """
        if rollout.deleting:
            return False
        name = wanted["metadata"]["name"]
        held = await find(self.client, self.resource, self.cache, rollout, name)
        try:
            return await self._ensure(held, wanted, urgent)
        except ConflictError:
            if held is None:
                raise
            self.cache.drop(held)  # deleted, or deleted and made anew: look again
        held = await find(self.client, self.resource, self.cache, rollout, name)
        return await self._ensure(held, wanted, urgent)

    async def try_out(self, rollout: Rollout, wanted: Manifest) -> None:
        """Ask the server whether it would take the object.

        Raises:
            NameConflictError: the object is not ours.
            ApiError, ConflictError: the server would not.
        """
        name = wanted["metadata"]["name"]
        held = await find(self.client, self.resource, self.cache, rollout, name)
        tried = wanted if held is None else with_uid(wanted, held.uid)
        await self.client.apply(self.resource, tried, dry_run=True, force=held is not None)

    async def _ensure(self, held: Held[Spec] | None, wanted: Manifest, urgent: bool) -> bool:
        meta = wanted["metadata"]
        place = meta["namespace"], meta["name"]
        wish = _comparable(wanted)
        if held is not None:
            if self._convergence.is_settled(place, held.version, wish):
                return False
            seen = self._seen(held, wish)
            if seen == wish or (
                _is_anchored(seen, wish) and self._convergence.is_as_answered(place, wish, seen)
            ):
                self._convergence.settled(place, held.version, wish)
                return False
        what = f"{self.resource.kind} {meta['name']}"
        self._convergence.check(place, wish, what, urgent=urgent)
        answer = self.cache.learned(await self.write(held, wanted))
        self._convergence.written(place, wish, self._seen(answer, wish))
        return True

    def _seen(self, held: Held[Spec], wish: Manifest) -> Any:
        live = unpack(held.content.manifest)
        live = {**live, "metadata": {**live["metadata"], _ANCHOR: held.anchor}}
        return projection(wish, live, self._rules)

    async def write(self, held: Held[Spec] | None, wanted: Manifest) -> Manifest:
        """Write the object; the one that was seen, where one was seen.

        Where none was seen it is made, and nothing is forced: an object that somebody made since
        we looked differs from ours, so the server reports a conflict and leaves it alone.
        """
        if held is None:
            return await self.client.apply(self.resource, wanted, force=False)
        return await self.client.apply(self.resource, with_uid(wanted, held.uid))


def with_uid(wanted: Mapping[str, Any], uid: str) -> Manifest:
    """Return a manifest that the server takes only for the very object that was seen."""
    return {**wanted, "metadata": {**wanted["metadata"], "uid": uid}}


_ANCHOR = "anchor"


def _comparable(wanted: Mapping[str, Any]) -> Manifest:
    """Return what is compared: what the manifest says, and which anchor it names, if any."""
    meta = wanted["metadata"]
    part = {"labels": meta["labels"], "annotations": meta.get("annotations", {})}
    further = [ref["uid"] for ref in meta.get("ownerReferences", ()) if not ref.get("controller")]
    anchor = {_ANCHOR: further[0]} if further else {}
    return {"metadata": {**part, **anchor}, "spec": wanted["spec"]}


def _is_anchored(seen: Manifest, wish: Manifest) -> bool:
    """Whether an object has the anchor that is wished; no server takes that for the same."""
    return bool(seen["metadata"].get(_ANCHOR) == wish["metadata"].get(_ANCHOR))
