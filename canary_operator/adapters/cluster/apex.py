"""The Service that callers use: the rollout's own, or one that its owner gave to the rollout."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.cache import Caches, Held, Place
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.encoding import unpack
from canary_operator.adapters.cluster.errors import ApiError, NotFoundError
from canary_operator.adapters.cluster.owned import check_ours, marks_of
from canary_operator.adapters.cluster.resources import SERVICES
from canary_operator.adapters.cluster.seen import SeenManifest
from canary_operator.adapters.cluster.services import OwnedServices
from canary_operator.adapters.cluster.stand_ins import StandIns, adopted_selector
from canary_operator.domain.errors import NameConflictError, UnavailableError
from canary_operator.domain.objects import STABLE, TRACK_LABEL, track_name
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.takeover import (
    check_service,
    given_back,
    how_to_give,
    is_given_to,
    is_taken,
    own_selector,
    taken,
)
from canary_operator.ports import Rollout


class ApexServices(OwnedServices):
    """The Services that callers use.

    One that was given has no ownerReference of ours: it must not go with the CanaryRollout.
    """

    def __init__(
        self, client: Client, caches: Caches, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(client, caches.services)
        self._deployments = caches.deployments
        self._stand_ins = StandIns(client, caches.services, clock)
        self._theirs: set[Place] = set()
        """Where Services stand that were taken over."""

    def removed(self, place: Place) -> None:
        """Drop how often one of our own was written; of another one only the label may be gone."""
        if place not in self._theirs:
            super().removed(place)

    def _forget(self, place: Place) -> None:
        self._theirs.discard(place)
        self.removed(place)

    def get(self, rollout: Rollout, name: str) -> Held[SeenManifest] | None:
        """Return the Service as last seen, if it leads to the rollout's pods."""
        return super().get(rollout, name) or self._taken(rollout)

    def _taken(self, rollout: Rollout) -> Held[SeenManifest] | None:
        held = self.cache.get(rollout.key.namespace, rollout.key.name)
        return held if held is not None and _is_taken(rollout, held) else None

    async def find_taken(self, rollout: Rollout) -> None:
        """Ask for a Service that was taken over by name, where nothing tells of it any more.

        Raises:
            UnavailableError: the API server does not say whether there is one.
        """
        namespace, name = rollout.key.namespace, rollout.key.name
        if self.cache.get(namespace, name) is not None:
            return
        try:
            body = await self.client.get(SERVICES, namespace, name)
        except NotFoundError:
            return
        except ApiError as error:
            raise UnavailableError(f"Service {name} cannot be looked at: {error}") from error
        if _is_taken(rollout, self.cache.read(body)):
            self.cache.learned(body)

    def selected_by(self, rollout: Rollout) -> dict[str, str]:
        """Return which labels a Service that was taken over selects by itself."""
        held = self._taken(rollout)
        return own_selector(_spec(held)) if held else {}

    async def lead(
        self, rollout: Rollout, spec: RolloutSpec, wanted: Manifest, *, takes_over: bool
    ) -> bool:
        """Make the Service lead to the rollout's pods; return whether something was written.

        Args:
            rollout: Whose Service.
            spec: Its ports, and whether the pods are taken from a Deployment.
            wanted: What it looks like as one of our own.
            takes_over: Whether one that was given leads there from now on; else it is only looked
                at whether it will.

        Raises:
            NameConflictError: it is neither ours nor given, or does not fit.
            DriftConflictError: it does not stay as we write it.
            ApiError: the server refuses it.
        """
        if rollout.deleting:
            return False
        asked = spec.workload_ref is not None
        held = await self._find_theirs(rollout) if asked else None
        if held is None:
            own = adopted_selector(rollout) if asked else None
            if own is not None and self.get(rollout, rollout.key.name) is None:
                return await self._stand_ins.make(rollout, wanted, own)
            return await self.ensure(rollout, wanted)
        name, live = rollout.key.name, _as_given(rollout, _spec(held))
        fits = partial(check_service, name, live, spec.service.all_ports, self._labels(rollout))
        if not is_taken(name, live):
            fits()
            if not takes_over:
                return False
        self._theirs.add((held.namespace, held.name))
        # What sets the selector back lets callers meet a canary: it is not left so for long, nor
        # where the Service does not fit any more.
        written = await self._ensure(held, taken(wanted, live), urgent=True)
        fits()
        return written

    async def _find_theirs(self, rollout: Rollout) -> Held[SeenManifest] | None:
        """Return the Service if somebody gave it; None where it is ours, or not there.

        One that was taken over stays so until it is given back, whoever holds the annotation: it
        may lead to the canary, and has to be closed then.
        """
        namespace, name = rollout.key.namespace, rollout.key.name
        held = self.cache.get(namespace, name)
        if held is None:
            try:
                held = self.cache.read(await self.client.get(SERVICES, namespace, name))
            except NotFoundError as error:
                if error.api_missing:
                    raise
                self._forget((namespace, name))
                return None
        self._stand_ins.is_back((namespace, name))
        if _is_given(rollout, held) or _is_taken(rollout, held):
            return held
        if held.owner_uid is None:
            raise NameConflictError(
                f"Service {name} already exists and was not made by this rollout; it was not "
                f"touched. To have it lead to the pods of the rollout: {how_to_give(name)}."
            )
        check_ours(rollout, SERVICES, held)
        return None

    def _labels(self, rollout: Rollout) -> dict[str, str] | None:
        name = track_name(rollout.key.name, STABLE)
        held = self._deployments.get(rollout.key.namespace, name)
        if held is None:
            return None
        template: dict[str, Any] = unpack(held.content.manifest)["spec"]["template"]
        labels: dict[str, str] = template["metadata"]["labels"]
        return labels

    async def write(self, held: Held[SeenManifest] | None, wanted: Manifest) -> Manifest:
        """Write one of our own; of one that was given only its selector and our marks."""
        if held is None or held.owner_uid is not None:
            return await super().write(held, wanted)
        selector = wanted["spec"]["selector"]
        gone = dict.fromkeys((_spec(held).get("selector") or {}).keys() - selector.keys())
        spec = {"selector": {**gone, **selector}}
        patch = {"metadata": {"uid": held.uid, **marks_of(wanted)}, "spec": spec}
        return await self.client.merge(SERVICES, held.namespace, held.name, patch)

    def is_taken(self, rollout: Rollout) -> bool:
        """Whether a Service of somebody else leads to the pods of the rollout."""
        return self._taken(rollout) is not None

    def is_open(self, rollout: Rollout) -> bool:
        """Whether a Service that was taken over leads to the canary's pods too."""
        held = self._taken(rollout)
        return held is not None and TRACK_LABEL not in _spec(held)["selector"]

    async def close(self, rollout: Rollout) -> None:
        """Let a Service that was taken over lead to stable's pods only."""
        held = self._taken(rollout)
        if held is not None and self.is_open(rollout):
            await self._merge(held, {"metadata": {}, "spec": {"selector": {TRACK_LABEL: STABLE}}})

    async def give_back(self, rollout: Rollout) -> None:
        """Let a Service that was taken over lead where it led before."""
        held = self._taken(rollout)
        if held is not None:
            manifest = unpack(held.content.manifest)
            lost = None if own_selector(manifest["spec"]) else adopted_selector(rollout)
            await self._merge(held, given_back(manifest["metadata"]["annotations"], lost))
            self._forget((held.namespace, held.name))
            left = self.cache.get(held.namespace, held.name)
            if left is not None and held.rollout is None:
                self.cache.drop(left)  # no watch tells what becomes of it

    async def _merge(self, held: Held[SeenManifest], patch: Manifest) -> None:
        patch["metadata"]["uid"] = held.uid
        try:
            answer = await self.client.merge(SERVICES, held.namespace, held.name, patch)
        except NotFoundError:
            self.cache.drop(held)  # nothing is left to be given back
        except ApiError as error:
            words = f"The API server refuses to change Service {held.name}: {error}"
            raise UnavailableError(words) from error
        else:
            self.cache.learned(answer)


def _is_taken(rollout: Rollout, held: Held[SeenManifest]) -> bool:
    return held.owner_uid is None and is_taken(rollout.key.name, _spec(held))


def _as_given(rollout: Rollout, spec: dict[str, Any]) -> dict[str, Any]:
    """Return the spec of a Service with what it selects by itself, also where that was lost."""
    lost = None if own_selector(spec) else adopted_selector(rollout)
    return {**spec, "selector": {**(spec.get("selector") or {}), **lost}} if lost else spec


def _is_given(rollout: Rollout, held: Held[SeenManifest]) -> bool:
    annotations = unpack(held.content.manifest)["metadata"]["annotations"]
    return held.owner_uid is None and is_given_to(rollout.key.name, annotations)


def _spec(held: Held[SeenManifest]) -> dict[str, Any]:
    spec: dict[str, Any] = unpack(held.content.manifest)["spec"]
    return spec
