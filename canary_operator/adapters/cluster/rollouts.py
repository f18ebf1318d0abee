"""The CanaryRollouts themselves: read from the cache, status and annotation written."""

from collections.abc import Mapping
from typing import Any

from canary_operator.adapters.cluster.anchors import Anchors
from canary_operator.adapters.cluster.cache import Caches, Held
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.encoding import unpack
from canary_operator.adapters.cluster.errors import NotFoundError, RejectedError
from canary_operator.adapters.cluster.resources import ROLLOUTS
from canary_operator.adapters.cluster.seen import SeenRollout
from canary_operator.domain.anchors import anchor_name
from canary_operator.domain.errors import ConflictError, UnavailableError
from canary_operator.domain.loans import FINALIZER, needs_anchor
from canary_operator.domain.status import RolloutStatus
from canary_operator.domain.words import REQUEST_ANNOTATION
from canary_operator.ports import Key, Rollout

_REQUEST_PATH = "/metadata/annotations/" + REQUEST_ANNOTATION.replace("~", "~0").replace("/", "~1")


class ClusterRollouts:
    """Port `Rollouts`."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self._caches, self._cache = caches, caches.rollouts
        self._anchors = Anchors(client, caches)

    def get(self, key: Key) -> Rollout | None:
        """Return the rollout as last seen, to be looked at now; None when it is gone."""
        held = self._cache.take(key.namespace, key.name)
        if held is None:
            return None
        name = anchor_name(key.name, held.uid)
        anchor = self._caches.records.get(key.namespace, name)
        return _rollout(key, held, self._caches.versions_of(key), anchor.uid if anchor else None)

    async def write_status(self, rollout: Rollout, patch: Mapping[str, Any]) -> None:
        """Merge `patch` into the status, if the rollout is still as `rollout` says."""
        if rollout.deleting and not rollout.is_guarded:
            return
        key = rollout.key
        condition = {"resourceVersion": rollout.resource_version, "uid": rollout.uid}
        body = {"metadata": condition, "status": patch}
        try:
            answer = await self._client.merge_status(ROLLOUTS, key.namespace, key.name, body)
        except NotFoundError as error:
            self._drop(rollout)
            raise ConflictError(f"CanaryRollout {key} is gone") from error
        except RejectedError as error:
            raise UnavailableError(
                f"The API server does not take the status: {error.message}. Does the installed "
                "CRD belong to this version of the operator?"
            ) from error
        self._cache.learned(answer)

    async def remove_request(self, rollout: Rollout, value: str) -> None:
        """Remove the request annotation, if it still has `value`; else do nothing."""
        if rollout.deleting:
            return
        key = rollout.key
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": rollout.uid},
            {"op": "test", "path": _REQUEST_PATH, "value": value},
            {"op": "remove", "path": _REQUEST_PATH},
        ]
        try:
            answer = await self._client.patch(ROLLOUTS, key.namespace, key.name, operations)
        except (NotFoundError, RejectedError):
            return  # it has another value, or is gone: the watch tells
        self._cache.learned(answer)

    async def guard(self, rollout: Rollout) -> None:
        """Keep the rollout, when it is deleted, until `release`."""
        if not rollout.is_guarded:
            await self._write_finalizers(rollout, [*rollout.finalizers, FINALIZER])

    async def anchor(self, rollout: Rollout) -> None:
        """Keep the objects of the rollout, too, until `release`, however it is deleted."""
        await self._anchors.ensure(rollout)

    async def release(self, rollout: Rollout) -> None:
        """Let the rollout go when it is deleted, with its objects: all was given back."""
        if rollout.is_guarded:
            if rollout.anchor is not None or _may_be_anchored(rollout):
                await self._anchors.remove(rollout)
            left = [one for one in rollout.finalizers if one != FINALIZER]
            await self._write_finalizers(rollout, left)

    async def _write_finalizers(self, rollout: Rollout, finalizers: list[str]) -> None:
        key = rollout.key
        condition = {"resourceVersion": rollout.resource_version, "uid": rollout.uid}
        body = {"metadata": {**condition, "finalizers": finalizers}}
        try:
            answer = await self._client.merge(ROLLOUTS, key.namespace, key.name, body)
        except NotFoundError as error:
            self._drop(rollout)
            raise ConflictError(f"CanaryRollout {key} is gone") from error
        except RejectedError as error:
            raise UnavailableError(
                f"The API server does not take finalizer {FINALIZER}: {error.message}"
            ) from error
        self._cache.learned(answer)
        if rollout.deleting and not finalizers:
            # The answer has the version that the object had before, with its last finalizer. Nobody
            # may take it for one that still has something to give back.
            self._drop(rollout)

    def _drop(self, rollout: Rollout) -> None:
        held = self._cache.get(rollout.key.namespace, rollout.key.name)
        if held is not None and held.uid == rollout.uid:
            self._cache.bury(held)


def _may_be_anchored(rollout: Rollout) -> bool:
    return needs_anchor(RolloutStatus.read(rollout.status).borrowed or ())


def _rollout(
    key: Key, held: Held[SeenRollout], versions: tuple[int, ...], anchor: str | None
) -> Rollout:
    seen = held.content
    return Rollout(
        key=key,
        uid=held.uid,
        resource_version=str(held.version),
        generation=seen.generation,
        spec=unpack(seen.spec),
        status=unpack(seen.status),
        request=seen.request,
        deleting=seen.deleting,
        finalizers=seen.finalizers,
        created=seen.created,
        anchor=anchor,
        objects=(held.uid, versions),
    )
