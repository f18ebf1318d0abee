"""Deployments that rollouts take their pods from: other people's, so little of them is written.

A label names the rollout, and with it the watch of our own Deployments tells of them too: following
them takes no further watch, and no look at any other Deployment. Whose label stands there first has
the Deployment. It costs a write to an object of somebody else, which is taken back at the end.
"""

import time
from typing import Any

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.cache import Caches, Held, Place
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.convergence import Convergence
from canary_operator.adapters.cluster.encoding import unpack
from canary_operator.adapters.cluster.errors import ApiError, NotFoundError
from canary_operator.adapters.cluster.owned import OwnedObjects, marks_of
from canary_operator.adapters.cluster.resources import DEPLOYMENTS
from canary_operator.adapters.cluster.seen import SeenDeployment
from canary_operator.domain.errors import (
    NameConflictError,
    UnavailableError,
    WorkloadNotFoundError,
)
from canary_operator.domain.objects import ROLLOUT_LABEL
from canary_operator.domain.revision import revision_of
from canary_operator.domain.status import RolloutStatus
from canary_operator.domain.target import ReferenceTarget
from canary_operator.domain.workload import REPLICAS_BEFORE, Reference, is_held
from canary_operator.ports import Key, Rollout

_LONGEST = 6
"""Digits of a number of pods; Python refuses to read a number of thousands of them."""


class References(OwnedObjects[SeenDeployment]):
    """The Deployments that rollouts take their pods from."""

    def __init__(self, client: Client, caches: Caches) -> None:
        super().__init__(client, DEPLOYMENTS, caches.deployments)
        self._rollouts = caches.rollouts
        self._read: dict[Place, tuple[int, Reference]] = {}
        self._labelling = Convergence(time.monotonic)
        """Of the label alone: what else is written comes and goes between two labels."""

    def removed(self, place: Place) -> None:
        """Drop what was read, and not how often it was written: only the label may be gone."""
        self._read.pop(place, None)

    def seen(self, rollout: Rollout, name: str) -> Reference | None:
        """Return a Deployment that is followed, as last seen."""
        held = self._held(rollout, name)
        if held is None:
            return None
        place = held.namespace, held.name
        version, reference = self._read.get(place, (None, None))
        if reference is None or version != held.version:
            reference = _reference(held)
            self._read[place] = held.version, reference
        return reference

    def _held(self, rollout: Rollout, name: str) -> Held[SeenDeployment] | None:
        held = self.cache.get(rollout.key.namespace, name)
        mine = held is not None and held.rollout == rollout.key and held.owner_uid is None
        return held if mine else None

    async def look_up(self, rollout: Rollout, name: str) -> None:
        """See whether the pods can be taken from a Deployment, and change nothing."""
        key = rollout.key
        try:
            body = await self.client.get(DEPLOYMENTS, key.namespace, name)
        except NotFoundError as error:
            raise WorkloadNotFoundError(name, key.namespace) from error
        except ApiError as error:
            raise UnavailableError(f"Deployment {name} cannot be looked at: {error}") from error
        self._check_free(key, self.cache.read(body))

    async def follow(self, rollout: Rollout, name: str) -> Reference:
        """Have a Deployment followed, and return it."""
        key = rollout.key
        held = self.cache.get(key.namespace, name)
        try:
            if held is None:
                held = self.cache.read(await self.client.get(DEPLOYMENTS, key.namespace, name))
            self._check_free(key, held)
            if not rollout.deleting:
                await self._label(rollout, held)
        except NotFoundError as error:
            self._forget(key, name)
            raise WorkloadNotFoundError(name, key.namespace) from error
        except ApiError as error:
            raise UnavailableError(f"Deployment {name} cannot be labelled: {error}") from error
        return _reference(self.cache.get(key.namespace, name) or held)

    async def find_replaced(self, rollout: Rollout, name: str, *, replaced: bool) -> None:
        """Have a Deployment followed again whose label somebody took; else it is never restored.

        Args:
            rollout: Whose stable serves in its place, while it is deleted.
            name: Of the Deployment.
            replaced: Whether stable took its place; else our mark on it has to say so.

        Raises:
            DriftConflictError: the label does not stay.
            UnavailableError: the API server does not say whether there is one.
        """
        key = rollout.key
        if self.cache.get(key.namespace, name) is not None:
            return
        try:
            body = await self.client.get(DEPLOYMENTS, key.namespace, name)
            held = self.cache.read(body)
            if held.rollout == key:
                self.cache.learned(body)  # its watch lags
                return
            borrowed = replaced or _reference(held).replicas_before is not None
            if borrowed and held.owner_uid is None and self._holder(key, held) is None:
                await self._label(rollout, held)
        except NotFoundError:
            self._forget(key, name)
        except ApiError as error:
            raise UnavailableError(f"Deployment {name} cannot be looked at: {error}") from error

    async def _label(self, rollout: Rollout, held: Held[SeenDeployment]) -> None:
        """Write the label that names the rollout, if it is not there."""
        if held.rollout == rollout.key:
            return
        place, wanted = (held.namespace, held.name), _wish(rollout, held.name)
        self._labelling.check(place, wanted, f"Deployment {held.name}")
        self.cache.learned(await self.write(held, wanted))
        self._labelling.written(place, wanted, wanted)

    def _forget(self, key: Key, name: str) -> None:
        """Drop all that is remembered of a Deployment that is not there."""
        place = key.namespace, name
        self._convergence.forget(place)
        self._labelling.forget(place)

    def _check_free(self, key: Key, held: Held[Any]) -> None:
        """Refuse a Deployment that somebody else decides about.

        Raises:
            NameConflictError: says who.
        """
        if held.owner_uid is not None:
            raise NameConflictError(
                f"spec.workloadRef.name is {held.name}, and that Deployment belongs to {held.owner}"
                ", which decides about its pods; it was not touched. Name one that nothing owns."
            )
        other = self._holder(key, held)
        if other is not None:
            raise NameConflictError(
                f"spec.workloadRef.name is {held.name}, and CanaryRollout {other} takes its "
                "pods from that Deployment already; it was not touched. Delete one of the two."
            )

    def _holder(self, key: Key, held: Held[Any]) -> str | None:
        """Return which other CanaryRollout a Deployment is held by; None for none."""
        if held.rollout in {None, key}:
            return None
        other = self._rollouts.get(held.rollout.namespace, held.rollout.name)
        if other is None:
            return None
        spec, status = unpack(other.content.spec), unpack(other.content.status)
        return other.name if is_held(held.name, spec, RolloutStatus.read(status)) else None

    async def scale_down(self, rollout: Rollout, target: ReferenceTarget) -> bool:
        """Scale a Deployment to zero, and note how many pods it had."""
        held = self._held(rollout, target.name)
        if held is None or rollout.deleting:
            return False
        wanted = _wish(rollout, target.name, str(target.replicas_before), replicas=0)
        return await self._patch(held, wanted)

    async def scale_up(self, rollout: Rollout, name: str, replicas: int) -> bool:
        """Scale a Deployment to what it had."""
        held = self._held(rollout, name)
        if held is None or held.content.replicas >= replicas:
            return False
        return await self._patch(held, _wish(rollout, name, replicas=replicas))

    async def let_go(self, rollout: Rollout, name: str) -> bool:
        """Take away what was written beside the number of pods."""
        held = self._held(rollout, name)
        if held is None:
            return False
        metadata = {"labels": {ROLLOUT_LABEL: None}, "annotations": {REPLICAS_BEFORE: None}}
        written = await self._patch(held, {"metadata": metadata, "spec": {}})
        self._forget(rollout.key, name)
        return written

    async def _patch(self, held: Held[SeenDeployment], wanted: Manifest) -> bool:
        try:
            if "name" in wanted["metadata"]:
                return await self._ensure(held, wanted, urgent=False)
            self.cache.learned(await self.write(held, wanted))
        except NotFoundError as error:
            self.cache.drop(held)
            raise UnavailableError(f"Deployment {held.name} is gone.") from error
        except ApiError as error:
            words = f"The API server refuses to change Deployment {held.name}: {error}"
            raise UnavailableError(words) from error
        return True

    async def write(self, held: Held[SeenDeployment] | None, wanted: Manifest) -> Manifest:
        """Change only what is wanted; never make the object."""
        assert held is not None  # noqa: S101 - for the type checker
        patch = {"metadata": {"uid": held.uid, **marks_of(wanted)}, "spec": wanted["spec"]}
        return await self.client.merge(DEPLOYMENTS, held.namespace, held.name, patch)


def _wish(
    rollout: Rollout, name: str, before: str | None = None, *, replicas: int | None = None
) -> Manifest:
    """Return the fields of a Deployment that a rollout writes."""
    return {
        "metadata": {
            "name": name,
            "namespace": rollout.key.namespace,
            "labels": {ROLLOUT_LABEL: rollout.key.name},
            "annotations": {} if before is None else {REPLICAS_BEFORE: before},
        },
        "spec": {} if replicas is None else {"replicas": replicas},
    }


def _reference(held: Held[SeenDeployment]) -> Reference:
    seen = held.content
    manifest = unpack(seen.manifest)
    template = manifest["spec"].get("template") or {}
    before = manifest["metadata"]["annotations"].get(REPLICAS_BEFORE, "")
    return Reference(
        name=held.name,
        template=template,
        revision=revision_of(template),
        replicas=seen.replicas,
        replicas_before=int(before) if _is_count(before) else None,
        current=seen.current,
        pods=seen.pods,
        updated=seen.updated,
        available=seen.available,
    )


def _is_count(text: str) -> bool:
    """Whether a mark, which anybody may have changed, is a number of pods."""
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST
